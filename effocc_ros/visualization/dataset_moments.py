# SPDX-License-Identifier: Apache-2.0
"""The moments of a scene of nuScenes: a model runs over its keyframes, beside their labels."""

from collections.abc import Iterator
from pathlib import Path

from effocc_ros.datasets.benchmarks import NUSCENES_BENCHMARKS
from effocc_ros.datasets.files import is_there
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.nuscenes_tables import only_version
from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError, some
from effocc_ros.predictor import Predictor
from effocc_ros.rig_guess import MODELS
from effocc_ros.visualization.bag_moments import Choice
from effocc_ros.visualization.readable import readable_moments
from effocc_ros.visualization.scene import Moment


def dataset_moments(root: Path, choice: Choice) -> Iterator[Moment]:
    """Run a model over the keyframes of a scene; labels are shown beside it, where there are any.

    Moments of which a file is absent or broken are left out, and that is said.

    Args:
        root: The data set's folder, with samples/ and v1.0-*/.
        choice: Scene (the first that is whole when empty) and model (the small fusion network when
            empty).

    Raises:
        InputError: There is no such scene, no moment of it can be read, or the model is of another
            benchmark.
    """
    with Predictor(choice.model or MODELS["fusion"], choice.device) as predictor:
        classes, sweeps = predictor.classes.name, max(predictor.config.sweeps, 1)
        if classes not in NUSCENES_BENCHMARKS:
            raise InputError(
                f"model {predictor.name}",
                found=f"classes {classes}",
                expected=f"those of nuScenes: {', '.join(NUSCENES_BENCHMARKS)}",
                do="See `effocc models`",
                reason="classes_differ",
            )
        bare, labeled = (
            NuscenesDataset(
                NUSCENES_BENCHMARKS[classes],
                root,
                "all",
                version=only_version(root),
                sweeps=SweepChoice(sweeps),
                with_labels=with_labels,
            )
            for with_labels in (False, True)
        )
        scene = _chosen_scene(bare, root, choice.scene)
        places = [index for index, each in enumerate(bare.samples) if each.scene == scene]

        def read(index: int) -> Sample:
            return (labeled if is_there(labeled.labels_file(index)) else bare)[index]

        def show(sample: Sample) -> Moment:
            return Moment(sample.frame, predictor.predict(sample.frame), sample.occupancy())

        yield from readable_moments(places, read, show, choice.say)


def _chosen_scene(dataset: NuscenesDataset, root: Path, name: str) -> str:
    names = dataset.tables.scene_names
    if name and name not in names:
        raise InputError(
            f"scene of {root}",
            found=repr(name),
            expected=f"one of {some(names)}",
            reason="unknown_scene",
        )
    return name or dataset.tables.whole_scene()
