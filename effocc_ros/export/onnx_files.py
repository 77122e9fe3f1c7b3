# SPDX-License-Identifier: Apache-2.0
"""Write the dense halves of a network as ONNX files."""

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from effocc_ros.checkpoints import CARD_KEY
from effocc_ros.errors import InputError
from effocc_ros.export.check import Comparison, compare
from effocc_ros.export.sides import Side, sides_of
from effocc_ros.files import whole_file
from effocc_ros.networks.effocc import EffOcc

OPSET = 23
"""The newest that every onnxruntime since 1.23 reads, the last one for Python 3.10."""
SIDE_KEY = "effocc_side"
"""Where the name of the side stands in a file's metadata; CARD_KEY is where the card stands."""
EXPORT_PACKAGES = ("onnx", "onnxscript")
CHECK_PACKAGES = ("onnxruntime",)


def require_packages(check: bool) -> None:
    """Refuse to begin what would end in a failing import.

    Raises:
        InputError: A package that the export, or its check, needs is not installed.
    """
    needed = EXPORT_PACKAGES + (CHECK_PACKAGES if check else ())
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            "Python packages for the export",
            found=f"no {', no '.join(missing)}",
            expected=", ".join(needed),
            do="Install them: pip install effocc_ros[export]",
            reason="missing_package",
        )


def export_network(
    network: EffOcc,
    card: Mapping[str, Any],
    files: Mapping[str, Path],
    *,
    logits: bool = False,
    check: bool = True,
) -> Comparison | None:
    """Write the dense halves of a network; all files appear, or none.

    Args:
        network: On the CPU; after ``fuse_for_inference`` the files are smaller and faster.
        card: Its model card, which goes into every file.
        files: The file of each side, by the side's name.
        logits: Let the BEV side give logits (1, Dx, Dy, Dz, classes) too.
        check: Compare the files with the network before they appear.

    Returns:
        What the check found, or None without it.

    Raises:
        InputError: A package is missing, or a voxel differs.
    """
    require_packages(check)
    sides = sides_of(network, logits)
    with ExitStack() as stack:
        partial = {side.name: stack.enter_context(whole_file(files[side.name])) for side in sides}
        for side in sides:
            _write(side, card, partial[side.name])
        if not check:
            return None
        comparison = compare(partial, network)
        if not comparison.same:
            _refuse(comparison, card)
        return comparison


def _write(side: Side, card: Mapping[str, Any], file: Path) -> None:
    example = tuple(torch.zeros(shape) for shape in side.inputs.values())
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            side.module,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(side.inputs),
            output_names=list(side.outputs),
            verbose=False,
        )
    model = program.model
    model.graph.name = f"{card['preset']}_{side.name}"
    model.metadata_props.update({CARD_KEY: json.dumps(card), SIDE_KEY: side.name})
    for node in model.graph:
        # Where in the source each operation comes from: folders of this machine, of no use later.
        node.metadata_props.clear()
    program.save(file, external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the exporter says about packages that nobody asked for, and to its makers."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)


def _refuse(comparison: Comparison, card: Mapping[str, Any]) -> None:
    raise InputError(
        f"ONNX files of {card['preset']}",
        found=f"{comparison.differing:,} of {comparison.voxels:,} voxels with another label in "
        f"onnxruntime than in torch, {comparison.tied:,} of them ties",
        expected="none but ties",
        do="No file was written. Try another version of onnxruntime",
        reason="export_differs",
    )
