# SPDX-License-Identifier: Apache-2.0
"""Official files that are damaged, hostile or hold no trained network."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from helpers.official_files import ema_file

from effocc_ros.errors import InputError
from effocc_ros.official_checkpoints import convert_file
from effocc_ros.official_files import read_official


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path, state, zipped):
    trace = tmp_path / "it_ran"
    content = {"state_dict": {"a": torch.zeros(1)}, "meta": Evil(trace)}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"run code.*weights\.pth") as error:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert error.value.reason == "unsafe_checkpoint"
    assert not trace.exists()


def test_a_plain_pickle_that_would_run_code_is_refused_as_such(tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({"meta": Evil(tmp_path / "it_ran")}, 2))
    with pytest.raises(InputError, match="run code") as error:
        read_official(tmp_path / "a.pth")
    assert error.value.reason == "unsafe_checkpoint"
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "a file of 0 bytes, not a torch file"),
        (b"PK\x03\x04 nothing more", "cannot be read: not a torch file, or cut short"),
        (b"<!DOCTYPE html>not found", "a web page of 24 bytes, not a torch file"),
        (b"cannot find\nthe file\n", "a file of 21 bytes, not a torch file"),
        (b"\x80\x02}q\x00.", "not a torch file"),
    ],
)
def test_broken_downloads_are_refused_as_such(tmp_path, content, said):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert error.value.reason == "bad_checkpoint"
    assert "Download the file again" in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_anywhere_is_said_to_be_cut_not_to_run_code(tmp_path, zipped):
    whole, cut = tmp_path / "whole.pth", tmp_path / "cut.pth"
    content = {"state_dict": {"a": torch.ones(3), "b": torch.ones(2, 2)}, "epoch": 3}
    torch.save(content, whole, _use_new_zipfile_serialization=zipped)
    data = whole.read_bytes()
    for kept in range(1, len(data), 11 if zipped else 1):
        cut.write_bytes(data[:kept])
        with pytest.raises(InputError, match="not a torch file") as error:
            read_official(cut)
        assert error.value.reason == "bad_checkpoint"


def test_files_without_a_state_dict_are_refused(tmp_path):
    for name, content in (("list", [1, 2]), ("none", {"epoch": 3}), ("no_map", {"state_dict": 1})):
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(InputError, match=r"expected a \.pth file with a state_dict"):
            convert_file(tmp_path / f"{name}.pth", tmp_path / "b.safetensors")
    with pytest.raises(InputError, match="no such file"):
        convert_file(tmp_path / "absent.pth", tmp_path / "b.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, state, value):
    name = "pts_backbone.blocks.0.1.running_var"
    wrong = {**state, name: torch.full_like(state[name], value)}
    torch.save(ema_file(wrong), tmp_path / "a.pth")
    with pytest.raises(InputError, match=rf"a\.pth: found 1 entries.*not finite \({name}\)"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert not (tmp_path / "b.safetensors").exists()


def rezipped(path, change):
    """The same archive with its entries changed: name, data -> data and how they are packed."""
    with zipfile.ZipFile(path) as old:
        entries = [(info.filename, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries:
            new.writestr(name, *change(name, data))


def test_weights_that_are_packed_are_not_unpacked(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.zeros(5_000_000)}}, path)
    rezipped(path, lambda name, data: (data, zipfile.ZIP_DEFLATED))
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="bytes of storage 0"):
        read_official(path)


@pytest.mark.parametrize("size", [10**12, 30])
def test_a_tensor_beyond_its_bytes_is_refused(tmp_path, size):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": {"a": torch.zeros(20)}}, path)
    grown = pickle.dumps(size, 2)[2:-1]
    count = pickle.dumps(20, 2)[2:-1]
    rezipped(path, lambda name, data: (data.replace(count, grown),))
    with pytest.raises(InputError, match="cannot be read"):
        read_official(path)


def test_a_bit_that_flipped_is_found(tmp_path, state):
    path = tmp_path / "a.pth"
    torch.save(ema_file(state), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="checksum"):
        convert_file(path, tmp_path / "b.safetensors")


ABSURD = {
    "absurd": lambda value: value.fill_(1e30),
    "whole": lambda value: (100 * value).to(torch.int8),
    "not finite": lambda value: value.fill_(float("inf")),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_numbers_that_are_no_weights_of_a_trained_network_are_named(tmp_path, state, kind):
    name = next(name for name, value in state.items() if value.ndim == 5)
    torch.save(
        {"state_dict": {**state, name: ABSURD[kind](state[name].clone())}}, tmp_path / "a.pth"
    )
    with pytest.raises(InputError, match=f"numbers that are {kind}.*{name}") as caught:
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
    assert caught.value.reason == "bad_weights"
    assert not (tmp_path / "b.safetensors").exists()


def test_a_file_of_zeros_is_no_trained_network(tmp_path, state):
    nothing = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save({"state_dict": nothing}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="numbers that are all zero"):
        convert_file(tmp_path / "a.pth", tmp_path / "b.safetensors")
