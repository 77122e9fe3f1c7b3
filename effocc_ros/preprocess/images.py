"""Camera images to network input: shrink to the input width, keep the bottom, normalise."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from effocc_ros.errors import InputError


@dataclass(frozen=True)
class ImageFit:
    """How a camera's image is laid into the network's input.

    Attributes:
        scale: Input pixels per source pixel.
        resized: (height, width) of the scaled image.
        top: Rows of the scaled image cut off above; negative where the scaled image is lower than
            the input: so many black rows are put above it.
        size: (height, width) of the network's input.
    """

    scale: float
    resized: tuple[int, int]
    top: int
    size: tuple[int, int]

    @property
    def post_rot(self) -> NDArray[np.float32]:
        """(3, 3) source pixel to input pixel, the linear part."""
        return np.diag([self.scale, self.scale, 1.0]).astype(np.float32)

    @property
    def post_trans(self) -> NDArray[np.float32]:
        """(3,) source pixel to input pixel, the shift in input pixels."""
        return np.array([0.0, -self.top, 0.0], np.float32)


def fit_image(source: tuple[int, int], size: tuple[int, int]) -> ImageFit:
    """Fit a source (height, width) into an input (height, width) as EFFOcc does at test time.

    The width decides the scale (704 / 1600 = 0.44 for nuScenes), and the bottom is kept, for the
    sky says little. An image flatter than the input keeps its bottom too; black fills the top.
    """
    height, width = source
    scaled_height = max(height * size[1] // width, 1)
    return ImageFit(
        scale=size[1] / width,
        resized=(scaled_height, size[1]),
        top=scaled_height - size[0],
        size=size,
    )


def lay_in(image: NDArray[np.uint8], fit: ImageFit) -> Tensor:
    """Resize an image (bicubic, antialiased, on uint8) and cut it to the input's size.

    Args:
        image: (H, W, 3) uint8, any strides, may be read-only.
        fit: Where the image goes, from :func:`fit_image`.

    Returns:
        (3, h, w) uint8 in the channel order of ``image``; within 1 of Pillow's bicubic resize.
    """
    source = torch.from_numpy(np.require(image, requirements=["C", "W"]))
    # A channels-last view of the very same memory: the layout of torch's fast uint8 resize.
    source = source.permute(2, 0, 1).unsqueeze(0)
    resized = functional.interpolate(
        source, size=fit.resized, mode="bicubic", align_corners=False, antialias=True
    )[0]
    if fit.top >= 0:
        return resized[:, fit.top :]
    return functional.pad(resized, (0, 0, -fit.top, 0))


def normalise(canvas: Tensor, mean: Tensor, std: Tensor, out: Tensor) -> None:
    """Write an RGB canvas into ``out`` as B, G, R, minus mean, over std.

    EFFOcc was trained with the ImageNet means of R, G, B applied to B, G, R in this order (its
    loader swaps channels that were RGB already), and so its weights want it.

    Args:
        canvas: (3, h, w) uint8 RGB.
        mean: (3,) float32, applied to B, G, R in this order.
        std: (3,) float32, likewise.
        out: (3, h, w) float32, written in place.
    """
    out.copy_(canvas.flip(0))
    out.sub_(mean[:, None, None]).div_(std[:, None, None])


def check_image(image: NDArray, name: str) -> None:
    """Raise InputError unless ``image`` is a non-empty (H, W, 3) uint8 array."""
    right = image.ndim == 3 and image.shape[-1] == 3 and image.dtype == np.uint8
    if not right or 0 in image.shape:
        raise InputError(
            f"image of {name}",
            found=f"{image.dtype} {image.shape}",
            expected="uint8 (height, width, 3), RGB",
            do="Decode the image before making a Frame",
            reason="bad_image",
        )
