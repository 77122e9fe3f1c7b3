"""What the bytes of a JPEG or PNG tell before they are decoded."""

JPEG = b"\xff\xd8"
"""First bytes of a JPEG."""

_MARKERS = {JPEG: (b"\xff\xda", b"\xff\xd9"), b"\x89P": (b"IDAT", b"IEND")}
"""First bytes of a JPEG and of a PNG -> what the pixels begin with and what the file ends with."""


def is_cut(data: bytes) -> bool:
    """Return whether a picture's end is lost: OpenCV may fill the rest with grey.

    Cameras may pad what follows the end; a thumbnail in the header has an end of its own.

    Args:
        data: A JPEG or PNG. Of other kinds only emptiness is noticed.
    """
    if data[:2] not in _MARKERS:
        return not data
    begin, end = _MARKERS[data[:2]]
    return data.rfind(end) <= data.rfind(begin)
