# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.moments import CAMERAS, CONFIG, frame_of

from effocc_ros.errors import InputError
from effocc_ros.preprocess.images import fit_image, lay_in
from effocc_ros.preprocess.inputs import canvas_inputs, normalised
from effocc_ros.preprocess.variation import ImageVariation
from effocc_ros.training.augmentation import Augmentation

NUSCENES, INPUT = (900, 1600), (256, 704)
OFF = Augmentation(resize=(0, 0), rotation=0, image_flip=0, flip_x=0, flip_y=0)
VISION, LIDAR = (replace(CONFIG, modality=m) for m in ("vision", "lidar"))


def drawn(augmentation, number=0, config=CONFIG, frame=None, seed=1, epoch=2):
    frame = frame_of(0) if frame is None else frame
    return augmentation.draw(frame, config, seed=seed, epoch=epoch, token=f"token{number}")


def test_the_same_seed_epoch_and_token_draw_the_same_and_others_do_not():
    draws = [
        drawn(Augmentation())[1],
        drawn(Augmentation(), number=1)[1],
        drawn(Augmentation(), seed=2)[1],
        drawn(Augmentation(), epoch=3)[1],
    ]
    assert draws[0] == drawn(Augmentation())[1]
    angles = [draw.images[name].angle for draw in draws for name in CAMERAS]
    assert len(set(angles)) == 8


def test_what_is_switched_off_changes_no_other_draw():
    less = drawn(Augmentation(rotation=0, flip_x=0, silent_camera=1))[1]
    more = drawn(Augmentation(brightness=0.5))[1]
    for name in CAMERAS:
        assert less.images[name].resize == more.images[name].resize
        assert less.images[name].crop == more.images[name].crop
    assert {drawn(Augmentation(flip_x=0), n)[1].flip_y for n in range(9)} == {True, False}


def test_the_draws_are_those_of_effocc():
    draws = [image for n in range(1000) for image in drawn(Augmentation(), n)[1].images.values()]
    scales = [fit_image(NUSCENES, INPUT, image).scale for image in draws]
    assert min(scales) == pytest.approx(0.44 - 0.06, abs=1e-3)
    assert max(scales) == pytest.approx(0.44 + 0.11, abs=1e-3)
    assert np.mean(scales) == pytest.approx(0.44 + 0.025, abs=4e-3)
    assert max(abs(image.angle) for image in draws) == pytest.approx(5.4, abs=0.02)
    assert np.mean([image.flip for image in draws]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([image.crop for image in draws]) == pytest.approx(0.5, abs=0.05)
    bev = Counter((v.flip_x, v.flip_y) for n in range(1000) for v in [drawn(Augmentation(), n)[1]])
    assert len(bev) == 4
    assert all(200 < count < 300 for count in bev.values())


def test_the_official_matrices_are_met():
    # Worked out from the formulas of EFFOcc's loader: scale 0.5, so 800 x 450; a cut from
    # (int(0.25 * 96), 450 - 256); mirrored: u -> 704 - u; turned by 5 degrees about (352, 128).
    fit = fit_image(NUSCENES, INPUT, ImageVariation(0.5 / 0.44 - 1, 0.25, True, 5.0))
    assert (fit.resized, fit.left, fit.top) == ((450, 800), 24, 194)
    cosine, sine = np.cos(np.radians(5)), np.sin(np.radians(5))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    rotation = turn @ np.diag([-0.5, 0.5])
    centre = np.array([352.0, 128.0])
    shift = turn @ (np.array([704.0 + 24, -194.0]) - centre) + centre
    np.testing.assert_allclose(fit.post_rot[:2, :2], rotation, atol=1e-7)
    np.testing.assert_allclose(fit.post_trans, [*shift, 0], rtol=1e-6)
    assert fit.post_rot[2].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "variation",
    [
        ImageVariation(resize=0.2),
        ImageVariation(resize=-0.13),
        ImageVariation(resize=0.2, crop=0.7),
        ImageVariation(flip=True),
        ImageVariation(angle=5.4),
        ImageVariation(resize=0.1, crop=0.4, flip=True, angle=-4.0),
        ImageVariation(resize=-0.1, crop=0.4, flip=True, angle=5.0),
    ],
)
@pytest.mark.parametrize("place", [(500, 560), (1000, 500), (750, 800)])
def test_the_matrices_say_where_the_content_goes(variation, place):
    """A spot of 20 pixels, found again by its centre of gravity."""
    u, v = place
    image = np.zeros((*NUSCENES, 3), np.uint8)
    image[v - 10 : v + 10, u - 10 : u + 10] = 255
    fit = fit_image(NUSCENES, INPUT, variation)
    canvas = lay_in(image, fit, variation)[0].double()
    rows, columns = (torch.arange(n).double() + 0.5 for n in INPUT)
    found = ((canvas.sum(0) @ columns) / canvas.sum(), (canvas.sum(1) @ rows) / canvas.sum())
    expected = fit.post_rot[:2, :2] @ place + fit.post_trans[:2]
    # As in EFFOcc, sizes are rounded down to whole pixels and matrices do not say so.
    np.testing.assert_allclose(found, expected, atol=1.0)


