# SPDX-License-Identifier: Apache-2.0
"""Time the sparse encoder against spconv's, in turns in one process, with the same weights.

    python benchmarks/sparse.py --model fusion_r18 --clouds 10 --threads 1 2

spconv is no part of the product: without it (`pip install spconv`, whose wheels of that name are
for CPUs) only the own times are printed. Normalisations are folded in on both sides.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from network import cpu_name, make_frame
from spconv_peer import peer_layers
from torch import Tensor

from effocc_ros.memory import keep_freed_memory
from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.half_precision import HalfPrecision
from effocc_ros.networks.sparse_encoder import SparseConv, SparseEncoder
from effocc_ros.networks.sparse_sites import Sites
from effocc_ros.networks.voxelize import Voxels, voxelize
from effocc_ros.preprocess import preprocess
from effocc_ros.presets import load_preset

try:
    import spconv
    import spconv.pytorch as peer
except ImportError:
    peer = None


def layer(own: SparseConv, kind: str, *arguments, **keywords) -> Callable:
    """Return spconv's layer with the weights of an own one."""
    width, *kernel, channels = own.weight.shape
    made = getattr(peer, kind)(channels, width, kernel, *arguments, bias=False, **keywords)
    # Its wheels for a CPU store (z, y, x, in, out).
    same = made.weight.shape == own.weight.shape
    made.weight.data.copy_(own.weight if same else own.weight.permute(1, 2, 3, 4, 0))
    made.requires_grad_(False).eval()

    def convolve(x):
        y = made(x)  # On a CPU it adds no bias.
        return y.replace_feature(y.features.add_(own.bias))

    return convolve


def peer_encoder(own: SparseEncoder) -> Callable[[Voxels], Tensor]:
    """Return a fused encoder that spconv computes: voxels to a BEV (B, C * Dz, Dy, Dx)."""
    layers = peer_layers(own, layer)

    def encode(voxels: Voxels) -> Tensor:
        sites = voxels.sites
        places = torch.stack(sites.coordinates(), dim=1).int().contiguous()
        x = peer.SparseConvTensor(voxels.features, places, list(sites.shape), sites.batch)
        return layers(x).dense().flatten(1, 2)

    return encode


def spent(encoder, *arguments) -> tuple[float, float]:
    """CPU seconds of all threads and wall seconds of one pass."""
    wall, cpu = time.perf_counter(), time.process_time()
    encoder(*arguments)
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fusion_r18")
    parser.add_argument("--clouds", type=int, default=10, help="sweeps in the cloud")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    config = load_preset(options.model)
    network = EffOcc(config).requires_grad_(False).fuse_for_inference()
    frame, origin = make_frame(options.clouds)
    points = preprocess(frame, config).points
    voxels = voxelize(points, config.voxels, config.max_voxels, config.max_points_per_voxel)

    def own() -> Tensor:
        # Sites remember who their neighbours are: here they are made anew in every pass.
        sites = Sites(voxels.sites.keys, voxels.sites.batch, voxels.sites.shape)
        return encoder(voxels.features, sites)

    encoder = network.pts_middle_encoder
    if options.precision == "bfloat16":
        encoder = HalfPrecision(encoder, torch.bfloat16)
    print(f"{options.model}, {origin}, {len(voxels.features)} voxels, {cpu_name()}", end="")
    print(f", own in {options.precision}")
    with torch.inference_mode():
        other = peer_encoder(network.pts_middle_encoder) if peer else None
        if other:
            # With more threads spconv's CPU build gives another result every time.
            torch.set_num_threads(1)
            expected = own()
            error = (other(voxels) - expected).abs().max() / expected.abs().max()
            print(f"spconv {spconv.__version__} gives the same but for {error:.0e} of the largest")
        else:
            print("spconv is not installed: no comparison")
        for threads in options.threads:
            torch.set_num_threads(threads)
            mine, theirs = [], []
            for _ in range(options.pairs):
                mine.append(spent(own))
                if other:
                    theirs.append(spent(other, voxels))
            _report(threads, mine, theirs)


def _report(threads: int, mine: list[tuple], theirs: list[tuple]) -> None:
    for kind, name in enumerate(("CPU", "wall")):
        print(f"{threads} thread(s), {name}: {median(s[kind] for s in mine):.2f} s", end="")
        if theirs:
            ratio = median(b[kind] / a[kind] for a, b in zip(mine, theirs, strict=True))
            print(f", spconv {median(s[kind] for s in theirs):.2f} s, {ratio:.2f} times", end="")
        print()


if __name__ == "__main__":
    main()
