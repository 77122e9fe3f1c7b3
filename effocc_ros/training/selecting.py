# SPDX-License-Identifier: Apache-2.0
"""Ask a network about a split, and choose what to label from its answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from effocc_ros.classes import class_list
from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.budgets import LabelBudget, read_budget
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.datasets.sample import Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits
from effocc_ros.evaluation.presence import read_present
from effocc_ros.loaded_model import LoadedModel, load_trained
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.pipelines import without_tf32
from effocc_ros.predictor import choose_device
from effocc_ros.preprocess import preprocess
from effocc_ros.training.entropy import unsureness
from effocc_ros.training.selection import (
    Amount,
    FrameScore,
    choose_at_random,
    choose_frames,
    choose_scenes,
    choose_voxels,
    joined_voxels,
    random_voxels,
)


@dataclass(frozen=True)
class Request:
    """What shall be chosen, and how.

    Attributes:
        root: Folder of the data set.
        kind: ``frames``, ``scenes`` or ``voxels``.
        by: ``entropy`` or ``random``.
        amount: How many more frames or scenes, or how many voxels of each frame.
        model: Checkpoint that is asked; not for random choices.
        previous: File of an earlier choice, which is added to; None starts anew.
        highest: Voxels: the highest entropies, not the same number of each predicted class.
        dataset: Benchmark.
        split: Split that is chosen from.
        version: Folder of nuScenes tables; that of the split when empty.
        seed: Of random choices.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    root: Path
    kind: str
    by: str
    amount: Amount
    model: str = ""
    previous: Path | None = None
    highest: bool = False
    dataset: str = "occ3d_nuscenes"
    split: str = "train"
    version: str = ""
    seed: int = 0
    device: str = "auto"


def select(request: Request) -> LabelBudget:
    """Choose what to label.

    Returns:
        The earlier choice and the new one together.

    Raises:
        InputError: The model or the data set cannot be used, the earlier choice is of another
            kind or split, or there is nothing left to choose.
    """
    ignored = [
        name
        for name, given in (
            ("--model", request.model and request.by == "random"),
            ("--highest", request.highest and (request.by, request.kind) != ("entropy", "voxels")),
        )
        if given
    ]
    if ignored:
        raise InputError(
            ", ".join(ignored),
            found=f"{request.kind} chosen by {request.by}",
            expected="a model for entropy alone, --highest for voxels by entropy alone",
            do="Leave it out, or choose --by entropy",
            reason="bad_option",
        )
    if request.by == "entropy" and not request.model:
        raise InputError(
            "--model",
            found="none",
            expected="the checkpoint whose entropy decides, or --by random",
            reason="no_model",
        )
    previous = None if request.previous is None else read_budget(request.previous)
    if previous is not None and previous.kind != request.kind:
        raise InputError(
            f"--previous {request.previous}",
            found=f"a budget of {previous.kind}",
            expected=f"one of {request.kind}",
            reason="bad_budget",
        )
    model = load_trained(request.model, "--model") if request.by == "entropy" else None
    dataset = _open(request, model)
    if previous is not None:
        scenes = [record.scene_token for record in dataset.samples]
        previous.check_known([r.token for r in dataset.samples], scenes, f"split {request.split}")
    about = {"by": request.by, "split": request.split, "dataset": request.dataset}
    about |= {"seed": request.seed} if model is None else {"model": model.name}
    network = None if model is None else _ready(model, request.device)
    if request.kind == "voxels":
        earlier = {} if previous is None else previous.voxels
        chosen = {
            token: voxels
            for token, voxels in _voxels(request, dataset, network, earlier)
            if len(voxels)
        }
        return LabelBudget("voxels", voxels=joined_voxels(earlier, chosen), about=about)
    return _whole(request, dataset, network, previous, about)


def _whole(
    request: Request,
    dataset: NuscenesDataset,
    network: EffOcc | None,
    previous: LabelBudget | None,
    about: dict[str, Any],
) -> LabelBudget:
    """Choose frames or scenes."""
    earlier = frozenset() if previous is None else getattr(previous, request.kind)
    if network is None:
        tokens = [
            record.token if request.kind == "frames" else record.scene_token
            for record in dataset.samples
        ]
        chosen = choose_at_random(tokens, request.amount, earlier, seed=request.seed)
    else:
        scores = list(_scores(dataset, network))
        choose = choose_frames if request.kind == "frames" else choose_scenes
        chosen = choose(scores, request.amount, earlier)
        entropy = float(np.mean([score.entropy for score in scores]))
        about = about | {"mean_entropy": entropy}
    return LabelBudget(request.kind, **{request.kind: earlier | set(chosen)}, about=about)


def _scores(dataset: NuscenesDataset, network: EffOcc) -> Iterator[FrameScore]:
    scenes = {record.token: record.scene_token for record in dataset.samples}
    for sample in read_present(dataset, "select"):
        entropy = _answer(network, sample).entropy
        yield FrameScore(sample.token, scenes[sample.token], float(entropy.double().mean()))


def _voxels(
    request: Request,
    dataset: NuscenesDataset,
    network: EffOcc | None,
    earlier: dict[str, NDArray[np.int32]],
) -> Iterator[tuple[str, NDArray[np.int32]]]:
    """Yield a sample's token and the voxels chosen in it, for each sample."""
    for sample in read_present(dataset, "select"):
        candidates = sample.mask_camera
        candidates = np.ones(dataset.space.grid.shape, bool) if candidates is None else candidates
        candidates = np.array(candidates, bool)
        candidates.reshape(-1)[earlier.get(sample.token, np.zeros(0, np.int32))] = False
        if network is None:
            chosen = random_voxels(
                candidates, request.amount, seed=request.seed, token=sample.token
            )
        else:
            entropy, labels = (t.cpu().numpy() for t in _answer(network, sample))
            chosen = choose_voxels(
                entropy, labels, candidates, request.amount, by_class=not request.highest
            )
        yield sample.token, chosen


def _answer(network: EffOcc, sample: Sample):
    device = next(network.parameters()).device
    with torch.inference_mode(), without_tf32():
        inputs = preprocess(sample.frame, network.config, device)
        return unsureness(network, **inputs.keywords())


def _ready(model: LoadedModel, device: str) -> EffOcc:
    network = model.network.requires_grad_(False).fuse_for_inference()
    return network.to(choose_device(device))


def _open(request: Request, model: LoadedModel | None) -> NuscenesDataset:
    """Open the split with what is looked at: sensors for the network, masks for voxels."""
    options: dict[str, Any] = {"cameras": (), "lidar": False}
    if model is not None:
        space, config = label_space(request.dataset), model.config
        check_fits(model.name, class_list(config.classes), config.grid, space)
        options = {
            "cameras": config.cameras,
            "lidar": config.modality != "vision",
            "sweeps": SweepChoice(config.sweeps),
        }
    # The camera mask of voxels stands in the label files; whole frames are chosen without them.
    options["with_labels"] = request.kind == "voxels"
    return open_dataset(
        request.dataset,
        request.root,
        request.split,
        version=request.version,
        unlabeled=True,
        **options,
    )
