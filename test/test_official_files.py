# SPDX-License-Identifier: Apache-2.0
"""Files of weights as trainers, converters and downloads leave them, by what they hold."""

import argparse
import gzip
import io
import pickle
import zipfile
from collections import Counter, deque
from datetime import datetime
from pathlib import PurePosixPath

import pytest
import torch
from safetensors.torch import save_file

from effocc_ros.errors import InputError
from effocc_ros.official_checkpoints import convert_file
from effocc_ros.official_files import read_official


def zip_of(name):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, b"abc")
    return data.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


@pytest.mark.parametrize(
    ("content", "said", "do"),
    [
        (POINTER, "a git-lfs pointer of", "git lfs pull"),
        (gzip.compress(b"a" * 100, mtime=0), "a gzip file of", "Unpack it"),
        (b"\xfd7zXZ\x00 and so on", "an xz file of", "Unpack it"),
        (zip_of("epoch_24.pth"), "a zip archive, not a torch file", "in it (epoch_24.pth)"),
        (zip_of("a.npy"), r"numpy's archive of arrays \(.npz\)", "Download"),
        (bytes(100), "zeros where its header should be, in a file of 100 bytes", "Download"),
    ],
)
def test_files_of_other_kinds_are_named_with_what_to_do(tmp_path, content, said, do):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert do in str(error.value)


class History(list):
    """As trainers keep beside the weights."""


class Settings:
    def __init__(self):
        self.lr, self.history = 0.1, History([1.0, 2.0])


BESIDE = [
    PurePosixPath("a"),
    datetime(2024, 1, 1),
    deque([1.0]),
    Counter("aab"),
    History([1]),
    Settings(),
    argparse.Namespace(lr=0.1),
    [Settings(), {"a": (Settings(),)}],
]


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("beside", BESIDE)
def test_objects_beside_the_weights_are_not_made_and_do_no_harm(tmp_path, beside, protocol):
    content = {"hub": {"x": beside}, "state_dict": {"a": torch.ones(3)}}
    torch.save(content, tmp_path / "a.pth", pickle_protocol=protocol)
    read = read_official(tmp_path / "a.pth")
    assert torch.equal(read.state["a"], torch.ones(3))
    assert read.ignored == ("hub",)


@pytest.mark.parametrize("content", [torch.nn.Linear(2, 2), {"model": torch.nn.Linear(2, 2)}])
def test_a_network_with_its_code_is_refused_by_the_name_of_its_class(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"class torch\S*Linear; .*state_dict\(\)") as error:
        read_official(tmp_path / "a.pth")
    assert error.value.reason == "unsafe_checkpoint"


ONES = {"a": torch.ones(3), "b": torch.ones(2)}
LAST = {"a": torch.zeros(3), "b": torch.zeros(2)}


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        ({"state_dict": LAST, "ema": {"module": ONES, "updates": 3}}, "ema.module"),
        ({"state_dict": LAST, "ema": {"state_dict": ONES, "decay": 0.9}}, "ema.state_dict"),
        ({"state_dict": LAST, "averaged_model": ONES}, "averaged_model"),
        ({"model": LAST, "swa_model": ONES}, "swa_model"),
        ({"model": {"state_dict": ONES}, "optimizer": {"state": LAST}}, "model.state_dict"),
        ({"net": {"student": ONES}}, "net.student"),
        ({"state_dict": {name: value.numpy() for name, value in ONES.items()}}, "state_dict"),
    ],
)
def test_weights_are_found_within_entries_and_averaged_ones_first(tmp_path, content, entry):
    torch.save(content, tmp_path / "a.pth")
    read = read_official(tmp_path / "a.pth")
    assert read.entry == entry
    assert {name: value.tolist() for name, value in read.state.items()} == {
        "a": [1.0] * 3,
        "b": [1.0] * 2,
    }
    others = [name for name in content if name not in (entry.split(".")[0], "optimizer")]
    assert list(read.others) == others


def test_pickles_of_arrays_and_safetensors_of_another_name_are_read(tmp_path):
    arrays = {name: value.numpy() for name, value in ONES.items()}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": arrays}))
    save_file(ONES, tmp_path / "b.pth")
    for name in ("a.pkl", "b.pth"):
        read = read_official(tmp_path / name)
        assert {key: value.sum().item() for key, value in read.state.items()} == {"a": 3, "b": 2}
