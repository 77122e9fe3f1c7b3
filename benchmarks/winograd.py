# SPDX-License-Identifier: Apache-2.0
"""Time Winograd's convolution against torch's own, layer by layer, in turns on one thread.

    python benchmarks/winograd.py
    export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
    python benchmarks/winograd.py

The variables make a CPU with AVX-512 compute as one without. Times are CPU seconds of the
thread, ratios the median over pairs.
"""

import argparse
import time
from statistics import median

import torch
from network import cpu_name
from torch import nn

from effocc_ros.networks.winograd import WinogradConv2d

LAYERS = (
    (1, 128, 128, (200, 200)),
    (1, 256, 256, (100, 100)),
    (1, 320, 256, (200, 200)),
    (1, 512, 256, (200, 200)),
    (6, 128, 128, (32, 88)),
    (6, 256, 256, (16, 44)),
    (6, 512, 512, (8, 22)),
)
"""Maps, channels in and out, and size of the wide convolutions of fusion_r18."""


def seconds(layer: nn.Module, x: torch.Tensor) -> float:
    started = time.thread_time()
    layer(x)
    return time.thread_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(cpu_name(), torch.backends.cpu.get_cpu_capability())
    for batch, channels, out_channels, size in LAYERS:
        plain = nn.Conv2d(channels, out_channels, 3, padding=1).requires_grad_(False)
        plain.to(memory_format=torch.channels_last)
        fast = WinogradConv2d(plain)
        x = torch.randn(batch, channels, *size).relu().to(memory_format=torch.channels_last)
        with torch.inference_mode():
            error = (fast(x) - plain(x)).abs().max() / plain(x).std()
            times = [(seconds(plain, x), seconds(fast, x)) for _ in range(pairs)]
        ratio = median(a / b for a, b in times)
        print(
            f"{batch} x {channels} > {out_channels} at {size[0]}x{size[1]}: "
            f"{1e3 * median(a for a, _ in times):.0f} ms, "
            f"Winograd {ratio:.2f} times as fast, off by {error:.0e} of the spread"
        )


if __name__ == "__main__":
    main()
