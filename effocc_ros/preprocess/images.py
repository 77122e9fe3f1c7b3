# SPDX-License-Identifier: Apache-2.0
"""Camera images to network input: shrink to the input width, keep the bottom, normalise."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from effocc_ros.errors import InputError
from effocc_ros.preprocess.variation import AS_IT_IS, ImageVariation


@dataclass(frozen=True)
class ImageFit:
    """How a camera's image is laid into the network's input: scale, cut, mirror, turn.

    Attributes:
        scale: Input pixels per source pixel.
        resized: (height, width) of the scaled image.
        top: Rows of the scaled image cut off above; negative where the scaled image is lower than
            the input: so many black rows are put above it.
        left: Columns of the scaled image cut off on the left.
        size: (height, width) of the network's input.
        flip: Mirror the cut left to right.
        angle: Turn the cut about its centre, counter-clockwise as one looks at it, degrees.
    """

    scale: float
    resized: tuple[int, int]
    top: int
    size: tuple[int, int]
    left: int = 0
    flip: bool = False
    angle: float = 0.0

    @property
    def post_rot(self) -> NDArray[np.float32]:
        """(3, 3) source pixel to input pixel, the linear part."""
        return self.matrix[:, :3].astype(np.float32)

    @property
    def post_trans(self) -> NDArray[np.float32]:
        """(3,) source pixel to input pixel, the shift in input pixels."""
        return self.matrix[:, 3].astype(np.float32)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 4) source pixel to input pixel: u, v and what is left as it is.

        Pixel numbers count from the image's edge, so that the left column spans 0 to 1: mirroring
        takes u to width - u, and the centre is half the size (EFFOcc's convention).
        """
        matrix = np.diag([self.scale, self.scale, 1.0])
        matrix = np.concatenate([matrix, [[-self.left], [-self.top], [0.0]]], axis=1)
        if self.flip:
            matrix[0] *= -1.0
            matrix[0, 3] += self.size[1]
        if self.angle:
            centre = np.array([self.size[1], self.size[0]]) / 2
            matrix[:2, 3] -= centre
            matrix[:2] = _turn(self.angle) @ matrix[:2]
            matrix[:2, 3] += centre
        return matrix


def fit_image(
    source: tuple[int, int], size: tuple[int, int], variation: ImageVariation = AS_IT_IS
) -> ImageFit:
    """Fit a source (height, width) into an input (height, width) as EFFOcc does.

    The width decides the scale (704 / 1600 = 0.44 for nuScenes), and the bottom is kept, for the
    sky says little. An image flatter than the input keeps its bottom too; black fills the top.

    Args:
        source: (height, width) of the image.
        size: (height, width) of the network's input.
        variation: What training changes; nothing by default, as at test time.
    """
    height, width = source
    scale = size[1] / width
    if variation.resize:
        scale *= 1.0 + variation.resize
        resized = (max(int(height * scale), 1), max(int(width * scale), 1))
    else:
        resized = (max(height * size[1] // width, 1), size[1])
    return ImageFit(
        scale=scale,
        resized=resized,
        top=resized[0] - size[0],
        size=size,
        left=int(variation.crop * max(resized[1] - size[1], 0)),
        flip=variation.flip,
        angle=variation.angle,
    )


def lay_in(
    image: NDArray[np.uint8], fit: ImageFit, variation: ImageVariation = AS_IT_IS
) -> Tensor:
    """Resize an image (bicubic, antialiased, on uint8) and cut it to the input's size.

    Args:
        image: (H, W, 3) uint8, any strides, may be read-only.
        fit: Where the image goes, from :func:`fit_image`.
        variation: What its colours become; their default is what they are.

    Returns:
        (3, h, w) uint8 in the channel order of ``image``; within 1 of Pillow's bicubic resize.
        Black where the image does not reach.
    """
    source = torch.from_numpy(np.require(image, requirements=["C", "W"]))
    # A channels-last view of the very same memory: the layout of torch's fast uint8 resize.
    source = source.permute(2, 0, 1).unsqueeze(0)
    canvas = functional.interpolate(
        source, size=fit.resized, mode="bicubic", align_corners=False, antialias=True
    )[0]
    # Padding with negative numbers cuts.
    right = fit.left + fit.size[1] - fit.resized[1]
    if fit.top > 0 or fit.left or right < 0:
        canvas = canvas[:, max(fit.top, 0) :, fit.left : fit.left + fit.size[1]]
    canvas = _coloured(canvas, variation)
    if fit.top < 0 or right > 0:
        canvas = functional.pad(canvas, (0, max(right, 0), max(-fit.top, 0), 0))
    if fit.flip:
        canvas = canvas.flip(2)
    return _turned(canvas, fit.angle) if fit.angle else canvas


def _turn(degrees: float) -> NDArray[np.float64]:
    """(2, 2) turn of (u, v), v down, counter-clockwise as one looks at the image."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])


def _turned(canvas: Tensor, degrees: float) -> Tensor:
    """Turn (3, h, w) about its centre: each pixel takes the one its centre comes from."""
    height, width = canvas.shape[1:]
    centre = np.array([width, height]) / 2
    (a, b), (c, d) = _turn(-degrees)
    u = torch.arange(width, dtype=torch.float32) + (0.5 - centre[0])
    v = (torch.arange(height, dtype=torch.float32) + (0.5 - centre[1]))[:, None]
    column = (a * u + b * v + centre[0]).floor_().int()
    row = (c * u + d * v + centre[1]).floor_().int()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = (row * width + column).clamp_(0, height * width - 1).flatten()
    turned = canvas.reshape(3, -1).index_select(1, place).view(3, height, width)
    return turned * inside


def _coloured(canvas: Tensor, variation: ImageVariation) -> Tensor:
    """Change brightness, contrast and saturation of RGB (3, h, w) uint8, in this order."""
    if variation.brightness == variation.contrast == variation.saturation == 1.0:
        return canvas
    pixels = canvas.float() * variation.brightness
    pixels = (pixels - pixels.mean()) * variation.contrast + pixels.mean()
    # Luma as in ITU-R BT.601.
    gray = (pixels * pixels.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    pixels = (pixels - gray) * variation.saturation + gray
    return pixels.round_().clamp_(0, 255).to(torch.uint8)


def normalise(
    canvases: Tensor, silent: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> Tensor:
    """Turn RGB canvases into B, G, R, minus mean, over std.

    EFFOcc was trained with the ImageNet means of R, G, B applied to B, G, R in this order (its
    loader swaps channels that were RGB already), and so its weights want it.

    Args:
        canvases: (B, N, 3, h, w) uint8 RGB, on any device.
        silent: (B, N) bool on the CPU, cameras whose images shall be zero.
        mean: Three numbers, applied to B, G, R in this order.
        std: Likewise.

    Returns:
        (B, N, 3, h, w) float32.
    """
    images = canvases.flip(2).float()
    images.sub_(images.new_tensor(mean)[:, None, None])
    images.div_(images.new_tensor(std)[:, None, None])
    # Not masked_fill_, which would go through all pixels once more.
    for sample, camera in silent.nonzero().tolist():
        images[sample, camera] = 0.0
    return images


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
