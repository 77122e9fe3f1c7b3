#!/usr/bin/env bash
# lightning-fabric 2.6.6 with torch 2.13.0, CPU, gloo.
#
# Under torchrun, Fabric believes its own argument `devices` rather than the environment when it
# chooses between one process and many. With the default, which on a CPU means one device, and with
# devices=1, each of the two processes that torchrun starts takes itself for the only one: world
# size 1, rank 0, no process group. Nothing is said. Both train on all the data, gradients are not
# averaged, and both write the files that only the first one should.
#
# With devices of 2 or more it believes the environment alone: devices=3 under two processes gives
# world size 2 without a word, and strategy="ddp" does so for any number.
#
# Seen, from each of the two processes: "default: world 1", "devices=1: world 1",
# "devices=2: world 2", "devices=3: world 2", "devices=1 ddp: world 2"; with the default, the sum of
# a gradient of 1 and one of 2 over the processes is 1 and 2, in place of 3 and 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install torch==2.13.0 numpy==2.3.5 lightning-fabric==2.6.6
cat > "$folder/check.py" <<'PYTHON'
import logging
import os
import warnings

import torch
from lightning_fabric import Fabric

warnings.simplefilter("ignore")
logging.disable(logging.INFO)

rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
assert world == 2
cases = {
    "default": ({}, 1),
    "devices=1": ({"devices": 1}, 1),
    "devices=2": ({"devices": 2}, 2),
    "devices=3": ({"devices": 3}, 2),
    "devices=1 ddp": ({"devices": 1, "strategy": "ddp"}, 2),
}
for name, (arguments, expected) in cases.items():
    fabric = Fabric(accelerator="cpu", **arguments)
    print(f"process {rank}, {name}: world {fabric.world_size}, rank {fabric.global_rank}")
    assert fabric.world_size == expected
    assert fabric.global_rank == (rank if expected == 2 else 0)

for arguments, expected in (({}, (1.0, 2.0)), ({"devices": 2}, (3.0, 3.0))):
    fabric = Fabric(accelerator="cpu", **arguments)
    fabric.launch()
    total = fabric.all_reduce(torch.tensor(rank + 1.0), reduce_op="sum").item()
    print(f"process {rank}, {arguments}: sum {total}")
    assert total == expected[rank]
PYTHON
OMP_NUM_THREADS=1 "$folder/venv/bin/torchrun" --standalone --nproc-per-node 2 "$folder/check.py"
