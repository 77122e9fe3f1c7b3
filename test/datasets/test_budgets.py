# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from helpers.drives import SCENES, make_drives, token
from torch.utils.data import DataLoader

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.datasets.budgets import LabelBudget, read_budget, write_budget
from effocc_ros.datasets.nuscenes_frames import SweepChoice
from effocc_ros.errors import InputError

MANY = ("scene-0061", "scene-0553")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_drives(tmp_path_factory.mktemp("budgets") / "nuscenes", MANY, sweeps=5)


def occ3d(root, budget, **options):
    options = {"cameras": (), "lidar": False, "budget": budget, **options}
    return open_dataset("occ3d_nuscenes", root, "mini_train", **options)


def frames(*numbers):
    return LabelBudget("frames", frames=frozenset(token(MANY[0], k) for k in numbers))


def test_a_budget_of_scenes_labels_all_their_samples(root):
    dataset = occ3d(root, LabelBudget("scenes", scenes=frozenset([token(MANY[1])])))
    assert [sample.scene for sample in dataset.samples] == [MANY[1]] * 2
    assert dataset[0].labeled


def test_a_budget_of_frames_labels_those_alone(root):
    assert [sample.token for sample in occ3d(root, frames(1)).samples] == [token(MANY[0], 1)]
    student = occ3d(root, frames(1), unlabeled=True)
    assert [student[i].labeled for i in range(4)] == [False, True, False, False]
    assert [student[i].truth is None for i in range(4)] == [True, False, True, True]


def test_a_budget_of_voxels_shows_those_alone(root):
    flat = np.ravel_multi_index(([101, 3], [120, 4], [5, 0]), (200, 200, 16))
    voxels = {token(MANY[0], 1): flat.astype(np.int32)}
    dataset = occ3d(root, LabelBudget("voxels", voxels=voxels))
    assert len(dataset) == 1
    shown = dataset[0].truth.shown
    assert shown.sum() == 2
    assert shown[101, 120, 5]
    assert shown[3, 4, 0]
    assert occ3d(root, frames(1))[0].truth.shown is None


@pytest.mark.parametrize(
    "budget",
    [
        LabelBudget("scenes", scenes=frozenset(["b", "a"]), about={"method": "random"}),
        LabelBudget("frames", frames=frozenset(["c"])),
        LabelBudget("voxels", voxels={"d": np.array([3, 1], np.int32)}),
    ],
)
def test_what_is_written_is_read_again(tmp_path, budget):
    write_budget(tmp_path / "budget.json", budget)
    again = read_budget(tmp_path / "budget.json")
    assert (again.kind, again.scenes, again.frames, again.about) == (
        budget.kind,
        budget.scenes,
        budget.frames,
        budget.about,
    )
    assert {k: v.tolist() for k, v in again.voxels.items()} == {
        k: v.tolist() for k, v in budget.voxels.items()
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "cubes", "scenes": ["a"]}, "kind 'cubes'"),
        ({"scenes": ["a"]}, "no kind"),
        ({"kind": "scenes", "scenes": []}, "0 scenes"),
        ({"kind": "scenes", "frames": ["a"]}, "0 scenes"),
        ({"kind": "frames", "frames": ["a"], "scenes": ["b"]}, "1 scenes"),
        ({"kind": "frames", "frames": [1]}, "in place of tokens"),
        ({"kind": "frames", "frames": ["a"], "boxes": []}, "unknown boxes"),
        ({"kind": "voxels", "voxels": {"a": [1.5]}}, "no list of indices for sample a"),
        ({"kind": "voxels", "voxels": {"a": [-1]}}, "sample a: found a negative voxel"),
        ({"kind": "voxels", "voxels": {"a": [1, 1]}}, "twice"),
        ([], "no kind"),
    ],
)
def test_what_is_no_budget_is_refused_by_name(tmp_path, values, said):
    path = tmp_path / "budget.json"
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=said) as caught:
        read_budget(path)
    assert str(path) in str(caught.value)


def test_a_budget_that_is_absent_or_cut_off_is_named(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_budget(tmp_path / "budget.json")
    (tmp_path / "budget.json").write_text('{"kind": "sce')
    with pytest.raises(InputError, match="no JSON"):
        read_budget(tmp_path / "budget.json")


def test_tokens_of_another_split_are_refused(root):
    for budget in (
        LabelBudget("scenes", scenes=frozenset([token(SCENES[1])])),
        LabelBudget("frames", frames=frozenset([token(MANY[0], 0), "elsewhere"])),
    ):
        with pytest.raises(InputError, match=r"1 tokens of no (scene|sample) there"):
            occ3d(root, budget)


def test_a_voxel_outside_of_the_grid_is_refused(root):
    voxels = {token(MANY[0], 0): np.array([640_000], np.int32)}
    dataset = occ3d(root, LabelBudget("voxels", voxels=voxels))
    with pytest.raises(InputError, match="voxel 640000"):
        dataset[0]


def test_a_fraction_beside_a_budget_is_refused(root):
    with pytest.raises(InputError, match="one of the two"):
        occ3d(root, frames(0), labeled_fraction=0.5)


def test_workers_that_persist_see_the_epoch(root):
    sweeps = SweepChoice(2, drawn_from=5)
    dataset = occ3d(root, None, lidar=True, sweeps=sweeps)
    loader = DataLoader(
        dataset, batch_size=None, num_workers=1, persistent_workers=True, shuffle=False
    )

    def lags(samples):
        return [np.unique(sample.frame.cloud.points[:, 4]).round(2).tolist() for sample in samples]

    seen = []
    for epoch in range(4):
        dataset.epoch = epoch
        seen.append(lags(loader))
        assert seen[-1] == lags(dataset.read(i, epoch) for i in range(len(dataset)))
    assert any(first != seen[0] for first in seen)
