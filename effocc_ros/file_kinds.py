# SPDX-License-Identifier: Apache-2.0
"""What a file is that is not what its name says, told from how it begins."""

UNPACK = "Unpack it"
ROWS = "Write its points as rows of float32: x, y, z, intensity, ring, as nuScenes does"
CONVERT = "Convert it to JPEG or PNG"

BEGINNINGS = (
    (b"version https://git-lfs", "a git-lfs pointer", "Fetch what it points to: git lfs pull"),
    (b"\x1f\x8b", "a gzip file", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", UNPACK),
    (b"BZh", "a bzip2 file", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"# .PCD", "a PCD file", ROWS),
    (b"VERSION .", "a PCD file", ROWS),
    (b"VERSION 0", "a PCD file", ROWS),
    (b"ply\n", "a PLY file", ROWS),
    (b"ply\r\n", "a PLY file", ROWS),
    (b"LASF", "a LAS file", ROWS),
    (b"\x93NUMPY", "a numpy array (.npy)", ROWS),
    (b"\x89HDF\r\n", "an HDF5 file", ""),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image", CONVERT),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image", CONVERT),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image", CONVERT),
    (b"GIF8", "a GIF", CONVERT),
    (b"qoif", "a QOI image", CONVERT),
)
"""How a file begins, what it is then, and what to do with it."""


HEAD, SURE = 64, 4
"""Bytes by which a file is told, and of a beginning that no number has by chance."""


def foreign_kind(head: bytes, sure: bool = False) -> tuple[str, str] | None:
    """Return what a file is, and what to do, empty where another download may help.

    Args:
        head: Its first 64 bytes or more.
        sure: Only kinds that a file of numbers does not look like by chance.
    """
    for start, kind, do in BEGINNINGS:
        if head.startswith(start) and (len(start) >= SURE or not sure):
            return kind, do
    if sure:
        return None
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return "an AVIF or HEIC image", CONVERT
    if head.lstrip()[:1] == b"<":
        return "a web page", ""
    empty = len(head) >= HEAD and not head.strip(b"\x00")
    return ("zeros where its header should be, in a file", "") if empty else None


def is_safetensors(head: bytes, size: int) -> bool:
    """Return whether a file of so many bytes begins as safetensors do, whatever its name is."""
    return 8 < int.from_bytes(head[:8], "little") < size and head[8:9] == b"{"
