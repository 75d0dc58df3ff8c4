import io
import stat
import struct
import zipfile

from edgedistill.core.zip_entries import stored_entry


def packed(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(stored_entry(name), data)
    return file.getvalue()


def test_the_bytes_of_the_headers_are_fixed():
    # PKWARE's APPNOTE 4.3.7 and 4.3.12: stored (0); midnight; day 1 (bits 0-4) of month 1 (bits
    # 5-8) of the first year; made by Unix (3); a regular file that all may read in the high half.
    data = packed("a/b.txt", b"12345")
    _version, flags, method, time, day = struct.unpack_from("<5H", data, 4)
    assert (flags, method, time, day) == (0, 0, 0, 1 << 5 | 1)
    at = data.index(b"PK\x01\x02")
    assert data[at + 5] == 3
    (attributes,) = struct.unpack_from("<I", data, at + 38)
    assert attributes >> 16 == stat.S_IFREG | 0o644


def test_the_content_lies_in_the_zip_as_it_is():
    assert b"a/b.txt" + b"1" * 1000 in packed("a/b.txt", b"1" * 1000)
