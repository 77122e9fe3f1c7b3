# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effocc_ros.datasets import json_rows as module
from effocc_ros.datasets.json_rows import json_rows
from effocc_ros.errors import InputError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, chunk=st.integers(1, 40), indent=st.sampled_from([None, 0, 2]))
def test_rows_are_those_that_json_reads_wherever_the_chunks_end(
    tmp_path_factory, rows, chunk, indent
):
    path = tmp_path_factory.mktemp("rows") / "table.json"
    path.write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    assert list(json_rows(path, chunk)) == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        '[{"a": 1}',
        '[{"a": 1},',
        '[{"a": 1} {"a": 2}]',
        '[{"a": 1}, 2]',
        '{"a": 1}',
        '[{"a": ]',
        '[{"a": "no end',
    ],
)
def test_what_is_no_whole_list_of_objects_is_refused_and_named(tmp_path, text):
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        list(json_rows(path, chunk=4))
    assert caught.value.what == f"nuScenes table {path}"
    assert caught.value.reason == "bad_table"


def test_a_file_that_is_absent_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        list(json_rows(tmp_path / "sample.json"))
    assert caught.value.reason == "missing_tables"


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "table.json").write_bytes(b'[{"a": "\xff\xfe"}]')
    with pytest.raises(InputError):
        list(json_rows(tmp_path / "table.json"))


def test_a_broken_row_does_not_bring_the_whole_file_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_ROW", 1000)
    path = tmp_path / "table.json"
    path.write_text('[{"a": "' + "x" * 100_000)
    with pytest.raises(InputError, match="1000"):
        list(json_rows(path, chunk=100))
