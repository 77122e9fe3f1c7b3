# SPDX-License-Identifier: Apache-2.0
"""From BEV features to a class for every voxel (FlashOcc: channels to height)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from effocc_ros.networks.necks import NamedConv

ROWS = 4096
"""BEV cells whose logits exist at one time while labels are made."""


class OccupancyHead(nn.Module):
    """One convolution, then the same two-layer perceptron for every BEV cell.

    Args:
        in_channels: Channels of the BEV features.
        channels: Channels of the convolution.
        hidden: Hidden units of the perceptron.
        height: Voxels along z.
        class_count: Classes.
        flow: True to add a second perceptron that gives a flow (x, y) for every voxel.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        hidden: int,
        height: int,
        class_count: int,
        flow: bool = False,
    ):
        super().__init__()
        self.height, self.class_count = height, class_count
        self.final_conv = NamedConv(in_channels, channels, kernel=3)
        self.predicter = nn.Sequential(
            nn.Linear(channels, hidden), nn.Softplus(), nn.Linear(hidden, height * class_count)
        )
        self.flow_predicter = None
        if flow:
            self.flow_predicter = nn.Sequential(
                nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, height * 2)
            )

    def cells(self, bev: Tensor) -> Tensor:
        """(B, C, Dy, Dx) BEV features to (B, Dx, Dy, channels)."""
        return functional.relu(self.final_conv(bev)).permute(0, 3, 2, 1)

    def forward(self, bev: Tensor, columns: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Score every voxel.

        Args:
            bev: (B, C, Dy, Dx) BEV features.
            columns: (K,) int64 into (B, Dx, Dy) flattened: only these columns of voxels are
                scored, for a training step on a part of them. None scores all.

        Returns:
            Logits (B, Dx, Dy, Dz, classes), or (K, Dz, classes), and a flow of the same shape but
            for its last axis, (x, y) in m/s, or None.
        """
        cells = self.cells(bev)
        if columns is not None:
            cells = cells.flatten(0, 2).index_select(0, columns)
        logits = self.predicter(cells).unflatten(-1, (self.height, self.class_count))
        return logits, self._flow(cells)

    def _flow(self, cells: Tensor) -> Tensor | None:
        """(..., channels) to (..., Dz, 2), or None."""
        if self.flow_predicter is None:
            return None
        return self.flow_predicter(cells).unflatten(-1, (self.height, 2))

    def labels(
        self, bev: Tensor, confidence: bool = False
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Classify every voxel without ever holding all the logits.

        Args:
            bev: (B, C, Dy, Dx) BEV features.
            confidence: Also return how probable each label is.

        Returns:
            Labels (B, Dx, Dy, Dz) uint8; confidence of the same shape, uint8, the softmax
            probability times 255, or None; flow (B, Dx, Dy, Dz, 2) in m/s, or None.
        """
        # Cells in the order in which they lie in memory; only what they become is turned.
        cells = self.cells(bev).transpose(1, 2)
        shape = (*cells.shape[:3], self.height)
        labels = torch.empty(shape, dtype=torch.uint8, device=bev.device)
        sureness = torch.empty_like(labels) if confidence else None
        for row, logits in self._chunks(cells):
            rows = slice(row, row + len(logits))
            labels.view(-1, self.height)[rows] = logits.argmax(dim=-1)
            if sureness is not None:
                # softmax of the best class: 1 / sum(exp(other - best))
                total = logits.sub_(logits.amax(dim=-1, keepdim=True)).exp_().sum(dim=-1)
                sureness.view(-1, self.height)[rows] = total.reciprocal_().mul_(255).round_()
        found = (labels, sureness, self._flow(cells))
        return tuple(None if each is None else each.transpose(1, 2).contiguous() for each in found)

    def _chunks(self, cells: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the number of the first cell and logits (cells, Dz, classes) of each chunk."""
        rows = cells.reshape(-1, cells.shape[-1])
        for row in range(0, len(rows), ROWS):
            logits = self.predicter(rows[row : row + ROWS])
            yield row, logits.view(-1, self.height, self.class_count)
