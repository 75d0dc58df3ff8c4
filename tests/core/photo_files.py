"""Photo files written byte by byte, for what Pillow cannot write."""

import io
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def png_file(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG; `rows` hold a filter byte (0) before each row's values."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colour, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunks(data: bytes) -> list[bytes]:
    chunks, place = [], 8
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        chunks.append(data[place:end])
        place = end
    return chunks


def png_with(data: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    """The PNG with more chunks, before the first one of that type."""
    place = data.index(before) - 4
    return data[:place] + b"".join(chunks) + data[place:]


def tiff_file(
    width: int, height: int, bits: Sequence[int], photometric: int, pixels: bytes,
    more: dict[int, int] | None = None,
) -> bytes:  # fmt: skip
    """A little-endian TIFF of one uncompressed strip; `more`: further tags of one short each."""
    pixels_at = 8
    bits_at = pixels_at + len(pixels)
    shorts = {
        256: width, 257: height, 259: 1, 262: photometric, 277: len(bits), 278: height,
        **(more or {}),
    }  # fmt: skip
    entries = [(tag, 3, 1, value) for tag, value in shorts.items()]
    entries += [(273, 4, 1, pixels_at), (279, 4, 1, len(pixels))]
    entries += [(258, 3, len(bits), bits[0] if len(bits) == 1 else bits_at)]
    bits_body = b"".join(b.to_bytes(2, "little") for b in bits)
    ifd_at = bits_at + len(bits_body)
    ifd = len(entries).to_bytes(2, "little")
    for tag, kind, count, value in sorted(entries):
        fields = ((tag, 2), (kind, 2), (count, 4), (value, 4))
        ifd += b"".join(number.to_bytes(n_bytes, "little") for number, n_bytes in fields)
    return b"II*\0" + ifd_at.to_bytes(4, "little") + pixels + bits_body + ifd + bytes(4)
