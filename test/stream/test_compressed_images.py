# SPDX-License-Identifier: Apache-2.0
"""Compressed images: decoded as their format says, or refused by name."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from helpers.sensor_messages import (
    compressed,
    decode_image,
    flat,
    jpeg,
    jpeg_bytes,
    picture,
    png,
)

from effocc_ros.errors import InputError
from effocc_ros.stream.images import check_image

TILES = {
    "bayer_rggb8": "rggb",
    "bayer_bggr8": "bggr",
    "bayer_gbrg8": "gbrg",
    "bayer_grbg8": "grbg",
}


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


@pytest.mark.parametrize("kind", BROKEN)
def test_a_cut_picture_is_noticed_without_decoding_it(kind):
    with pytest.raises(InputError, match="without an end"):
        check_image(jpeg(data=BROKEN[kind]), "CAM")


def test_a_whole_picture_with_a_thumbnail_is_not_taken_for_cut():
    check_image(jpeg(data=thumbnail() + jpeg_bytes()[-3:]), "CAM")


@pytest.mark.parametrize("form", ["mono16; png compressed ", "16UC1; png compressed", "png"])
def test_a_deep_png_is_scaled_whatever_its_format_says(form):
    grey = np.random.default_rng(4).integers(0, 16_384, (10, 12), np.uint16)
    image = decode_image(compressed(png(grey), form), "CAM")
    assert np.abs(image[..., 0] - grey / 16_383 * 255).max() <= 1


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("tile", TILES)
def test_a_compressed_mosaic_becomes_colours(tile, deep):
    channel = dict(zip("rgb", (250, 120, 30), strict=True))
    mosaic = np.tile(np.array([channel[name] for name in TILES[tile]]).reshape(2, 2), (4, 5))
    name = tile.replace("8", "16") if deep else tile
    data = png((mosaic * 257).astype(np.uint16) if deep else mosaic.astype(np.uint8))
    image = decode_image(compressed(data, f"{name}; png compressed "), "CAM")
    assert np.abs(image.astype(int) - (250, 120, 30)).max() <= 1


def test_a_mosaic_that_was_sent_in_colour_is_taken_as_it_is():
    color = flat([30, 120, 250], (8, 10))
    image = decode_image(compressed(png(color), "bayer_rggb8; jpeg compressed bgr8"), "CAM")
    assert (image == (250, 120, 30)).all()


@pytest.mark.parametrize(
    ("form", "swapped"),
    [
        ("rgb8; png compressed bgr8", False),
        ("bgr8; png compressed bgr8", False),
        ("rgb8; jpeg compressed", False),
        ("jpeg", False),
        ("rgb8; png compressed rgb8", True),
        ("bgr8; png compressed rgb8", True),
    ],
)
def test_the_order_of_colours_in_a_file_is_the_one_that_is_said(form, swapped):
    image = decode_image(compressed(png(flat([30, 120, 250])), form), "CAM")
    assert image[0, 0].tolist() == ([30, 120, 250] if swapped else [250, 120, 30])


def test_a_jpeg_of_deep_pixels_is_not_black():
    upper = np.full((16, 16), 12, np.uint8)  # 12 bits shifted by eight
    data = cv2.imencode(".jpg", upper)[1].tobytes()
    image = decode_image(compressed(data, "mono16; jpeg compressed "), "CAM")
    assert image.max() > 180


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("16UC1; compressedDepth png", "depth_image"),
        ("32FC1; compressedDepth", "depth_image"),
        ("h264", "video_stream"),
        ("bgr8; hevc", "video_stream"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_format(form, reason):
    with pytest.raises(InputError, match=f"found '{form}'; expected") as caught:
        check_image(compressed(bytes(40), form), "CAM")
    assert caught.value.reason == reason


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_size_that_no_camera_has_is_refused_before_decoding(suffix):
    data = bytearray(cv2.imencode(suffix, picture())[1].tobytes())
    if suffix == ".jpg":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = (40_000).to_bytes(2, "big") * 2
    else:
        data[16:24] = (40_000).to_bytes(4, "big") * 2
    with pytest.raises(InputError, match="bytes that claim 40000x40000 pixels") as caught:
        check_image(compressed(bytes(data), "jpeg"), "CAM")
    assert caught.value.reason == "absurd_size"


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"\x00\x00\x00\x0cJXL \r\n", "a JPEG XL image under 'jxl'"),
        (b"\x00\x00\x00\x1cftypavif", "an AVIF or HEIC image under 'jxl'"),
        (b"\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 image under 'jxl'"),
    ],
)
def test_pictures_of_other_codecs_are_named(begin, said):
    sent = replace(jpeg(), format="jxl", data=np.frombuffer(begin + bytes(100), np.uint8))
    with pytest.raises(InputError, match=said):
        check_image(sent, "CAM")
