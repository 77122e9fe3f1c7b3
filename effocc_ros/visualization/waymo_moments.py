# SPDX-License-Identifier: Apache-2.0
"""The moments of a scene of Occ3D-Waymo: its labels, or what a model says beside them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from effocc_ros.classes import OCC3D_WAYMO
from effocc_ros.datasets.occ3d_waymo import LABELS, SPLITS, Occ3dWaymoDataset
from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError, some
from effocc_ros.predictor import Predictor
from effocc_ros.visualization.bag_moments import Choice
from effocc_ros.visualization.readable import readable_moments
from effocc_ros.visualization.scene import Moment


def waymo_moments(root: Path, choice: Choice) -> Iterator[Moment]:
    """Show the frames of a scene; without a model the labels alone, for no network of Waymo ships.

    Args:
        root: Folder with voxel04/, kitti_format/ and the files of cameras.
        choice: Scene, as 007 or validation/007 (the first when empty), and model.

    Raises:
        InputError: There is no such scene, no frame of it can be read, or the model is of another
            benchmark.
    """
    split, scene = _chosen_scene(root, choice.scene)
    with ExitStack() as stack:
        predictor = None
        if choice.model:
            predictor = stack.enter_context(Predictor(choice.model, choice.device))
            if predictor.classes != OCC3D_WAYMO:
                raise InputError(
                    f"model {predictor.name}",
                    found=f"classes {predictor.classes.name}",
                    expected=OCC3D_WAYMO.name,
                    do="See `effocc models`, or leave --model out to see the labels",
                    reason="classes_differ",
                )
        else:
            choice.say("labels alone, for no network of Occ3D-Waymo ships; --model names one")

        def show(sample: Sample) -> Moment:
            truth = sample.occupancy()
            said = truth if predictor is None else predictor.predict(sample.frame)
            return Moment(sample.frame, said, truth)

        dataset = Occ3dWaymoDataset(root, split)
        places = [i for i, file in enumerate(dataset.files) if file.parent.name == scene]
        yield from readable_moments(places, dataset.__getitem__, show, choice.say)


def _chosen_scene(root: Path, name: str) -> tuple[str, str]:
    """Return the split and the folder of a scene."""
    scenes = {
        f"{folder}/{scene.name}": (split, scene.name)
        for split, (folder, *_) in SPLITS.items()
        for scene in sorted((root / LABELS / folder).glob("[0-9][0-9][0-9]"))
    }
    chosen = [full for full in scenes if name in ("", full, full.split("/")[1])]
    if not chosen:
        raise InputError(
            f"scene of {root}",
            found=repr(name) if name else f"no scenes in {LABELS}/",
            expected=f"one of {some([*scenes])}"
            if scenes
            else f"{LABELS}/{SPLITS['train'][0]}/000 and so on",
            reason="unknown_scene",
        )
    return scenes[chosen[0]]
