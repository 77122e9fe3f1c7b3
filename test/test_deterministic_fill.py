# SPDX-License-Identifier: Apache-2.0
"""Check values of the fill that the reference vectors were made with."""

import zlib

import numpy as np
import torch
from helpers.deterministic_fill import filled_value, stream


def test_the_stream_gives_its_check_values():
    assert zlib.crc32(b"occ_fuser.occ_enc.0.weight") == 4069375811
    expected = [0.67374344, 0.14336506, 0.23246557, 0.2001062]
    np.testing.assert_allclose(stream("occ_fuser.occ_enc.0.weight", 4), expected, atol=1e-8)


def test_weights_and_variances_give_their_check_values():
    weight = filled_value("occ_fuser.occ_enc.0.weight", torch.empty(256, 320, 3, 3))
    expected = [0.01586053, -0.03255617, -0.02442244]
    np.testing.assert_allclose(weight.flatten()[:3], expected, atol=1e-8)
    assert abs(weight.double().sum().item() - 0.99725379) < 1e-5
    variance = filled_value("img_backbone.bn1.running_var", torch.empty(64))
    np.testing.assert_allclose(variance[:3], [1.0055404, 1.156213, 0.93730384], atol=1e-7)
