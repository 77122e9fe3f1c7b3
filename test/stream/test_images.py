"""Every encoding gives the same colours; every broken image is named."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.sensor_messages import jpeg, jpeg_bytes, picture, raw_image

from effocc_ros.errors import InputError
from effocc_ros.stream.images import check_image, decode_image

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "teal": (20, 130, 200)}
ORDERS = {"rgb8": "rgb", "bgr8": "bgr", "8UC3": "bgr", "rgba8": "rgba", "bgra8": "bgra"}
TILES = {
    "bayer_rggb8": "rggb",
    "bayer_bggr8": "bggr",
    "bayer_gbrg8": "gbrg",
    "bayer_grbg8": "grbg",
}


def flat(values, size=(6, 8)) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.uint8), (*size, len(values))).copy()


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
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
def test_yuv_comes_out_as_rgb(encoding, order, color):
    part = dict(zip("yuv", np.round(bt601(color)), strict=True))
    pair = np.array([part[name] for name in order], np.uint8)
    image = decode_image(raw_image(np.tile(pair, (4, 3)).reshape(4, 6, 2), encoding), "CAM")
    assert image.shape == (4, 6, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


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


def test_a_jpeg_is_decoded_to_rgb():
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (250, 10, 20)
    pixels[:, 32:] = (10, 20, 250)
    data = cv2.imencode(".jpg", pixels[..., ::-1])[1].tobytes()
    image = decode_image(jpeg(data=data), "CAM")
    assert np.abs(image[:, :28].astype(int) - (250, 10, 20)).max() < 12
    assert np.abs(image[:, 36:].astype(int) - (10, 20, 250)).max() < 12


def test_a_png_is_decoded_exactly():
    pixels = np.random.default_rng(1).integers(0, 255, (10, 12, 3), dtype=np.uint8)
    data = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    assert np.array_equal(decode_image(jpeg(data=data), "CAM"), pixels)


def test_padding_after_a_jpeg_does_no_harm():
    whole, padded = jpeg_bytes(), jpeg_bytes() + bytes(3000)
    first, second = (decode_image(jpeg(data=data), "CAM") for data in (whole, padded))
    assert np.array_equal(first, second)


def test_pixels_stay_where_the_sensor_had_them_whatever_exif_says():
    data = jpeg_bytes()
    # An APP1 block that says: turn by 90 degrees (Orientation = 6).
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\x00\x00" + tiff + b"\x00\x00\x00\x00"
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    default = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR)
    assert default.shape == (64, 48, 3), "the block is not understood: the test tests nothing"
    assert decode_image(jpeg(data=turned), "CAM").shape == (48, 64, 3)


def thumbnail() -> bytes:
    """A JPEG that is cut, but carries a whole small one in its header."""
    small, data = jpeg_bytes(10), jpeg_bytes()
    return data[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + data[2:-3]


BROKEN = {
    "cut_jpeg": jpeg_bytes()[: len(jpeg_bytes()) // 2],
    "jpeg_without_its_last_bytes": jpeg_bytes()[:-2],
    "cut_jpeg_with_a_thumbnail": thumbnail(),
    "cut_png": cv2.imencode(".png", picture())[1].tobytes()[:-20],
    "garbage": np.random.default_rng(2).bytes(500),
    "garbage_between_jpeg_markers": b"\xff\xd8" + bytes(range(200)) + b"\xff\xd9",
    "nothing": b"",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_corrupt_picture_is_refused_by_name(data):
    with pytest.raises(InputError, match=r"image of CAM: found .* bytes") as caught:
        decode_image(jpeg(data=data), "CAM")
    assert caught.value.reason == "corrupt_image"


@pytest.mark.parametrize("kind", [kind for kind in BROKEN if "garbage" not in kind])
def test_a_cut_picture_is_noticed_without_decoding_it(kind):
    with pytest.raises(InputError, match="without an end"):
        check_image(jpeg(data=BROKEN[kind]), "CAM")


def test_a_whole_picture_with_a_thumbnail_is_not_taken_for_cut():
    check_image(jpeg(data=thumbnail() + jpeg_bytes()[-3:]), "CAM")


@pytest.mark.parametrize(
    "changes",
    [{"height": 49}, {"width": 65}, {"step": 100}, {"step": 193}, {"height": 0}, {"width": 0}],
)
def test_data_that_do_not_fit_the_size_are_refused(changes):
    with pytest.raises(InputError, match=r"found 9216 bytes for .*; expected step of") as caught:
        check_image(replace(raw_image(picture(), "rgb8"), **changes), "CAM")
    assert caught.value.reason == "short_image"


def test_data_shorter_than_its_rows_are_refused():
    whole = raw_image(picture(), "rgb8")
    with pytest.raises(InputError, match="height \\* step = 9216 bytes") as caught:
        check_image(replace(whole, data=whole.data[:-1]), "CAM")
    assert caught.value.reason == "short_image"


def test_an_unknown_encoding_is_refused_and_the_known_ones_are_named():
    with pytest.raises(InputError, match=r"encoding 'nv12'; expected one of .*rgb8") as caught:
        check_image(raw_image(picture(), "nv12"), "CAM")
    assert caught.value.reason == "unknown_encoding"


def test_other_encodings_are_asked_of_the_fallback():
    message = raw_image(picture(), "nv12")
    assert decode_image(message, "CAM", lambda asked: asked.data[:9])[0] == 128


def test_a_fallback_that_fails_is_a_bad_image():
    def fallback(message):
        raise RuntimeError("no such conversion")

    with pytest.raises(InputError, match="'nv12' \\(no such conversion\\)") as caught:
        decode_image(raw_image(picture(), "nv12"), "CAM", fallback)
    assert caught.value.reason == "unknown_encoding"


def test_yuv_of_an_odd_width_is_refused():
    with pytest.raises(InputError, match="5x4 'uyvy'") as caught:
        decode_image(raw_image(np.zeros((4, 5, 2), np.uint8), "uyvy"), "CAM")
    assert caught.value.reason == "corrupt_image"
