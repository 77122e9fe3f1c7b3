# SPDX-License-Identifier: Apache-2.0
"""An image backbone that has seen pictures before: ImageNet weights under torchvision's names."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from effocc_ros.checkpoints import some
from effocc_ros.errors import InputError

_BACKBONE = "img_backbone."
_CLASSIFIER = ("fc.", "head.", "avgpool.")
_COUNTS = "num_batches_tracked"


def load_image_weights(backbone: nn.Module, path: Path | str) -> None:
    """Put weights into an image backbone.

    Args:
        backbone: Whose names are torchvision's.
        path: A ``.safetensors`` file, or a ``.pth`` file that holds tensors alone. A classifier
            in it is left out; of a whole network's checkpoint the image backbone is taken.

    Raises:
        InputError: It cannot be read, or keys or shapes are not the backbone's.
    """
    tensors = _read(Path(path))
    ours = any(name.startswith(_BACKBONE) for name in tensors)
    given = {
        name.removeprefix(_BACKBONE): value
        for name, value in tensors.items()
        if (name.startswith(_BACKBONE) if ours else not name.startswith(_CLASSIFIER))
    }
    wanted = backbone.state_dict()
    missing = [name for name in wanted if name not in given and not name.endswith(_COUNTS)]
    misfit = [
        name
        for name, value in given.items()
        if name not in wanted or wanted[name].shape != value.shape
    ]
    if missing or misfit:
        lists = {"missing": missing, "unexpected or of another shape": misfit}
        raise InputError(
            f"image_weights {path}",
            found="; ".join(f"{some(names)} {kind}" for kind, names in lists.items() if names),
            expected=f"the {len(wanted)} tensors of the preset's image backbone",
            do="Take the weights of the backbone that the preset names, at full width",
            reason="bad_image_weights",
        )
    backbone.load_state_dict(given, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise _bad(path, "no such file") from error
    except (SafetensorError, OSError) as error:
        raise _bad(path, str(error)) from error
    except Exception as error:  # What torch raises of a broken pickle is not said anywhere.
        raise _bad(path, f"no file of tensors ({type(error).__name__})") from error
    values = values.get("state_dict", values) if isinstance(values, dict) else {}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _bad(path, "no tensors")
    return tensors


def _bad(path: Path, found: str) -> InputError:
    return InputError(
        f"image_weights {path}",
        found=found,
        expected="a .safetensors or .pth file of tensors",
        reason="bad_image_weights",
    )
