"""A PNG file without the chunks that have no part in its pixels.

Colour profiles, texts and animation control can be damaged, or bombs, in a file whose pixels are
fine; and Pillow checks no checksum of the pixels themselves (seen in Pillow 13).
"""

import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
# Keywords of text chunks in which some programs leave the orientation.
_ORIENTATION_KEYWORDS = {b"Raw profile type exif", b"XML:com.adobe.xmp"}
_LONGEST_TEXT_BYTES = 1 << 19  # half of what Pillow takes for a bomb
_FRAME_BYTES = 12  # length, type and checksum of a chunk
_ANCILLARY = 0x20  # in the first letter of a type, which is then lower case (PNG, section 5.4)


def keep_pixel_chunks(data: bytes) -> bytes:
    """The same PNG with only its pixels and what says which way up they are.

    An animation keeps its default image: the first frame, or the still picture meant for programs
    that know no animation. Transparency goes, for alpha is discarded. What follows IEND goes too.

    Args:
        data: a PNG file.

    Raises:
        ValueError: a chunk is cut off, critical but of unknown kind, or critical with a wrong
            checksum. What goes may be damaged in any way.
    """
    kept: dict[bytes | int, memoryview] = {}
    for kind, chunk in _chunks(memoryview(data)):
        if not kind[0] & _ANCILLARY:
            _check_critical(kind, chunk)
            kept[len(kept)] = chunk
        elif _tells_orientation(kind, bytes(chunk[8:-4])) and _is_intact(chunk):
            kept.setdefault(kind, chunk)
    return b"".join((_SIGNATURE, *kept.values()))


def _chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Type and whole of each chunk, up to IEND."""
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        kind = bytes(data[place + 4 : place + 8])
        end = place + _FRAME_BYTES + int.from_bytes(data[place : place + 4], "big")
        if len(kind) < 4 or end > len(data):
            raise ValueError("truncated: the file ends before its IEND chunk")
        yield kind, data[place:end]
        place = end


def _check_critical(kind: bytes, chunk: memoryview) -> None:
    if kind not in _PIXEL_CHUNKS:
        raise ValueError("damaged: it has a critical chunk of unknown kind")
    if not _is_intact(chunk):
        raise ValueError(f"damaged: its chunk {kind.decode('ascii')} has a wrong checksum")


def _is_intact(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _tells_orientation(kind: bytes, body: bytes) -> bool:
    """Whether this ancillary chunk may hold the orientation, and is no bomb."""
    if kind == b"eXIf":
        return True
    keyword, _, rest = body[: _LONGEST_TEXT_BYTES + 1].partition(b"\0")
    if len(body) > _LONGEST_TEXT_BYTES or keyword not in _ORIENTATION_KEYWORDS:
        return False
    if kind == b"zTXt":
        return rest[:1] == b"\0" and _is_small_inside(rest[1:])
    if kind == b"iTXt" and rest[:1] != b"\0":
        return _is_small_inside(rest[2:].split(b"\0", 2)[-1])
    return kind in {b"tEXt", b"iTXt"}


def _is_small_inside(compressed: bytes) -> bool:
    inflate = zlib.decompressobj()
    try:
        inflate.decompress(compressed, _LONGEST_TEXT_BYTES)
    except zlib.error:
        return False
    return not inflate.unconsumed_tail
