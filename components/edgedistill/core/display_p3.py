"""The colour profile Display P3, which phones put into their photos, made from its numbers."""

import struct

_XYZ = {  # primaries under the white D50 (ICC.1:2022; SMPTE EG 432-1, adapted by Bradford)
    b"wtpt": (0.9642, 1.0, 0.8249),
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
_FROM_D65 = (
    (1.04788, 0.02292, -0.05022), (0.02959, 0.99048, -0.01707), (-0.00925, 0.01508, 0.75168),
)  # fmt: skip
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1
_HEADER_BYTES, _TAG_BYTES = 128, 12


def display_p3_profile() -> bytes:
    """An ICC profile of version 4 with what a display's must have: three primaries and a curve."""
    curve = b"para" + struct.pack(">4xHxx", 3) + _fixed(*_SRGB_CURVE)
    tags = {
        b"desc": _text("Display P3"),
        b"cprt": _text("CC0"),
        b"chad": b"sf32" + bytes(4) + b"".join(_fixed(*row) for row in _FROM_D65),
        **{name: b"XYZ " + bytes(4) + _fixed(*xyz) for name, xyz in _XYZ.items()},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = _HEADER_BYTES + len(table) + _TAG_BYTES * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    return _header(start + len(body)) + table + body


def _header(size: int) -> bytes:
    """ICC.1:2022, section 7.2; the date is 1 January 2026."""
    kind = b"mntrRGB XYZ "
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    head = struct.pack(">I4xI", size, 0x04400000) + kind + date + b"acsp"
    return (head + bytes(28) + _fixed(*_XYZ[b"wtpt"])).ljust(_HEADER_BYTES, b"\0")


def _text(words: str) -> bytes:
    """The tag type multiLocalizedUnicode with one text, in English."""
    text = words.encode("utf-16-be")
    return (
        b"mluc" + struct.pack(">4xII", 1, 12) + b"enUS" + struct.pack(">II", len(text), 28) + text
    )


def _fixed(*numbers: float) -> bytes:
    """Numbers as s15Fixed16."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
