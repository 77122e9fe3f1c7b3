# SPDX-License-Identifier: Apache-2.0
"""Headers of compressed images are read without decoding them."""

import cv2
import numpy as np
import pytest

from effocc_ros.image_bytes import ImageHeader, eight_bits, is_cut, read_header, used_bits

PICTURE = np.random.default_rng(0).integers(0, 255, (30, 50, 3), np.uint8)


def encoded(suffix, picture=PICTURE, *options) -> bytes:
    return cv2.imencode(suffix, picture, options)[1].tobytes()


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (encoded(".jpg"), ImageHeader((50, 30))),
        (encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), ImageHeader((50, 30))),
        (encoded(".jpg", PICTURE[..., 0]), ImageHeader((50, 30), 8, 1)),
        (encoded(".png"), ImageHeader((50, 30))),
        (encoded(".png", PICTURE[..., 0].astype(np.uint16)), ImageHeader((50, 30), 16, 1)),
        (encoded(".tiff"), ImageHeader((50, 30))),
        (encoded(".tiff", PICTURE[..., 0].astype(np.uint16)), ImageHeader((50, 30), 16, 1)),
        (encoded(".bmp"), ImageHeader((50, 30))),
        (encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 80), ImageHeader((50, 30))),
        (encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 101), ImageHeader((50, 30))),
    ],
    ids=[
        "jpeg",
        "progressive",
        "grey",
        "png",
        "deep",
        "tiff",
        "deep_tiff",
        "bmp",
        "webp",
        "lossless_webp",
    ],
)
def test_the_size_is_read(data, header):
    assert read_header(data) == header
    assert read_header(memoryview(data)) == header


@pytest.mark.parametrize("length", range(0, 400, 7))
def test_a_header_that_is_cut_off_is_none(length):
    for suffix in (".jpg", ".png"):
        data = encoded(suffix)[:length]
        assert read_header(data) in (None, read_header(encoded(suffix)))


def test_other_kinds_are_not_known():
    assert read_header(encoded(".ppm")) is None
    assert read_header(b"") is None


@pytest.mark.parametrize(
    ("size", "count", "absurd"),
    [
        ((8000, 8000), 4_000_000, False),
        ((8000, 8000), 4_000, True),
        ((30_000, 30_000), 500_000_000, True),
        ((1600, 900), 6_000, False),
        ((0, 900), 6_000, True),
    ],
)
def test_sizes_that_cannot_be_are_told(size, count, absurd):
    assert ImageHeader(size).is_absurd(count) == absurd


def test_bits_come_in_pairs_from_eight_on():
    brightest = (0, 255, 256, 1023, 1024, 4095, 4096, 65535)
    found = [used_bits(np.array([[value]], np.uint16)) for value in brightest]
    assert found == [8, 8, 10, 10, 12, 12, 14, 16]


def test_pixels_are_rounded_to_eight_bits():
    assert eight_bits(np.array([[0, 2048, 4095]], np.uint16), 12).tolist() == [[0, 128, 255]]


def test_a_png_whose_chunk_claims_more_than_there_is_counts_as_cut():
    data = bytearray(encoded(".png"))
    assert not is_cut(bytes(data))
    assert not is_cut(bytes(data) + bytes(99))
    place = data.index(b"IDAT") - 4
    data[place] = 0x40  # a gigabyte
    assert is_cut(bytes(data))


@pytest.mark.parametrize("padding", [0, 1, 61, 62, 63, 64, 65, 500])
def test_the_end_of_a_jpeg_is_found_wherever_it_is(padding):
    whole = encoded(".jpg", np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8))
    for wrap in (bytes, memoryview):
        assert not is_cut(wrap(whole + bytes(padding)))
        for lost in (1, 2, 100, len(whole) // 2):
            assert is_cut(wrap(whole[:-lost] + bytes(padding)))
        # The end that is there is a thumbnail's, and the picture begins after it.
        assert is_cut(wrap(whole + whole[:-2] + bytes(padding)))
        assert is_cut(wrap(whole + b"\xff\xda" + bytes(padding)))
