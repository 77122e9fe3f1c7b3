#!/usr/bin/env bash
# spconv 2.3.8 (CPU build), torch 2.13.0.
#
# spconv's CPU build takes as many OpenMP threads as torch is given. With one its submanifold convolution
# is the dense convolution at the active sites. With two the sums are wrong, and wrong in another way in
# each pass, without a word: a comparison of speed or of results on a CPU has to set torch.set_num_threads(1).
#
# Seen: on one thread equal to the dense convolution within 1e-5 of the largest value and the same in
# every pass; on two off by more than 1e-3 of it in some of 1000 passes, which differ among themselves. How
# many depends on whether both threads get a core at the same time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install spconv==2.3.8 torch==2.13.0 numpy==2.3.5 setuptools==80.9.0
cat > "$folder/check.py" <<'PYTHON'
import importlib.metadata

import spconv.pytorch as spconv
import torch
from torch.nn import functional

print("spconv", importlib.metadata.version("spconv"), "torch", torch.__version__)
torch.manual_seed(0)
SHAPE, CHANNELS = (16, 96, 96), 32
active = torch.rand(SHAPE) < 0.2
place = active.nonzero()
features = torch.randn(len(place), CHANNELS)
layer = spconv.SubMConv3d(CHANNELS, CHANNELS, 3, padding=1, bias=False).eval()

dense = torch.zeros(1, CHANNELS, *SHAPE)
dense[0, :, active] = features.T
# spconv stores (out, z, y, x, in).
weight = layer.weight.detach().permute(0, 4, 1, 2, 3)
expected = functional.conv3d(dense, weight, padding=1)[0, :, active].T
indices = torch.cat([torch.zeros(len(place), 1), place], dim=1).int()


def passes(threads, count):
    torch.set_num_threads(threads)
    errors, same, first = [], True, None
    while len(errors) < count and (same or len(errors) < 20):
        with torch.no_grad():
            found = layer(spconv.SparseConvTensor(features, indices, list(SHAPE), 1)).features
        first = found if first is None else first
        same = same and torch.equal(found, first)
        errors.append(((found - expected).abs().max() / expected.abs().max()).item())
    worst = max(errors)
    print(f"{threads} threads, {len(errors)} passes: off by up to {worst:.1e}, all equal: {same}")
    return errors, same


errors, same = passes(1, 20)
assert max(errors) < 1e-5 and same
errors, same = passes(2, 1000)
assert max(errors) > 1e-3 and not same
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