def test_depth_lands_on_the_bright_spot_that_the_lidar_hit():
    frame = frame_of(0)
    image = np.zeros((60, 100, 3), np.uint8)
    image[40:46, 30:36] = 255
    # Through the middle of the spot, (33, 43): u = 50 - 50 y / x, v = 30 - 50 z / x.
    point = np.array([[8.0, 8 * 17 / 50, -8 * 13 / 50, 1, 0]], np.float32)
    front = replace(frame.cameras[0], image=image)
    frame = replace(frame, cameras=(front,), cloud=replace(frame.cloud, points=point))
    hits = 0
    for number in range(40):
        variation = drawn(Augmentation(), number, frame=frame)[1]
        inputs = canvas_inputs(frame, CONFIG, variation=variation)
        pixels = inputs.depth[0, 0].nonzero()
        if len(pixels):
            hits += 1
            row, column = pixels[0]
            assert inputs.images[0, 0, 0, row, column] > 128
            assert inputs.depth[0, 0, row, column] == 8
    assert hits == 40


def test_turning_is_pillows_nearest_neighbour():
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(1).integers(0, 256, (64, 176, 3), np.uint8)
    theirs = np.asarray(image.fromarray(pixels).rotate(5.4))
    ours = lay_in(pixels, fit_image((64, 176), (64, 176), ImageVariation(angle=5.4)))
    assert (ours.permute(1, 2, 0).numpy() != theirs).mean() < 1e-3


def test_nothing_drawn_is_the_picture_of_test_time_to_the_bit():
    frame, variation = drawn(OFF)
    inputs = canvas_inputs(frame, CONFIG, variation=variation)
    plain = canvas_inputs(frame_of(0), CONFIG)
    assert all(
        torch.equal(value, getattr(plain, name))
        for name, value in inputs.keywords().items()
        if torch.is_tensor(value)
    )


def test_colours_change_as_they_are_told_and_black_borders_stay_black():
    image = np.zeros((256, 704, 3), np.uint8)
    image[:, :352] = (100, 50, 0)
    image[:, 352:] = (60, 60, 60)

    def laid(**colours):
        variation = ImageVariation(**colours)
        canvas = lay_in(image, fit_image((256, 704), INPUT, variation), variation)
        return canvas[:, 128, 100].tolist(), canvas[:, 128, 600].tolist()

    assert laid(brightness=1.5) == ([150, 75, 0], [90, 90, 90])
    # The mean of all values is 55.
    assert laid(contrast=2.0) == ([145, 45, 0], [65, 65, 65])
    # Gray of the left is 0.299 * 100 + 0.587 * 50 = 59.25.
    assert laid(saturation=0.0) == ([59, 59, 59], [60, 60, 60])
    smaller = ImageVariation(resize=-0.5, contrast=0.0)
    canvas = lay_in(image, fit_image((256, 704), INPUT, smaller), smaller)
    assert (canvas[:, 128:, :352] == 55).all()
    assert not canvas[:, :128].any()
    assert not canvas[:, :, 352:].any()


def test_each_camera_falls_silent_as_often_as_it_is_told():
    heard = Counter(drawn(replace(OFF, silent_camera=0.25), n)[0].inputs for n in range(1000))
    assert heard[("LIDAR_TOP",)] == pytest.approx(1000 / 16, abs=30)
    assert heard[("CAM_FRONT", "LIDAR_TOP")] == pytest.approx(3000 / 16, abs=50)
    assert heard[(*CAMERAS, "LIDAR_TOP")] == pytest.approx(9000 / 16, abs=60)


def test_all_cameras_or_the_lidar_fall_silent_but_never_both():
    silent = replace(OFF, silent_cameras=0.4, silent_lidar=0.6, silent_camera=0.5)
    seen = Counter()
    for number in range(100):
        frame, variation = drawn(silent, number)
        inputs = normalised(canvas_inputs(frame, CONFIG, variation=variation), CONFIG, "cpu")
        speaking = bool(inputs.camera_mask.any()), bool(len(inputs.points[0]))
        assert inputs.images[~inputs.camera_mask].count_nonzero() == 0
        assert bool(inputs.depth.any()) == (speaking == (True, True))
        seen[speaking] += 1
    assert set(seen) == {(False, True), (True, False)}
    assert seen[False, True] == pytest.approx(40, abs=20)


@pytest.mark.parametrize(
    ("config", "frame"),
    [(VISION, frame_of(0)), (CONFIG, frame_of(0, lidar=False))],
)
def test_where_cameras_are_all_there_is_one_speaks(config, frame):
    silent = replace(OFF, silent_cameras=1.0, silent_camera=1.0)
    heard = Counter()
    for number in range(40):
        cameras = drawn(silent, number, config, frame)[0].cameras
        assert len(cameras) == 1
        heard[cameras[0].name] += 1
    assert set(heard) == set(CAMERAS)


def test_a_lidar_network_always_hears_the_lidar():
    silent = replace(OFF, silent_lidar=1.0)
    assert len(drawn(silent, config=LIDAR)[0].cloud.points) == 80


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"flip_x": 1.5}, "augmentation, flip_x: found 1.5"),
        ({"silent_camera": float("nan")}, "silent_camera: found nan"),
        ({"resize": (0.2, 0.1)}, "resize"),
        ({"rotation": -1}, "rotation: found -1"),
        ({"brightness": 2}, "brightness: found 2"),
        ({"silent_cameras": 0.6, "silent_lidar": 0.6}, "at most 1 together"),
    ],
)
def test_what_cannot_be_drawn_is_refused(values, said):
    with pytest.raises(InputError, match=said):
        Augmentation(**values)
