# SPDX-License-Identifier: Apache-2.0
"""Lenses are undone as OpenCV's formulas say, and nothing is seen twice or mirrored."""

import cv2
import numpy as np
import pytest

from effocc_ros.errors import InputError
from effocc_ros.lenses import Lens, check_turning, read_lens, rectify, rectifying_maps

K = np.array([[300.0, 0, 161.0], [0, 305.0, 118.0], [0, 0, 1]])
P = np.array([[260.0, 0, 155.0], [0, 262.0, 121.0], [0, 0, 1]])
R = cv2.Rodrigues(np.array([0.02, -0.03, 0.01]))[0]
SIZE = (320, 240)

BROWN = {
    "four": [-0.25, 0.08, 0.001, -0.002],
    "five": [-0.25, 0.08, 0.001, -0.002, -0.01],
    "rational": [0.1, -0.2, 0.001, 0.002, 0.01, 0.05, -0.1, 0.02],
    "prism": [0.1, -0.2, 0.001, 0.002, 0.01, 0.05, -0.1, 0.02, 0.001, 0.002, -0.003, 0.001],
}
BROWN["tilted"] = [*BROWN["prism"], 0.02, -0.03]
FISHEYE = [0.05, -0.01, 0.002, -0.0005]


def maps(lens, target=P, rotation=R, matrix=K, size=SIZE):
    coordinates, fractions = rectifying_maps(
        lens, matrix.tobytes(), rotation.tobytes(), target.tobytes(), size
    )
    # 32 steps to a pixel, two numbers of five bits each.
    parts = np.stack([fractions % 32, fractions // 32], axis=-1)
    return coordinates + parts / 32


def pixel_of(rays, lens, matrix=K):
    """Where rays (N, 3) fall, by OpenCV; they must be in front of the lens."""
    rays = np.asarray(rays, np.float64).reshape(-1, 1, 3)
    none, d = np.zeros(3), np.array(lens.coefficients or [0.0] * 4)
    if lens.family == "equidistant":
        return cv2.fisheye.projectPoints(rays, none, none, matrix, d)[0][:, 0]
    return cv2.projectPoints(rays, none, none, matrix, d)[0][:, 0]


LENSES = {name: read_lens("plumb_bob", np.array(d), "CAM") for name, d in BROWN.items()}
LENSES["fisheye"] = read_lens("equidistant", np.array(FISHEYE), "CAM")
LENSES["plain_fisheye"] = read_lens("fisheye", np.array([]), "CAM")


@pytest.mark.parametrize("name", LENSES)
def test_each_pixel_comes_from_where_its_ray_falls(name):
    lens = LENSES[name]
    targets = np.array([[40, 50], [155, 121], [260, 50], [160, 200], [60, 100]])
    rays = np.column_stack([targets, np.ones(5)]) @ np.linalg.inv(P @ R).T
    found = maps(lens)[targets[:, 1], targets[:, 0]]
    assert np.abs(found - pixel_of(rays, lens)).max() < 1 / 16


def test_a_fisheye_of_zeros_is_no_pinhole():
    lens = LENSES["plain_fisheye"]
    assert not lens.is_pinhole
    # 45 degrees to the right of the axis: f * pi / 4, not f.
    column = round(155 + 262 * 0.5)
    ray = np.array([(column - 155) / 260, 0.0, 1.0])
    found = maps(lens, rotation=np.eye(3))[121, column]
    assert np.allclose(found[0], 161 + 300 * np.arctan(ray[0]), atol=1 / 16)


def test_rays_from_behind_a_fisheye_are_not_mirrored_into_the_image():
    # Turned by 120 degrees, the rectified camera looks back; its middle is 120 degrees off axis.
    turn = cv2.Rodrigues(np.array([0.0, np.radians(120), 0.0]))[0]
    lens = Lens("equidistant")
    found = maps(lens, rotation=turn, matrix=np.where(K == 300, 60.0, K))
    middle = found[121, 155]
    ray = turn.T @ [0.0, 0.0, 1.0]
    assert ray[2] < 0
    sign = np.sign(ray[0])
    assert np.allclose(middle[0], 161 + sign * 60 * np.radians(120), atol=1 / 16)


def test_a_pinholes_lens_sees_nothing_from_behind():
    turn = cv2.Rodrigues(np.array([0.0, np.radians(170), 0.0]))[0]
    assert (maps(LENSES["five"], rotation=turn)[100:140, 140:180] < 0).all()


def test_a_polynomial_that_turns_back_shows_nothing_twice():
    lens = read_lens("plumb_bob", np.array([-0.3, 0.0, 0, 0]), "CAM")
    wide = np.array([[60.0, 0, 160], [0, 60.0, 120], [0, 0, 1]])
    raw = np.array([[150.0, 0, 160], [0, 150.0, 120], [0, 0, 1]])
    found = maps(lens, target=wide, rotation=np.eye(3), matrix=raw)
    # r (1 - 0.3 r^2) is largest at r = 1 / sqrt(0.9).
    slope = np.hypot(np.arange(320) - 160, 0) / 60
    seen = found[120, :, 0] >= 0
    assert not seen[slope > 1.06].any()
    assert seen[slope < 1.0].all()
    assert (np.diff(found[120, seen, 0]) >= 0).all()


def test_lines_are_straight_again():
    lens = LENSES["five"]
    picture = np.zeros((240, 320, 3), np.uint8)
    line = np.column_stack([np.full(4000, -0.35), np.linspace(-0.5, 0.5, 4000), np.ones(4000)])
    for column, row in pixel_of(line, lens).round().astype(int):
        if 0 <= column < 320 and 0 <= row < 240:
            picture[row, column] = 255
    bytes_of = (each.tobytes() for each in (K, np.eye(3), K))
    straight = rectify(picture, rectifying_maps(lens, *bytes_of, SIZE))
    rows, columns = np.nonzero(straight[..., 0] > 60)
    assert len(set(rows)) > 200
    assert np.abs(columns - (161 - 0.35 * 300)).max() <= 1.5


@pytest.mark.parametrize("name", ["plumb_bob", "", "Rational Polynomial", "radtan"])
def test_names_of_one_family_read_alike(name):
    assert read_lens(name, np.array(BROWN["rational"]), "CAM") == LENSES["rational"]


@pytest.mark.parametrize("name", ["equidistant", "FISHEYE", "kannala_brandt4"])
def test_names_of_fisheyes_are_known(name):
    assert read_lens(name, np.array([*FISHEYE, 0.0]), "CAM") == LENSES["fisheye"]


@pytest.mark.parametrize(
    ("name", "d", "reason"),
    [
        ("double_sphere", [0.1, 0.2], "unknown_lens"),
        ("plumb_bob", [0.1, np.nan, 0, 0, 0], "bad_lens"),
        ("plumb_bob", [0.1, 0.2], "bad_lens"),
        ("equidistant", BROWN["five"], "bad_lens"),
    ],
)
def test_a_lens_that_cannot_be_undone_is_refused(name, d, reason):
    with pytest.raises(InputError, match=f"CAM: found distortion_model '{name}'") as caught:
        read_lens(name, np.array(d), "CAM")
    assert caught.value.reason == reason


def test_coefficients_that_fold_the_middle_of_the_image_are_refused():
    lens = read_lens("plumb_bob", np.array([-15.0, 2.0, 0, 0, 0]), "CAM")
    with pytest.raises(InputError, match=r"by which the image ends .* beside a size of 320x240"):
        check_turning(lens, K, SIZE, "CAM")
    for good in LENSES.values():
        check_turning(good, K, SIZE, "CAM")


def test_maps_are_made_once():
    def ask():
        each = (K.tobytes(), R.tobytes(), P.tobytes())
        return rectifying_maps(LENSES["five"], *each, SIZE)

    assert ask() is ask()
