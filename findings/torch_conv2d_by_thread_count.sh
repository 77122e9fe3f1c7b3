#!/usr/bin/env bash
# torch 2.13.0 on an x86-64 CPU with two cores.
#
# Which library computes a float32 convolution of a batch depends on torch.set_num_threads: for one thread
# torch may use its own loop, for two it is oneDNN. For a 1x1 convolution of one channel, such as the first layer of
# a network of depth images, oneDNN lays the map out in blocks of 8 or 16 channels and back again, and
# takes several times as long on two threads as torch takes on one. Channels last changes nothing.
#
# Seen on an AMD EPYC, six maps of 256x704, 1 to 8 channels: 17 ms on one thread, 74 on two, where a
# product and a sum take 10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q --disable-pip-version-check install torch==2.13.0 numpy==2.3.5
cat > "$folder/check.py" <<'PYTHON'
import os
import time

import torch
from torch.nn.functional import conv2d

maps = torch.rand(6, 1, 256, 704)
weight, bias = torch.rand(8, 1, 1, 1), torch.rand(8)


def sum_of_products():
    return torch.addcmul(bias, maps.permute(0, 2, 3, 1), weight.flatten()).permute(0, 3, 1, 2)


def best(work):
    seconds = []
    for _ in range(15):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1e3 * min(seconds)


assert os.cpu_count() > 1, "needs two cores"
with torch.inference_mode():
    torch.testing.assert_close(conv2d(maps, weight, bias), sum_of_products())
    spent = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        spent[threads] = best(lambda: conv2d(maps, weight, bias))
        plain = best(sum_of_products)
        print(f"{threads} thread(s): conv2d {spent[threads]:.0f} ms, addcmul {plain:.0f} ms")
print(f"conv2d, two threads by one: {spent[2] / spent[1]:.1f}")
assert spent[2] > 1.5 * spent[1]
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
