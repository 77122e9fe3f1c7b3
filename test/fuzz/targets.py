# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: good files made on the spot, how each is changed, and what reads it."""

import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from fuzz.mutations import mutated_bytes, mutated_text, mutated_value
from helpers.drives import VERSION, make_drives
from helpers.small_bags import storage_file
from helpers.tiny_model import make_tiny_checkpoint
from helpers.toy_drive import lidar_drive
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from effocc_ros.bags.nuscenes import nuscenes_to_bag
from effocc_ros.bags.process import ProcessOptions, process_bag
from effocc_ros.bags.reader import BagReader
from effocc_ros.bags.typestore import base_typestore
from effocc_ros.calibration import load_calibration
from effocc_ros.checkpoints import shipped_checkpoint
from effocc_ros.datasets import occ3d_nuscenes, occ3d_waymo, openocc_flow, openoccupancy
from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.budgets import read_budget
from effocc_ros.datasets.check import check_nuscenes
from effocc_ros.loaded_model import load_model
from effocc_ros.official_checkpoints import convert_file
from effocc_ros.presets import load_preset
from effocc_ros.resources import resource_path
from effocc_ros.rig import load_rig
from effocc_ros.rig_check import bag_contents
from effocc_ros.torch_files import read_torch_file


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        make: Writes a good one into an empty folder.
        change: Changes it there.
        read: Reads it; what it writes goes into a second folder.
    """

    make: Callable[[Path], None]
    change: Callable[[Path, random.Random], None]
    read: Callable[[Path, Path], None]


def _bag(plugin: StoragePlugin, compression: CompressionMode) -> Target:
    def make(folder: Path) -> None:
        store = base_typestore()
        writer = Writer(folder / "bag", version=8, storage_plugin=plugin)
        writer.set_compression(compression, CompressionFormat.ZSTD)
        with writer:
            known = {}
            for sent in lidar_drive(3):
                if sent.topic not in known:
                    known[sent.topic] = writer.add_connection(
                        sent.topic, sent.msgtype, typestore=store
                    )
                writer.write(known[sent.topic], sent.log_time, sent.raw)
        make_tiny_checkpoint(folder / "tiny.safetensors", "lidar")

    def change(folder: Path, rng: random.Random) -> None:
        bag = folder / "bag"
        if rng.random() < 0.15:
            path = bag / "metadata.yaml"
            path.write_text(mutated_text(path.read_text(), rng), errors="surrogatepass")
            return
        path = storage_file(bag)
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))

    def read(folder: Path, out: Path) -> None:
        with BagReader(folder / "bag") as bag:
            bag_contents(bag)
        options = ProcessOptions(model=str(folder / "tiny.safetensors"), device="cpu")
        process_bag(folder / "bag", out / "bag", options)

    return Target(make, change, read)


def _change_safetensors(folder: Path, rng: random.Random) -> None:
    path = folder / "a.safetensors"
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    kind = rng.randrange(4)
    if kind == 0:
        path.write_bytes(mutated_bytes(data, rng))
        return
    header, weights = data[8 : 8 + length], data[8 + length :]
    if kind == 1:
        header = mutated_bytes(header, rng)
    else:
        content = json.loads(header)
        if kind == 2:
            content = mutated_value(content, rng)
        else:
            metadata = content["__metadata__"]
            card = mutated_value(json.loads(metadata["effocc_card"]), rng)
            metadata["effocc_card"] = json.dumps(card)
        header = json.dumps(content).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + weights)


def _make_pth(folder: Path, protocol: int = 2, zipped: bool = True) -> None:
    state = load_model(shipped_checkpoint("lidar_tiny")).network.state_dict()
    meta = {"epoch": 3, "mean": np.ones(3), "when": "today", "classes": ["a", "b"]}
    optimizer = {"state": {0: {"step": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3}]}
    torch.save(
        {"meta": meta, "state_dict": state, "optimizer": optimizer},
        folder / "a.pth",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )


def _change_pth(folder: Path, rng: random.Random) -> None:
    path = folder / "a.pth"
    data = path.read_bytes()
    if data[:2] != b"PK":
        # Most of the file are weights, which the pickles stand before.
        head = rng.choice((3000, 100_000))
        path.write_bytes(mutated_bytes(data[:head], rng) + data[head:])
    elif rng.random() < 0.2:
        path.write_bytes(mutated_bytes(data, rng))
    elif rng.random() < 0.4:
        content = read_torch_file(path).content
        _change_state(content["state_dict"], rng)
        content["meta"] = mutated_value(content["meta"], rng)
        saved = io.BytesIO()
        torch.save(content, saved, pickle_protocol=rng.choice((2, 4, 5)))
        path.write_bytes(saved.getvalue())
    else:
        _rezip(path, lambda name: name.endswith("data.pkl"), rng)


def _change_state(state: dict, rng: random.Random) -> None:
    """Change weights as trainers, converters and accidents do."""
    names = list(state)
    for name in rng.sample(names, rng.choice((0, 1, 1, 3))):
        value = state.pop(name)
        kind = rng.randrange(6)
        if kind == 0:
            state[name] = torch.full(value.shape, rng.choice((float("nan"), 1e30, -1.0, 0.0)))
        elif kind == 1:
            state[name] = value.flatten()[:1].expand(rng.choice((3, 10**6)), 10**9)
        elif kind == 2:
            state[name] = rng.choice((value.half(), value.double(), value.bool(), value > 0))
        elif kind == 3:
            state[rng.choice((f"ema.{name}", f"{name}.", "x" * 5000, "", "teacher.a"))] = value
        elif kind == 4:
            state[name] = value.transpose(0, -1) if value.ndim > 1 else value[None]
    prefix = rng.choice(("", "", "module.", "a.b.model.", "ema_model."))
    for name in list(state):
        state[prefix + name] = state.pop(name)


def _rezip(path: Path, chosen: Callable[[str], bool], rng: random.Random) -> None:
    """Change entries of an archive whose checksums are right afterwards."""
    packed, packing = io.BytesIO(), rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            changed = chosen(info.filename)
            data = mutated_bytes(data, rng) if changed else data
            name = info.filename if rng.random() < 0.98 else f"../{info.filename}"
            new.writestr(name, data, packing if changed else zipfile.ZIP_STORED)
    path.write_bytes(packed.getvalue())


CALIBRATION = {
    "CAM_FRONT": {
        "intrinsics": [[1266.4, 0, 816.2], [0, 1266.4, 491.5], [0, 0, 1]],
        "size": [1600, 900],
        "translation": [1.7, 0.0, 1.5],
        "rotation": [0.5, -0.5, 0.5, -0.5],
        "distortion_model": "plumb_bob",
        "distortion": [0.1, -0.2, 0.0, 0.0, 0.0],
        "rectified": False,
    },
    "LIDAR_TOP": {"translation": [0.9, 0.0, 1.8], "rotation": [1.0, 0.0, 0.0, 0.0]},
}


def _make_yaml(folder: Path) -> None:
    shutil.copy(resource_path("config/rig/nuscenes.yaml"), folder / "rig.yaml")
    shutil.copy(resource_path("config/model/fusion_tiny.yaml"), folder / "preset.yaml")
    (folder / "calibration.yaml").write_text(yaml.safe_dump(CALIBRATION))


def _change_yaml(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.iterdir()))
    text = path.read_text()
    if rng.random() < 0.6:
        text = yaml.safe_dump(mutated_value(yaml.safe_load(text), rng))
    if rng.random() < 0.5:
        text = mutated_text(text, rng)
    path.write_text(text, errors="surrogatepass")


def _read_yaml(folder: Path, out: Path) -> None:
    load_rig(folder / "rig.yaml")
    load_calibration(folder / "calibration.yaml")
    load_preset(str(folder / "preset.yaml"))


def _make_labels(folder: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (200, 200, 16)
    semantics, mask = rng.integers(0, 16, shape).astype(np.uint8), np.ones(shape, np.uint8)
    flow = np.zeros((*shape, 2), np.float32)
    np.savez_compressed(
        folder / "occ3d.npz", semantics=semantics, mask_lidar=mask, mask_camera=mask
    )
    np.savez_compressed(folder / "flow.npz", semantics=semantics, flow=flow)
    names = occ3d_waymo.KEYS
    np.savez(folder / "waymo.npz", **{name: mask for name in names})
    rows = np.c_[rng.integers(0, (40, 512, 512), (5000, 3)), rng.integers(0, 17, 5000)]
    np.save(folder / "openoccupancy.npy", rows)


def _change_labels(folder: Path, rng: random.Random) -> None:
    path = rng.choice(sorted(folder.iterdir()))
    if path.suffix == ".npz" and rng.random() < 0.7:
        name = rng.choice(zipfile.ZipFile(path).namelist())
        with zipfile.ZipFile(path) as old:
            entries = {info.filename: old.read(info) for info in old.infolist()}
        # Nearly all of an array are numbers: its header is what can go wrong.
        entries[name] = mutated_bytes(entries[name][:128], rng) + entries[name][128:]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for each, data in entries.items():
                new.writestr(each, data)
        return
    data = path.read_bytes()
    head = rng.choice((128, len(data)))
    path.write_bytes(mutated_bytes(data[:head], rng) + data[head:])


def _read_labels(folder: Path, out: Path) -> None:
    occ3d_nuscenes.read_labels(folder / "occ3d.npz")
    openocc_flow.read_labels(folder / "flow.npz")
    occ3d_waymo.read_labels(folder / "waymo.npz")
    openoccupancy.read_labels(folder / "openoccupancy.npy")


def _make_tables(folder: Path) -> None:
    make_drives(folder / "nuscenes", ("scene-0061",), keyframes=1, sweeps=1)
    splits = {"train": ["scene-0061"], "val": []}
    (folder / "nuscenes" / VERSION / "splits.json").write_text(json.dumps(splits))
    budget = {"kind": "voxels", "voxels": {"token": [1, 2, 3]}}
    (folder / "budget.json").write_text(json.dumps(budget))


def _change_tables(folder: Path, rng: random.Random) -> None:
    tables = [*sorted((folder / "nuscenes" / VERSION).iterdir()), folder / "budget.json"]
    others = sorted((folder / "nuscenes" / "samples").rglob("*.*"))
    if rng.random() < 0.15:
        path = rng.choice(others)
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))
        return
    path = rng.choice(tables)
    text = path.read_text()
    if rng.random() < 0.8:
        text = json.dumps(mutated_value(json.loads(text), rng))
    if rng.random() < 0.3:
        text = mutated_text(text, rng)
    path.write_text(text, errors="surrogatepass")


def _read_tables(folder: Path, out: Path) -> None:
    root = folder / "nuscenes"
    list(check_nuscenes(root, VERSION))
    read_budget(folder / "budget.json")
    dataset = open_dataset("occ3d_nuscenes", root, "all", version=VERSION, with_labels=False)
    for index in range(len(dataset)):
        dataset[index]
    scene = dataset.tables.scene_names[0]
    nuscenes_to_bag(root, out / "bag", version=VERSION, scene=scene)


def _read_pth(folder: Path, out: Path) -> None:
    convert_file(folder / "a.pth", out / "a.safetensors")


TARGETS = {
    "bag, MCAP": _bag(StoragePlugin.MCAP, CompressionMode.NONE),
    "bag, MCAP of zstd chunks": _bag(StoragePlugin.MCAP, CompressionMode.STORAGE),
    "bag, db3": _bag(StoragePlugin.SQLITE3, CompressionMode.NONE),
    "safetensors": Target(
        lambda folder: make_tiny_checkpoint(folder / "a.safetensors", "lidar"),
        _change_safetensors,
        lambda folder, out: load_model(folder / "a.safetensors"),
    ),
    "pth": Target(_make_pth, _change_pth, _read_pth),
    "pth, protocol 4": Target(lambda folder: _make_pth(folder, 4), _change_pth, _read_pth),
    "pth, no archive": Target(lambda folder: _make_pth(folder, 2, False), _change_pth, _read_pth),
    "YAML": Target(_make_yaml, _change_yaml, _read_yaml),
    "npz, npy": Target(_make_labels, _change_labels, _read_labels),
    "JSON tables": Target(_make_tables, _change_tables, _read_tables),
}
"""Kind of file -> how it is fuzzed."""
