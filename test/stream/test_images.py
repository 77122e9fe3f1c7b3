# SPDX-License-Identifier: Apache-2.0
"""Every raw encoding gives the same colours; data of another size are refused or said."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.sensor_messages import (
    compressed,
    decode_image,
    flat,
    picture,
    png,
    raw_image,
)

from effocc_ros.errors import InputError
from effocc_ros.stream.images import ImageDecoder, check_image

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "teal": (20, 130, 200)}


ORDERS = {"rgb8": "rgb", "bgr8": "bgr", "8UC3": "bgr", "rgba8": "rgba", "bgra8": "bgra"}


TILES = {
    "bayer_rggb8": "rggb",
    "bayer_bggr8": "bggr",
    "bayer_gbrg8": "gbrg",
    "bayer_grbg8": "grbg",
}


def bt601(color) -> tuple[float, float, float]:
    """Y, U, V of studio swing, as cameras send them (ITU-R BT.601)."""
    r, g, b = (channel / 255 for channel in color)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return 16 + 219 * y, 128 + 224 * (b - y) / 1.772, 128 + 224 * (r - y) / 1.402


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("encoding", ORDERS)
def test_packed_colours_come_out_as_rgb(encoding, color):
    channel = {**dict(zip("rgb", color, strict=True)), "a": 7}
    pixels = flat([channel[name] for name in ORDERS[encoding]])
    image = decode_image(raw_image(pixels, encoding), "CAM")
    assert image.shape == (6, 8, 3)
    assert image.dtype == np.uint8
    assert (image == color).all()


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("encoding", TILES)
def test_bayer_mosaics_come_out_as_rgb(encoding, color):
    channel = dict(zip("rgb", color, strict=True))
    tile = np.array([channel[name] for name in TILES[encoding]], np.uint8).reshape(2, 2)
    image = decode_image(raw_image(np.tile(tile, (4, 5)), encoding), "CAM")
    assert image.shape == (8, 10, 3)
    assert (image == color).all()


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize(
    ("encoding", "order"),
    [
        ("yuv422", "uyvy"),
        ("uyvy", "uyvy"),
        ("yuv422_yuy2", "yuyv"),
        ("yuyv", "yuyv"),
        ("YUY2", "yuyv"),
        ("yvyu", "yvyu"),
    ],
)
def test_yuv_comes_out_as_rgb(encoding, order, color):
    part = dict(zip("yuv", np.round(bt601(color)), strict=True))
    pair = np.array([part[name] for name in order], np.uint8)
    image = decode_image(raw_image(np.tile(pair, (4, 3)).reshape(4, 6, 2), encoding), "CAM")
    assert image.shape == (4, 6, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


def planes(encoding, color, size=(8, 12), step=0) -> np.ndarray:
    """Rows of a 4:2:0 image of one colour, of ``step`` bytes; planar colours have half of it."""
    y, u, v = np.round(bt601(color))
    height, width = size
    step = step or width
    bright = np.full((height, step), 99, np.uint8)
    bright[:, :width] = y
    if encoding in ("nv12", "nv21"):
        colours = np.full((height // 2, step), 99, np.uint8)
        first, second = (u, v) if encoding == "nv12" else (v, u)
        colours[:, :width:2], colours[:, 1:width:2] = first, second
    else:
        colours = np.full((height, step // 2), 99, np.uint8)
        first, second = (v, u) if encoding == "yv12" else (u, v)
        colours[: height // 2, : width // 2], colours[height // 2 :, : width // 2] = first, second
    return np.concatenate([bright.ravel(), colours.ravel()])


@pytest.mark.parametrize("step", [12, 16])
@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "yuv420", "i420", "yv12"])
def test_colours_at_half_resolution_come_out_as_rgb(encoding, color, step):
    data = planes(encoding, color, step=step)
    message = raw_image(picture(size=(8, 12)), encoding, step=step, data=data)
    image = decode_image(message, "CAM")
    assert image.shape == (8, 12, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


@pytest.mark.parametrize("step", [11, 16])
@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("encoding", ["nv24", "nv42", "NV24"])
def test_colours_at_full_resolution_come_out_as_rgb(encoding, color, step):
    whole = planes("nv12" if encoding.lower() == "nv24" else "nv21", color, size=(2, 2))
    bright = np.full((7, step), 99, np.uint8)
    colours = np.full((7, 2 * step), 99, np.uint8)
    bright[:, :11], colours[:, :22] = whole[0], np.tile(whole[4:6], 11)
    data = np.concatenate([bright.ravel(), colours.ravel()])
    image = decode_image(raw_image(picture(size=(7, 11)), encoding, step=step, data=data), "CAM")
    assert image.shape == (7, 11, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


def test_planar_colours_of_a_height_that_four_does_not_divide_come_out_right():
    data = planes("yuv420", (20, 130, 200), size=(6, 10))
    message = raw_image(picture(size=(6, 10)), "yuv420", step=10, data=data)
    assert np.abs(decode_image(message, "CAM").astype(int) - (20, 130, 200)).max() <= 3


def test_a_height_that_counts_the_rows_of_colours_is_understood():
    data = planes("nv12", (255, 0, 0))
    message = raw_image(picture(size=(12, 12)), "nv12", step=12, data=data)
    (remark,) = check_image(message, "CAM")
    assert "12x8 pixels" in remark.text
    assert decode_image(message, "CAM").shape == (8, 12, 3)


@pytest.mark.parametrize("color", COLORS.values(), ids=COLORS.keys())
@pytest.mark.parametrize("encoding", [name.replace("8", "16") for name in TILES])
@pytest.mark.parametrize("big", [0, 1])
def test_deep_mosaics_come_out_as_rgb(encoding, color, big):
    channel = dict(zip("rgb", color, strict=True))
    tile = np.array([channel[name] for name in TILES[encoding.replace("16", "8")]])
    tile = np.tile(tile.reshape(2, 2) * 257, (4, 5)).astype(">u2" if big else "<u2")
    tile[-1, -1] = 65535  # all 16 bits are in use
    message = raw_image(tile.view(np.uint8), encoding, width=10, is_bigendian=big)
    image = decode_image(message, "CAM")
    assert image.shape == (8, 10, 3)
    assert np.abs(image[:6, :8].astype(int) - color).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("form", [" {}", "{}; png compressed ", "{}; PNG compressed {}"])
def test_mosaics_of_every_depth_come_out_as_rgb(bits, form):
    tile = np.array([[200, 100], [100, 50]]) * (2**bits - 1) // 255
    mosaic = np.tile(tile, (6, 8)).astype(np.uint16)
    mosaic[-1, -1] = 2**bits - 1  # all bits are in use
    name = f"bayer_rggb{bits}"
    if "png" in form.lower():
        message = compressed(png(mosaic), form.format(name, name))
    else:
        message = raw_image(mosaic.view(np.uint8), form.format(name), width=16)
    image = decode_image(message, "CAM")
    assert np.abs(image[2:8, 2:8].astype(int) - (200, 100, 50)).max() <= 1


def test_a_mosaic_of_unknown_order_does_not_pass_for_grey():
    message = compressed(png(np.zeros((8, 8), np.uint8)), "bayer_xyzw8; png compressed ")
    with pytest.raises(InputError, match="a mosaic; expected one of bayer_bggr10") as caught:
        check_image(message, "CAM")
    assert caught.value.reason == "unknown_encoding"


@pytest.mark.parametrize(("encoding", "order"), [("rgb16", "rgb"), ("bgr16", "bgr")])
def test_deep_colours_come_out_as_rgb(encoding, order):
    channel = dict(zip("rgb", (1000, 2000, 4095), strict=True))
    pixels = np.broadcast_to(np.array([channel[name] for name in order], "<u2"), (4, 6, 3))
    message = raw_image(np.ascontiguousarray(pixels).view(np.uint8), encoding, width=6)
    assert decode_image(message, "CAM")[2, 3].tolist() == [62, 125, 255]


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_deep_grey_is_scaled_by_the_bits_that_were_seen(encoding):
    decoder = ImageDecoder()

    def brightest(value, source="CAM"):
        grey = np.full((4, 6), value, "<u2")
        message = raw_image(grey.view(np.uint8), encoding, width=6)
        return int(decoder.decode(message, source).max())

    assert brightest(4000) == 249  # of 4095
    assert brightest(400) == 25  # a dark moment stays dark
    assert brightest(400, "OTHER") == 100  # of 1023
    assert brightest(40_000) == 156


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey_images_get_three_equal_channels(encoding):
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    image = decode_image(raw_image(grey, encoding), "CAM")
    assert np.array_equal(image, np.dstack([grey] * 3))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "bayer_rggb8"])
def test_padding_at_the_end_of_rows_is_no_picture(encoding):
    channels = 3 if "8" in encoding[3:] and encoding[:3] in ("rgb", "bgr") else 1
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, channels), dtype=np.uint8)
    whole = raw_image(pixels, encoding)
    rows = pixels.reshape(6, -1)
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=99)
    message = replace(whole, step=padded.shape[1], data=padded.ravel())
    assert np.array_equal(decode_image(message, "CAM"), decode_image(whole, "CAM"))


def test_packed_pixels_are_a_view_of_the_message():
    message = raw_image(picture(), "rgb8")
    assert np.shares_memory(decode_image(message, "CAM"), message.data)


@pytest.mark.parametrize("changes", [{"height": 49}, {"width": 65}, {"height": 0}, {"width": 0}])
def test_data_that_do_not_fit_the_size_are_refused(changes):
    with pytest.raises(InputError, match=r"found 9216 bytes for .*; expected step of") as caught:
        check_image(replace(raw_image(picture(), "rgb8"), **changes), "CAM")
    assert caught.value.reason == "short_image"


@pytest.mark.parametrize("step", [0, 64, 193, 9216])
def test_a_step_that_contradicts_whole_data_is_said_and_overruled(step):
    pixels = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    message = raw_image(pixels, "rgb8", step=step)
    (remark,) = check_image(message, "CAM")
    assert remark.reason == "contradicting_step"
    assert f"step {step}" in remark.text
    assert np.array_equal(decode_image(message, "CAM"), pixels)


def test_data_shorter_than_its_rows_are_refused():
    whole = raw_image(picture(), "rgb8")
    with pytest.raises(InputError, match="expected step of at least 192 and 9216 bytes") as caught:
        check_image(replace(whole, data=whole.data[:-1]), "CAM")
    assert caught.value.reason == "short_image"


def test_an_unknown_encoding_is_refused_and_the_known_ones_are_named():
    with pytest.raises(InputError, match=r"encoding '32FC1'; expected one of .*rgb8") as caught:
        check_image(raw_image(picture(), "32FC1"), "CAM")
    assert caught.value.reason == "unknown_encoding"


def test_other_encodings_are_asked_of_the_fallback():
    message = raw_image(picture(), "32FC1")
    assert decode_image(message, "CAM", lambda asked: asked.data[:9])[0] == 128


def test_a_fallback_that_fails_is_a_bad_image():
    def fallback(message):
        raise RuntimeError("no such conversion")

    with pytest.raises(InputError, match="'32FC1' \\(no such conversion\\)") as caught:
        decode_image(raw_image(picture(), "32FC1"), "CAM", fallback)
    assert caught.value.reason == "unknown_encoding"


def test_yuv_of_an_odd_width_is_refused():
    with pytest.raises(InputError, match="5x4 'uyvy'") as caught:
        decode_image(raw_image(np.zeros((4, 5, 2), np.uint8), "uyvy"), "CAM")
    assert caught.value.reason == "corrupt_image"
