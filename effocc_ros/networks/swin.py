# SPDX-License-Identifier: Apache-2.0
"""Swin Transformer (Liu et al., ICCV 2021) with the parameter names of mmdet."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class WindowAttention(nn.Module):
    """Multi-head attention inside square windows, with a learned bias per relative position.

    Args:
        channels: Channels of the tokens.
        heads: Attention heads.
        window: Window size in tokens.
    """

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", _relative_positions(window))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            windows: (B * W, T, C) tokens of W windows per image.
            mask: (W, T, T), 0 where attention is allowed and a large negative number where not;
                None where all is allowed.

        Returns:
            (B * W, T, C).
        """
        count, tokens, channels = windows.shape
        qkv = self.qkv(windows).view(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(count // len(mask), 1, 1, 1)
        out = functional.scaled_dot_product_attention(*qkv, attn_mask=bias)
        return self.proj(out.transpose(1, 2).reshape(count, tokens, channels))


def _relative_positions(window: int) -> Tensor:
    """(T, T) int64 row of the bias table for each pair of tokens, in the order of mmdet."""
    columns = torch.arange(window, device="cpu")  # see splat_table.depth_bins
    rows = columns * (2 * window - 1)
    place = (rows[:, None] + columns).flatten()
    return (place[:, None] + place).flip(1).contiguous()


class ShiftedWindows(nn.Module):
    """Attention inside windows that are shifted by half a window in every second block.

    Args:
        channels: Channels of the tokens.
        heads: Attention heads.
        window: Window size in tokens.
        shift: How far the windows are moved, in tokens.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.window, self.shift = window, shift
        self.w_msa = WindowAttention(channels, heads, window)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C)."""
        batch, height, width, channels = x.shape
        size = self.window
        x = functional.pad(x, (0, 0, 0, -width % size, 0, -height % size))
        padded_height, padded_width = x.shape[1:3]
        mask = None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
            mask = self._mask(padded_height, padded_width, x)
        windows = self.w_msa(_to_windows(x, size), mask)
        x = windows.view(batch, padded_height // size, padded_width // size, size, size, channels)
        x = x.transpose(2, 3).reshape(batch, padded_height, padded_width, channels)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x[:, :height, :width]

    def _mask(self, height: int, width: int, like: Tensor) -> Tensor:
        """(W, T, T): tokens that the roll brought together from opposite borders stay apart."""
        regions = like.new_zeros(1, height, width, 1)
        borders = (0, -self.window, -self.shift, None)
        number = 0
        for top, bottom in pairwise(borders):
            for left, right in pairwise(borders):
                regions[:, top:bottom, left:right] = number
                number += 1
        regions = _to_windows(regions, self.window).squeeze(-1)
        apart = regions[:, None] != regions[:, :, None]
        return like.new_zeros(apart.shape).masked_fill_(apart, -100.0)


def _to_windows(x: Tensor, size: int) -> Tensor:
    """(B, H, W, C) to (B * windows, size * size, C)."""
    batch, height, width, channels = x.shape
    x = x.view(batch, height // size, size, width // size, size, channels)
    return x.transpose(2, 3).reshape(-1, size * size, channels)


class FeedForward(nn.Module):
    """Two-layer perceptron with an exact GELU.

    Args:
        channels: Channels of the tokens.
        ratio: Hidden channels per channel.
    """

    def __init__(self, channels: int, ratio: int = 4):
        super().__init__()
        hidden = nn.Sequential(nn.Linear(channels, ratio * channels), nn.GELU())
        self.layers = nn.Sequential(hidden, nn.Linear(ratio * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., C)."""
        return self.layers(x)


class SwinBlock(nn.Module):
    """Window attention and a perceptron, each normalised before and added to its input.

    Args:
        channels: Channels of the tokens.
        heads: Attention heads.
        window: Window size in tokens.
        shift: Shift of the windows in tokens.
    """

    def __init__(self, channels: int, heads: int, window: int, shift: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = ShiftedWindows(channels, heads, window, shift)
        self.norm2 = nn.LayerNorm(channels)
        self.ffn = FeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C)."""
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class PatchMerging(nn.Module):
    """Four neighbouring tokens to one of twice the channels.

    Args:
        channels: Channels of the input.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, ceil(H / 2), ceil(W / 2), 2 * C)."""
        x = functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        batch, height, width, channels = x.shape
        x = x.view(batch, height // 2, 2, width // 2, 2, channels)
        # Channel, row, column: the order in which mmdet's weights want the four tokens.
        x = x.permute(0, 1, 3, 5, 2, 4).flatten(3)
        return self.reduction(self.norm(x))


class SwinStage(nn.Module):
    """Blocks at one resolution, and the step to the next one.

    Args:
        channels: Channels of the tokens.
        depth: Number of blocks.
        heads: Attention heads.
        window: Window size in tokens.
        downsample: Step to the next stage; None for the last.
    """

    def __init__(
        self, channels: int, depth: int, heads: int, window: int, downsample: nn.Module | None
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(channels, heads, window, shift=window // 2 if index % 2 else 0)
            for index in range(depth)
        )
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to (B, H, W, C), before the step."""
        for block in self.blocks:
            x = block(x)
        return x


class PatchEmbed(nn.Module):
    """Patches of pixels to tokens.

    Args:
        channels: Channels of the tokens.
        patch: Patch size in pixels.
    """

    def __init__(self, channels: int, patch: int):
        super().__init__()
        self.patch = patch
        self.projection = nn.Conv2d(3, channels, patch, patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, ceil(H / patch), ceil(W / patch), C)."""
        height, width = images.shape[2:]
        images = functional.pad(images, (0, -width % self.patch, 0, -height % self.patch))
        return self.norm(self.projection(images).permute(0, 2, 3, 1))


class Swin(nn.Module):
    """Swin Transformer as an image backbone.

    Args:
        channels: Channels of the first stage.
        depths: Blocks per stage.
        heads: Attention heads per stage.
        window: Window size in tokens.
        out_stages: Stages (0 to 3) whose features are returned, each after a LayerNorm of its own.

    Attributes:
        channels: Channels of each returned feature map.
    """

    def __init__(
        self,
        channels: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        out_stages: Sequence[int],
    ):
        super().__init__()
        self.out_stages = tuple(out_stages)
        self.channels = tuple(channels << stage for stage in out_stages)
        self.patch_embed = PatchEmbed(channels, patch=4)
        self.stages = nn.ModuleList()
        for stage, depth in enumerate(depths):
            width = channels << stage
            step = PatchMerging(width) if stage + 1 < len(depths) else None
            self.stages.append(SwinStage(width, depth, heads[stage], window, step))
        for stage, width in zip(self.out_stages, self.channels, strict=True):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to feature maps (B, C, H / 4 / 2**stage, W / 4 / 2**stage)."""
        x = self.patch_embed(images)
        features = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in self.out_stages:
                norm = self.get_submodule(f"norm{number}")
                features.append(norm(x).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                x = stage.downsample(x)
        return features


def swin_b(out_stages: Sequence[int]) -> Swin:
    """Return Swin-B with windows of 12 tokens."""
    return Swin(128, (2, 2, 18, 2), (4, 8, 16, 32), window=12, out_stages=out_stages)
