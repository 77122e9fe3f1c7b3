#!/usr/bin/env bash
# lightning-fabric 2.6.6 with torch 2.13.0, CPU.
#
# Fabric(precision="bf16-mixed") does more than autocast: before forward it casts every float32
# tensor among the arguments to bfloat16, also those inside lists, dicts and plain dataclasses.
# torch.autocast alone leaves arguments as they are and casts inside matrix products only. What is
# computed element by element from an argument, such as the voxel of a LiDAR point, differs between
# the two: of 1,000 points within 40 m, more than half land in another 0.1 m cell.
#
# A frozen dataclass among the arguments is not passed through untouched either: it is an error,
# while the same object is fine with precision="32-true".
#
# Seen: "inputs arrive as torch.bfloat16", "moved points 63%", "frozen dataclass: ValueError".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install torch==2.13.0 numpy==2.3.5 lightning-fabric==2.6.6
cat > "$folder/check.py" <<'PYTHON'
import dataclasses
import logging
import warnings

import torch
from lightning_fabric import Fabric

warnings.simplefilter("ignore")
logging.disable(logging.INFO)


class Probe(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, points, box=None):
        self.dtype = points["clouds"][0].dtype
        self.cells = (points["clouds"][0].float() / 0.1).floor()
        return self.layer(torch.zeros(1, 3))


@dataclasses.dataclass(frozen=True)
class Box:
    tensor: torch.Tensor


def run(precision, **more):
    probe = Probe()
    module = Fabric(accelerator="cpu", precision=precision).setup(probe)
    module({"clouds": [points]}, **more)
    return probe


torch.manual_seed(0)
points = torch.rand(1000, 3) * 80 - 40
exact, cast = run("32-true"), run("bf16-mixed")
with torch.autocast("cpu", torch.bfloat16):
    plain = Probe()
    plain({"clouds": [points]})
moved = (exact.cells != cast.cells).any(1).float().mean().item()
print(f"inputs arrive as {cast.dtype}; under torch.autocast alone as {plain.dtype}")
print(f"moved points {moved:.0%}")
run("32-true", box=Box(points))
try:
    run("bf16-mixed", box=Box(points))
    refused = "accepted"
except ValueError as error:
    refused = f"{type(error).__name__}: {error}"
print(f"frozen dataclass: {refused}")
assert cast.dtype is torch.bfloat16
assert plain.dtype is exact.dtype is torch.float32
assert torch.equal(exact.cells, plain.cells)
assert 0.5 < moved < 0.8
assert refused.startswith("ValueError: A frozen dataclass")
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
