#!/usr/bin/env bash
# torch 2.13.0, CPU.
#
# A network can be built on the meta device to learn the shapes of its weights for nothing: 2 ms for a
# layer. The first torch.arange there costs seconds, for it imports torch._dynamo and hundreds of modules
# more. Layers do not, nor does arange with device="cpu" inside of the block.
#
# Seen: few modules for the layer and for arange on the CPU, more than 300 for arange, torch._dynamo among
# them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install torch==2.13.0 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import sys
import time

import torch

print("torch", torch.__version__)


def imported(name, operation):
    before, started = len(sys.modules), time.process_time()
    with torch.device("meta"):
        operation()
    count, seconds = len(sys.modules) - before, time.process_time() - started
    print(f"{name}: {count} modules, {seconds:.2f} s of CPU, dynamo: {'torch._dynamo' in sys.modules}")
    return count


assert imported("linear", lambda: torch.nn.Linear(4, 4)) < 50
assert imported("arange on the CPU", lambda: torch.arange(4.0, device="cpu")) < 50
assert imported("arange", lambda: torch.arange(1.0, 4.0, 0.5, dtype=torch.float32)) > 300
assert "torch._dynamo" in sys.modules
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
