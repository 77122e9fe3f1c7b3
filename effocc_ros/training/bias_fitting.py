# SPDX-License-Identifier: Apache-2.0
"""Fit the class biases of a network to the labels of a split."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from effocc_ros.checkpoints import save_checkpoint
from effocc_ros.classes import class_list
from effocc_ros.datasets.benchmarks import label_space, open_dataset
from effocc_ros.datasets.nuscenes_dataset import NuscenesDataset
from effocc_ros.datasets.sample import LabelSpace, Sample
from effocc_ros.errors import InputError
from effocc_ros.evaluation.evaluate import check_fits
from effocc_ros.evaluation.presence import read_present
from effocc_ros.loaded_model import LoadedModel, load_trained
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.pipelines import without_tf32
from effocc_ros.predictor import choose_device
from effocc_ros.preprocess import preprocess
from effocc_ros.training.class_bias import ClassBias, fit_class_bias
from effocc_ros.training.splits import read_by, sensors_of

VOXELS = 4_000_000
"""Voxels whose scores are kept at most, evenly from all samples: 0.3 GB for 18 classes."""


@dataclass(frozen=True)
class Fit:
    """What to fit, and to what.

    Attributes:
        root: Folder of the data set.
        model: Preset whose weights ship, or checkpoint.
        out: The checkpoint that shall appear, ``.safetensors``.
        dataset: Benchmark.
        split: Split that is fitted to.
        version: Folder of nuScenes tables; that of the split when empty.
        limit: Samples at most, evenly spaced over the split; None: all.
        seed: Of the choice of voxels.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    root: Path
    model: str
    out: Path
    dataset: str = "occ3d_nuscenes"
    split: str = "train"
    version: str = ""
    limit: int | None = None
    seed: int = 0
    device: str = "auto"


def fit_bias(fit: Fit) -> ClassBias:
    """Search the biases that suit the labels of a split, in the mask of its cameras if it has one.

    The new checkpoint differs from the model in the bias of the head's last layer, and in the
    card, which says so.

    Raises:
        InputError: The model is untrained or does not fit the labels, the data cannot be read, or
            the file cannot be written.
    """
    model, space = load_trained(fit.model), label_space(fit.dataset)
    check_fits(model.name, class_list(model.config.classes), model.config.grid, space)
    dataset = _open(fit, model)
    scores, truth, samples = _scores(fit, model, dataset, space)
    found = fit_class_bias(scores, truth, space.classes)
    _save(fit, model, found, samples)
    return found


def _open(fit: Fit, model: LoadedModel) -> NuscenesDataset:
    options = read_by(fit.dataset, sensors_of(model.config), fit.version)
    return open_dataset(fit.dataset, fit.root, fit.split, **options)


def _scores(
    fit: Fit, model: LoadedModel, dataset: NuscenesDataset, space: LabelSpace
) -> tuple[Tensor, Tensor, int]:
    """Return scores (C, N) and labels (N,) of voxels, and of how many samples they are."""
    network = deepcopy(model.network).requires_grad_(False).fuse_for_inference()
    network = network.to(choose_device(fit.device))
    total = len(dataset) if fit.limit is None else min(fit.limit, len(dataset))
    generator = torch.Generator().manual_seed(fit.seed)
    scores, truth = [], []
    for sample in read_present(dataset, "fit-bias", fit.limit):
        counted = _counted(sample, space)
        order = torch.randperm(len(counted), generator=generator)
        chosen = counted[order[: VOXELS // total]]
        scores.append(_logits(network, model, sample)[chosen].T)
        truth.append(torch.from_numpy(sample.labels).flatten()[chosen].long())
    if not sum(map(len, truth)):
        raise InputError(
            f"split {fit.split}",
            found="no voxel with a label",
            expected="labels to fit to",
            reason="no_labels",
        )
    return torch.cat(scores, dim=1), torch.cat(truth), len(truth)


def _counted(sample: Sample, space: LabelSpace) -> Tensor:
    """Return where the labels count, positions in the flattened grid."""
    counts = sample.labels < len(space.classes.names)
    if space.ignore is not None:
        counts &= sample.labels != space.ignore
    if sample.mask_camera is not None:
        counts &= sample.mask_camera
    return torch.from_numpy(counts.ravel()).nonzero()[:, 0]


def _logits(network: EffOcc, model: LoadedModel, sample: Sample) -> Tensor:
    """(voxels, C) float32."""
    device = next(network.parameters()).device
    with torch.inference_mode(), without_tf32():
        inputs = preprocess(sample.frame, model.config, device)
        return network(**inputs.keywords()).logits[0].flatten(0, 2).float().cpu()


def _save(fit: Fit, model: LoadedModel, found: ClassBias, samples: int) -> None:
    state = model.network.state_dict()
    name = "occ_head.predicter.2.bias"
    state[name] = (state[name].view(-1, len(found.bias)) + found.bias).flatten()
    before, after = (100 * each.mean_iou() for each in (found.before, found.after))
    said = (
        f"Class biases fitted since, to {samples} samples of {fit.dataset}, split {fit.split}: "
        f"mIoU {before:.2f} there without them, {after:.2f} with"
    )
    notes = model.card.get("notes", "")
    card = model.card | {"notes": f"{notes}. {said}" if notes else said}
    save_checkpoint(fit.out, model.config, state, card, half=_is_half(state))


def _is_half(state: dict[str, Tensor]) -> bool:
    """Return whether float16 holds all matrices without loss: they were stored so."""
    matrices = [value for value in state.values() if value.ndim >= 2]
    return all(torch.equal(value, value.half().to(value)) for value in matrices)
