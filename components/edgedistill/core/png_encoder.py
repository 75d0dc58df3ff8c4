"""PNG files that a dozen lines of NumPy can read: one filter for all rows."""

import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {3: 2, 4: 6}  # values a pixel: colour type (PNG, section 11.2.1)
_PALETTE_TYPE = 3
_NO_FILTER, _SUB, _UP = 0, 1, 2  # PNG, section 9.2
_QUICK_COMPRESSION, _BEST_COMPRESSION = 1, 9


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of 8 bits a value, whose rows all have the same filter: none, left or above.

    Of the three filters the one that seems to give the smallest file. Whoever undoes it needs a
    running sum, along the rows or down the columns, and not the loop over pixels that PNG's other
    two filters take.

    Args:
        pixels: shape (height, width, 3), RGB, or (height, width, 4), RGBA.

    Raises:
        ValueError: the pixels are otherwise.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in _COLOUR_TYPES:
        raise ValueError(f"pixels must be uint8 (h, w, 3 or 4); got {pixels.dtype} {pixels.shape}")
    filtered = [_filtered(pixels, row_filter) for row_filter in (_NO_FILTER, _SUB, _UP)]
    # Quickly compressed is enough to tell which is best.
    best = min(filtered, key=lambda rows: len(zlib.compress(rows, _QUICK_COMPRESSION)))
    height, width, channels = pixels.shape
    header = _header(height, width, _COLOUR_TYPES[channels])
    return _file(header, (b"IDAT", zlib.compress(best, _BEST_COMPRESSION)))


def encode_palette_png(indices: NDArray[np.uint8], colours: NDArray[np.uint8]) -> bytes:
    """A PNG of palette indices, its rows without filter.

    Args:
        indices: shape (height, width).
        colours: shape (n, 4), RGBA, n at most 256 and above every index.

    Raises:
        ValueError: an index has no colour.
    """
    if indices.size == 0 or int(indices.max()) >= len(colours):
        raise ValueError(f"indices must lie below {len(colours)}")
    height, width = indices.shape
    return _file(
        _header(height, width, _PALETTE_TYPE),
        (b"PLTE", colours[:, :3].tobytes()),
        (b"tRNS", colours[:, 3].tobytes()),
        (b"IDAT", zlib.compress(_filtered(indices[:, :, None], _NO_FILTER), _BEST_COMPRESSION)),
    )


def _filtered(pixels: NDArray[np.uint8], row_filter: int) -> bytes:
    height = len(pixels)
    rows = np.empty((height, 1 + pixels[0].size), np.uint8)
    rows[:, 0] = row_filter
    differences = pixels.copy()
    # uint8 wraps around at 256, as the filters do.
    if row_filter == _SUB:
        differences[:, 1:] -= pixels[:, :-1]
    elif row_filter == _UP:
        differences[1:] -= pixels[:-1]
    rows[:, 1:] = differences.reshape(height, -1)
    return rows.tobytes()


def _header(height: int, width: int, colour_type: int) -> tuple[bytes, bytes]:
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"IHDR", sizes + bytes([8, colour_type, 0, 0, 0])


def _file(*chunks: tuple[bytes, bytes]) -> bytes:
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in (*chunks, (b"IEND", b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + kind + body + checksum
