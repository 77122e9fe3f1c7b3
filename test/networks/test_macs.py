# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from effocc_ros.networks.effocc import EffOcc
from effocc_ros.networks.macs import dense_macs
from effocc_ros.presets import load_preset


@pytest.mark.parametrize(
    ("preset", "total", "parts"),
    [
        (
            "fusion_r18",
            215.4,
            {
                "img_backbone": 39.1,
                "img_neck": 3.0,
                "img_view_transformer": 1.3 + 6.6,
                "occ_fuser": 29.5,
                "pts_backbone": 73.7,
                "pts_neck": 3.9,
                "occ_head": 58.3,
            },
        ),
        ("fusion_r50", 265.9, {}),
        ("vision_r50", 247.7, {}),
        ("student_r50", 521.0, {}),
    ],
)
def test_dense_gmacs_equal_the_figures_counted_on_the_official_networks(preset, total, parts):
    with torch.device("meta"):
        counts = dense_macs(EffOcc(load_preset(preset)).eval())
    assert sum(counts.values()) * 1e-9 == pytest.approx(total, abs=0.05)
    for name, gmacs in parts.items():
        assert counts[name] * 1e-9 == pytest.approx(gmacs, abs=0.11), name
