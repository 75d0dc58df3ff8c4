import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedistill.errors import DatasetError, EdgedistillError
from edgedistill.storage import archives, unpacking
from edgedistill.storage.archives import archive_kind, archive_tree, check_archive, read_member
from edgedistill.storage.files import FoundFile, RefusedFile
from edgedistill.storage.reading import UnreadableFileError, read
from edgedistill.storage.tars import TarDamageError, read_members

FILES = {"cup/1.jpg": b"one", "cup/deep/2": b"", "plate/é.png": b"x" * 1500}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in files.items():
            archive.addfile(tar_member(name, size=len(data)), io.BytesIO(data))
    return file.getvalue()


def tar_member(name: str, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def tree_of(folder: Path, data: bytes):
    path = folder / "archive"
    path.write_bytes(data)
    return archive_tree(path, folder, "gs://b/archive")


def contents(folder: Path, data: bytes) -> dict[str, bytes]:
    files = [file for file in tree_of(folder, data).files() if isinstance(file, FoundFile)]
    read_files = {file.place: read(file.content) for file in files}
    assert {file.place: file.size_bytes for file in files} == {
        place: len(data) for place, data in read_files.items()
    }
    return read_files


def refused(folder: Path, data: bytes) -> dict[str, str]:
    files = tree_of(folder, data).files()
    return {file.place: file.reason for file in files if isinstance(file, RefusedFile)}


KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tarred,
    "ustar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "gnu tar": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
    "tar.bz2": lambda files: bz2.compress(tarred(files)),
    "tar.xz": lambda files: lzma.compress(tarred(files)),
    "tar.xz of two streams": lambda files: b"".join(
        lzma.compress(part) + b"\0" * 4
        for part in (tarred(files)[:700], tarred(files)[700:])
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_its_files_by_content_whatever_its_name(tmp_path, kind):
    assert contents(tmp_path, KINDS[kind](FILES)) == FILES


def test_the_root_is_the_address_that_the_user_gave(tmp_path):
    for data in (zipped(FILES), tarred(FILES), KINDS["tar.gz"](FILES)):
        assert tree_of(tmp_path, data).root == "gs://b/archive"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_keeps_long_names_and_large_numbers(tmp_path, form):
    files = {"a/" * 60 + "é" * 200: b"far", "b/2": b"near"}
    assert contents(tmp_path, tarred(files, form)) == files
    old = io.BytesIO()
    with tarfile.open(fileobj=old, mode="w", format=form) as archive:
        archive.addfile(tar_member("a/1", size=2, mtime=0o77777777777 + 5), io.BytesIO(b"12"))
        archive.addfile(tar_member("a/2", size=2, uid=1 << 40), io.BytesIO(b"34"))
    assert contents(tmp_path, old.getvalue()) == {"a/1": b"12", "a/2": b"34"}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_may_hold_files_from_before_1970_and_their_time_is_in_the_stamp(tmp_path, form):
    stamps = []
    for mtime in (-1, -86_400, -86_400 * 365):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            archive.addfile(tar_member("a/1", size=2, mtime=mtime), io.BytesIO(b"12"))
        assert contents(tmp_path, file.getvalue()) == {"a/1": b"12"}
        (found,) = tree_of(tmp_path, file.getvalue()).files()
        assert isinstance(found, FoundFile)
        stamps.append(found.stamp)
    assert len({*stamps}) == 3


def test_names_keep_their_folder_but_lose_dots_and_empty_parts(tmp_path):
    files = {"./photos/cup/1": b"1", "photos//cup/2": b"2"}
    wanted = {"photos/cup/1": b"1", "photos/cup/2": b"2"}
    assert contents(tmp_path, tarred(files)) == wanted
    assert contents(tmp_path, zipped(files)) == wanted


def test_hidden_files_and_folders_are_not_told(tmp_path):
    files = {
        "cup/1": b"1",
        "__MACOSX/cup/._1": b"",
        "cup/.2": b"",
        "cup/._3": b"",
        "x/Thumbs.db": b"",
    }
    for data in (zipped(files | {"empty/": b""}), tarred(files)):
        assert contents(tmp_path, data) == {"cup/1": b"1"}
        assert refused(tmp_path, data) == {}


UNSAFE = {
    "/etc/passwd": "its name is absolute",
    "C:/photo": "its name is absolute",
    "../up": "its name leads out of the archive",
    "a/../../up": "its name leads out of the archive",
    "a\\b": "its name has a backslash",
    "a/b\n": "its name has a control character",
    "a/b\x7f": "its name has a control character",
}


def test_names_that_lead_out_or_are_no_names_are_refused_and_told(tmp_path):
    files = {"cup/1": b"1", "cup/2..": b"2"} | dict.fromkeys(UNSAFE, b"x")
    for data in (zipped(files), tarred(files)):
        assert refused(tmp_path, data) == UNSAFE
        assert contents(tmp_path, data) == {"cup/1": b"1", "cup/2..": b"2"}


def test_what_is_no_plain_file_of_a_tar_is_refused_and_told(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tar_member("a/1", size=3), io.BytesIO(b"one"))
        for name, kind in (
            ("hard", tarfile.LNKTYPE), ("soft", tarfile.SYMTYPE), ("pipe", tarfile.FIFOTYPE),
            ("disk", tarfile.BLKTYPE), ("tty", tarfile.CHRTYPE), ("odd", b"Z"),
        ):  # fmt: skip
            archive.addfile(tar_member(f"a/{name}", type=kind, linkname="a/1"))
        archive.addfile(tar_member("a/folder", type=tarfile.DIRTYPE))
        archive.addfile(tar_member("a/2", size=3), io.BytesIO(b"two"))
    odd = "is no ordinary file"
    assert refused(tmp_path, file.getvalue()) == {
        "a/hard": "is a hard link", "a/soft": "is a link",
        "a/pipe": odd, "a/disk": odd, "a/tty": odd, "a/odd": odd,
    }  # fmt: skip
    assert contents(tmp_path, file.getvalue()) == {"a/1": b"one", "a/2": b"two"}


def header(kind: bytes, name: bytes, size: bytes, more: dict[int, bytes] | None = None) -> bytes:
    """A GNU header by hand: name, size, kind, checksum; `more` by its place in the block."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:265] = b"ustar  \0"
    for place, data in (more or {}).items():
        block[place : place + len(data)] = data
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def test_sparse_files_of_a_tar_are_refused_and_the_next_file_is_found(tmp_path):
    records = b"22 GNU.sparse.major=1\n16 size=0000003\n"
    data = (
        # GNU's old form: byte 482 tells of a block that lists more holes, its byte 504 of another.
        header(b"S", b"a/old", b"00000000003\0", {482: b"\1"})
        + (bytes(504) + b"\1" + bytes(7)) + bytes(512) + padded(b"abc")
        + header(b"x", b"pax", b"%011o\0" % len(records)) + padded(records)
        + header(b"0", b"a/new", b"00000000000\0") + padded(b"abc")
        + header(b"0", b"a/1", b"00000000003\0") + padded(b"one")
        + bytes(1024)
    )  # fmt: skip
    assert refused(tmp_path, data) == dict.fromkeys(("a/old", "a/new"), "is a sparse file")
    assert contents(tmp_path, data) == {"a/1": b"one"}


def test_headers_of_old_and_gnu_programs_are_read_as_they_meant_them(tmp_path):
    times = {345: b"00000000001\0", 357: b"00000000002\0"}  # where POSIX has a name's first part
    # An old program summed the bytes as signed ones: each above 127 counts 256 less.
    signed = bytearray(header(b"0", "a/é".encode(), b"00000000003\0"))
    assert sum(byte > 127 for byte in signed) == 2
    signed[148:156] = b"%06o\0 " % (int(signed[148:154], 8) - 2 * 256)
    data = (
        header(b"0", b"a/1", b"00000000003\0", times) + padded(b"one")
        + header(b"1", b"a/2", b"00000000003\0", times)  # the size of what it links to
        + bytes(signed) + padded(b"two")
        + bytes(1024)
    )  # fmt: skip
    assert contents(tmp_path, data) == {"a/1": b"one", "a/é": b"two"}
    assert refused(tmp_path, data) == {"a/2": "is a hard link"}


def pax_header(records: bytes) -> bytes:
    return header(b"x", b"pax", b"%011o\0" % len(records)) + padded(records)


def test_the_records_of_a_tar_header_are_read_in_linear_time(tmp_path):
    # As many records of 10 bytes as fit in the megabyte that a header may have: with the rest
    # copied at each, 55 GB and three seconds; once through, 0.2 seconds.
    records = b"10 abc=de\n" * 104_000
    data = pax_header(records + b"12 path=a/1\n") + header(b"0", b"x", b"00000000003\0")
    started = time.process_time()
    assert contents(tmp_path, data + padded(b"one") + bytes(1024)) == {"a/1": b"one"}
    assert time.process_time() - started < 1.5


def test_records_of_no_use_are_not_kept(tmp_path):
    data = b"".join(
        pax_header(b"".join(b"13 x%05d=de\n" % number for number in range(70_000)))
        + header(b"0", b"a/%d" % member, b"00000000000\0")
        for member in range(2)
    )
    tracemalloc.start()
    assert len(list(read_members(io.BytesIO(data + bytes(1024))))) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A header's bytes, and their copies on the way; with one header's records it is 13 MB.
    assert peak < 7 << 20


def test_a_second_header_of_records_before_one_file_is_damage(tmp_path):
    one, file = pax_header(b"12 path=a/1\n"), header(b"0", b"x", b"00000000000\0")
    long_name = header(b"L", b"././@LongLink", b"00000000004\0") + padded(b"a/2\0")
    good = one + file + long_name + one + file + bytes(1024)
    assert [member.name for member in read_members(io.BytesIO(good))] == ["a/1", "a/1"]
    with pytest.raises(DatasetError, match="two headers of records"):
        list(tree_of(tmp_path, file + one + long_name + one + file + bytes(1024)).files())


def test_a_member_that_ends_behind_the_end_is_not_told(tmp_path):
    data = header(b"0", b"a/1", b"00000000003\0") + padded(b"one")
    members = read_members(io.BytesIO(data + header(b"0", b"a/2", b"00000002000\0") + bytes(1023)))
    assert next(members).name == "a/1"
    with pytest.raises(TarDamageError, match="is cut off"):
        next(members)


def test_links_and_encrypted_files_of_a_zip_are_refused_and_told(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, mode in (
            ("a/1", stat.S_IFREG),
            ("a/link", stat.S_IFLNK),
            ("a/pipe", stat.S_IFIFO),
        ):
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode | 0o644) << 16
            archive.writestr(info, b"../../etc/passwd")
        archive.writestr("a/secret", b"x")
        archive.writestr("a/bzip2", b"x", zipfile.ZIP_BZIP2)
    data = bytearray(file.getvalue())
    directory_entry = data.rindex(b"a/secret") - 46
    data[directory_entry + 8] |= 1
    assert refused(tmp_path, bytes(data)) == {
        "a/link": "is a link",
        "a/pipe": "is no ordinary file",
        "a/secret": "is encrypted",
        "a/bzip2": "is packed by method 12; stored and deflated files are read",
    }
    assert list(contents(tmp_path, bytes(data))) == ["a/1"]
    with pytest.raises(UnreadableFileError, match="is encrypted"):
        read_member(tmp_path / "archive", "a/secret", 100)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_of_two_files_of_one_name_the_last_is_read_as_unpacking_would_leave_it(tmp_path, kind):
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as zip_file:
            for data in (b"first", b"second", b"third"):
                zip_file.writestr("a/1", data)
            zip_file.writestr("a/2", b"other")
    else:
        with tarfile.open(fileobj=file, mode="w:gz" if kind == "tar.gz" else "w") as tar:
            for data in (b"first", b"second", b"third"):
                tar.addfile(tar_member("a/1", size=len(data)), io.BytesIO(data))
            tar.addfile(tar_member("a/2", size=5), io.BytesIO(b"other"))
    data = file.getvalue()
    assert contents(tmp_path, data) == {"a/1": b"third", "a/2": b"other"}
    tree = tree_of(tmp_path, data)
    reasons = [f.reason for f in tree.files() if isinstance(f, RefusedFile)]
    assert reasons == ["is replaced by a later file of the same name in the archive"] * 2


def test_zip_names_without_a_mark_are_utf8_where_they_can_be_and_code_page_437_else(tmp_path):
    # zipfile marks names that are not ASCII; these are written as other programs do.
    data = zipped({"cup/A-A": b"mac", "cup/B": b"dos"})
    data = data.replace(b"cup/A-A", "cup/é-".encode()).replace(b"cup/B", b"cup/\x82")
    # 0x82 is e acute in code page 437, and no UTF-8 alone.
    assert contents(tmp_path, data) == {"cup/é-": b"mac", "cup/é": b"dos"}


def test_a_zip_member_with_a_nul_in_its_name_is_refused(tmp_path):
    data = zipped({"cup/1.jpgX": b"1", "cup/2": b"2"}).replace(b"1.jpgX", b"1.jpg\0")
    assert refused(tmp_path, data) == {"cup/1.jpg\0": "its name has a control character"}
    # Of a name that begins with one, zipfile itself keeps nothing.
    data = zipped({"cup/1.jpg": b"1", "cup/2": b"2"}).replace(b"cup/1.jpg", b"\0up/1.jpg")
    assert refused(tmp_path, data) == {"\0up/1.jpg": "its name has a control character"}


def test_a_zip_member_is_read_by_its_whole_name_and_not_by_that_of_a_refused_one(tmp_path):
    data = zipped({"cup/1.jpg": b"good", "cup/1.jpgXx": b"evil"}).replace(b"1.jpgX", b"1.jpg\0")
    assert contents(tmp_path, data) == {"cup/1.jpg": b"good"}
    assert refused(tmp_path, data) == {"cup/1.jpg\0x": "its name has a control character"}


def test_a_marked_and_an_unmarked_zip_name_of_the_same_letters_are_two_files(tmp_path):
    # The unmarked bytes of e acute in UTF-8 read "\u251c\u2310" in code page 437, which is the
    # marked name of the other: zipfile has one name for both.
    data = zipped({"cup/A-": b"acute", "cup/\u251c\u2310": b"lines"})
    data = data.replace(b"cup/A-", "cup/é".encode())
    assert "é".encode().decode("cp437") == "\u251c\u2310"
    assert contents(tmp_path, data) == {"cup/é": b"acute", "cup/\u251c\u2310": b"lines"}


def damaged_member(data: bytes, tmp_path: Path, max_bytes: int = 1 << 20) -> str:
    (file,) = tree_of(tmp_path, data).files()
    assert isinstance(file, FoundFile)
    with pytest.raises(UnreadableFileError) as caught:
        read(file.content, max_bytes=max_bytes)
    return str(caught.value)


def test_a_damaged_member_of_a_zip_costs_that_member(tmp_path):
    data = zipped({"a/1": b"0123456789" * 30, "a/2": b"two"}, zipfile.ZIP_STORED)
    path = tmp_path / "archive"
    path.write_bytes(data.replace(b"0123", b"9123", 1))
    with pytest.raises(UnreadableFileError, match="CRC"):
        read_member(path, "a/1", 1000)
    assert read_member(path, "a/2", 1000) == b"two"
    path.write_bytes(data.replace(b"a/1", b"a/9", 1))  # the header before the bytes says a/9
    with pytest.raises(UnreadableFileError, match="damaged in the archive: File name"):
        read_member(path, "a/1", 1000)
    packed = bytearray(zipped({"a/1": bytes(range(256)) * 9}))
    packed[40] ^= 0xFF
    path.write_bytes(bytes(packed))
    with pytest.raises(UnreadableFileError, match="is damaged in the archive"):
        read_member(path, "a/1", 10_000)
    with pytest.raises(UnreadableFileError, match="is not in the archive any more"):
        read_member(path, "a/3", 10_000)
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_member(tmp_path / "none", "a/1", 1)


def test_a_zip_that_was_replaced_is_opened_anew(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(zipped({"a/1": b"old"}))
    assert read_member(path, "a/1", 10) == b"old"
    path.write_bytes(zipped({"a/1": b"newer"}))
    assert read_member(path, "a/1", 10) == b"newer"


def test_a_member_of_exactly_the_limit_is_read_and_one_more_byte_is_not(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(zipped({"a/1": b"12345"}))
    assert read_member(path, "a/1", 5) == b"12345"
    with pytest.raises(UnreadableFileError, match="has 5 bytes; at most 4 are read"):
        read_member(path, "a/1", 4)


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused_in_little_memory(tmp_path):
    n_bytes = 200 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(n_bytes >> 20)) + packer.flush()
    declared = 1000
    # Written by hand: zipfile would declare the truth.
    fields = struct.pack("<HHHHHLLLHH", 20, 0, 8, 0, 0, 0x12345678, len(packed), declared, 3, 0)
    local = b"PK\3\4" + fields + b"a/1" + packed
    entry = (
        b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + b"a/1"
    )
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry), len(local), 0)
    path = tmp_path / "archive"
    path.write_bytes(local + entry + end)
    tracemalloc.start()
    with pytest.raises(UnreadableFileError, match="CRC"):
        read_member(path, "a/1", 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20


def test_members_that_share_their_bytes_are_refused_as_a_bomb_does_it(tmp_path):
    # Two entries of the directory for one stretch of bytes, and an honest file.
    data = zipped({"a/1": b"x" * 99, "a/2": b"honest"}, zipfile.ZIP_STORED)
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    entry_bytes = 46 + len("a/1")
    twin = data[start : start + entry_bytes].replace(b"a/1", b"a/3")
    tail = bytearray(data[end:])
    struct.pack_into("<HHL", tail, 8, 3, 3, end - start + entry_bytes)
    bomb = data[:end] + twin + bytes(tail)
    reason = "shares its bytes with another file of the archive, as in an archive bomb"
    assert refused(tmp_path, bomb) == {"a/1": reason, "a/3": reason}
    assert contents(tmp_path, bomb) == {"a/2": b"honest"}


def test_a_member_that_runs_into_the_next_is_refused_and_the_next_is_read(tmp_path):
    data = bytearray(zipped({"a/1": b"x" * 9, "a/2": b"honest"}, zipfile.ZIP_STORED))
    entry = data.index(b"PK\1\2")
    struct.pack_into("<LL", data, entry + 20, 10, 10)  # one byte more, as in a chain of such files
    reason = "shares its bytes with another file of the archive, as in an archive bomb"
    assert refused(tmp_path, bytes(data)) == {"a/1": reason}
    assert contents(tmp_path, bytes(data)) == {"a/2": b"honest"}


def test_a_zip_whose_directory_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    data = zipped({f"a/{number}": b"" for number in range(20)})
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 20 * (46 + 4) + 9)
    assert tree_of(tmp_path, data)  # 10 names of 3 letters and 10 of 4: 20 * 46 + 70 bytes
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 20 * 46 + 69)
    with pytest.raises(DatasetError, match=r"gs://b/archive lists its files in .* make it a tar"):
        tree_of(tmp_path, data)


def zip64(data: bytes, declared: int, comment: bytes = b"") -> bytes:
    """The zip with zip64's records; its older record declares a directory of `declared` bytes."""
    end = data.index(b"PK\5\6")
    n_files, directory_bytes, start = struct.unpack_from("<HLL", data, end + 10)
    numbers = (44, 45, 45, 0, 0, n_files, n_files, directory_bytes, start)
    record = b"PK\6\6" + struct.pack("<QHHLLQQQQ", *numbers)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, end, 1)
    older = struct.pack("<HHHHLLH", 0, 0, n_files, n_files, declared, start, len(comment))
    return data[:end] + record + locator + b"PK\5\6" + older + comment


UNSTATED = 0xFFFFFFFF  # "see the record of zip64"


@pytest.mark.parametrize("comment", [b"", b"of my photos"], ids=["bare", "comment"])
@pytest.mark.parametrize("declared", [UNSTATED, 0, 97], ids=["unstated", "none", "less"])
def test_a_zip64_is_held_to_the_limit_whatever_its_older_record_declares(
    tmp_path, monkeypatch, declared, comment
):
    data = zip64(zipped({"a/1": b"one", "a/2": b"two"}), declared, comment)
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 2 * (46 + 3))
    assert contents(tmp_path, data) == {"a/1": b"one", "a/2": b"two"}
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 2 * (46 + 3) - 1)
    with pytest.raises(DatasetError, match="lists its files in"):
        tree_of(tmp_path, data)


def test_a_zip64_record_that_only_its_locator_finds_counts_for_the_limit(tmp_path, monkeypatch):
    data = zip64(zipped({"a/1": b"one"}), 0)
    locator = data.index(b"PK\6\7")
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 46 + 3 - 1)
    with pytest.raises(DatasetError, match="lists its files in"):
        tree_of(tmp_path, data[:locator] + bytes(8) + data[locator:])


def test_the_mark_of_a_record_within_the_last_record_hides_no_directory(tmp_path, monkeypatch):
    data = bytearray(zipped({"a/1": b"one"}))
    end = data.index(b"PK\5\6")
    data[end + 4 : end + 8] = b"PK\5\6"  # the numbers of disks, which are not looked at
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 46 + 3)
    assert contents(tmp_path, bytes(data)) == {"a/1": b"one"}
    monkeypatch.setattr(archives, "_MOST_DIRECTORY_BYTES", 46 + 3 - 1)
    with pytest.raises(DatasetError, match="lists its files in"):
        tree_of(tmp_path, bytes(data))


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_packed_tar_that_grows_as_a_bomb_does_is_refused_early(tmp_path, monkeypatch, kind):
    data = KINDS[kind]({"a/1": bytes(3_000_000)})
    assert len(data) * 200 < 3_000_000
    path = tmp_path / "archive"
    path.write_bytes(data)
    monkeypatch.setattr(unpacking, "_ALWAYS_ALLOWED_BYTES", 2_000_000)
    with pytest.raises(DatasetError, match="unpacks to more than 2 MB, 200 times its own size"):
        archive_tree(path, tmp_path, "bomb.tgz")
    assert list(tmp_path.iterdir()) == [path]  # what was unpacked is gone
    monkeypatch.setattr(unpacking, "_ALWAYS_ALLOWED_BYTES", 4_000_000)
    assert [file.place for file in archive_tree(path, tmp_path, "x").files()] == ["a/1"]


# The scratch folder lies beside the catalogue: TMPDIR would not move it.
NO_ROOM = (
    "finds no room to be unpacked: 0 MB were written to {}; "
    "free some space there, or give the unpacked folder as data_dir[.]$"
)


def test_a_packed_tar_without_room_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "archive"
    path.write_bytes(KINDS["tar.gz"](FILES))
    monkeypatch.setattr(unpacking, "_LEFT_FREE_BYTES", 1 << 62)
    with pytest.raises(EdgedistillError, match=NO_ROOM.format(tmp_path)):
        archive_tree(path, tmp_path, "x.tgz")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_archive_is_one_sentence_wherever_it_was_cut(tmp_path, kind):
    data = KINDS[kind](FILES)
    path = tmp_path / "archive"
    end = len(data)
    if kind in ("tar", "ustar", "gnu tar"):  # from here on there are zeros only: the end mark
        end = len(padded(data.rstrip(b"\0")))
    elif kind == "tar.xz of two streams":
        end -= len(b"\0" * 4)  # padding, which belongs to no stream
    for length in range(0, end, max(1, end // 60)):
        path.write_bytes(data[:length])
        with pytest.raises(DatasetError) as caught:
            list(archive_tree(path, tmp_path, "gs://b/archive").files())
        assert str(caught.value).startswith("gs://b/archive ")
        assert "\n" not in str(caught.value)


def test_a_tar_without_its_end_mark_is_cut_off(tmp_path):
    whole = tarred({"a/1": b"one"}, tarfile.USTAR_FORMAT)
    with pytest.raises(DatasetError, match="is cut off"):
        list(tree_of(tmp_path, whole[:1024]).files())  # header and data are there
    assert len(list(tree_of(tmp_path, whole[: 1024 + 512]).files())) == 1


def test_a_damaged_header_in_the_middle_of_a_tar_is_no_end_of_it(tmp_path):
    data = bytearray(tarred({"a/1": b"one", "a/2": b"two"}, tarfile.USTAR_FORMAT))
    data[1024] ^= 1
    with pytest.raises(DatasetError, match="checksum of a tar header is wrong"):
        list(tree_of(tmp_path, bytes(data)).files())


@pytest.mark.parametrize(
    "start",
    [
        header(b"0", b"a/1", b"\xff" + b"\xff" * 10 + b"\x00"),  # -256 bytes in base 256
        header(b"L", b"././@LongLink", b"77777777777\0"),  # a name of 8 GB
        header(b"x", b"pax", b"00000000012\0") + padded(b"0 size=-1\n"),
        header(b"x", b"pax", b"00000000013\0") + padded(b"11 size=-1\n"),
        header(b"x", b"pax", b"00000000013\0") + padded(b"99 size=-1\n"),
        header(b"0", b"a/1", b"1_0\0"),
    ],
    ids=["negative", "endless name", "no length", "negative record", "long record", "no octal"],
)
def test_numbers_that_would_lead_in_circles_are_damage(tmp_path, start):
    first = header(b"0", b"a/0", b"00000000000\0")
    rest = header(b"0", b"a/2", b"00000000003\0") + padded(b"two") + bytes(1024)
    with pytest.raises(DatasetError, match="is damaged"):
        list(tree_of(tmp_path, first + start + rest).files())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "must be an archive of kind"),
        (b"Rar!\x1a\x07" + bytes(600), "must be an archive of kind"),
        (gzip.compress(b"path,label\n" * 200, mtime=0), "is packed with gzip, but holds no tar"),
        (b"PK\x03\x04" + bytes(600), r"is damaged or cut off \(zip"),
        (b"\x1f\x8b" + bytes(600), r"is damaged or cut off \(gzip"),
        (b"BZh9" + bytes(600), r"is damaged or cut off \(bzip2"),
        (b"\xfd7zXZ\0" + bytes(600), r"is damaged or cut off \(xz"),
    ],
)  # fmt: skip
def test_what_is_no_archive_is_refused_without_unpacking_it(tmp_path, data, sentence):
    path = tmp_path / "archive"
    path.write_bytes(data)
    for refuse in (lambda: check_archive(path, "x"), lambda: archive_tree(path, tmp_path, "x")):
        with pytest.raises(DatasetError, match=f"x {sentence}"):
            refuse()


def test_an_xz_that_asks_for_much_memory_is_refused(tmp_path):
    # An encoder would need 10 GB for such a dictionary; the decoder's need stands in the header.
    small = lzma.compress(tarred(FILES), filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    place = small.index(b"\x21\x01") + 2  # the filter's number, the length of its one property
    assert small[place] == 0  # 4 KiB; 40 would be 4 GiB, in steps of a half power of two
    block = bytearray(small[12 : 12 + (small[12] + 1) * 4])
    block[place - 12] = 36  # 2 << (36 / 2 + 11) = 1 GiB
    block[-4:] = struct.pack("<L", zlib.crc32(block[:-4]))
    with pytest.raises(DatasetError, match=r"xz: Memory usage limit exceeded"):
        tree_of(tmp_path, small[:12] + bytes(block) + small[12 + len(block) :])


def test_a_check_of_a_packed_tar_reads_its_beginning_only(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(KINDS["tar.gz"](FILES | {"b/noise": bytes(range(256)) * 9000})[:-9])
    check_archive(path, "x")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DatasetError):
        archive_tree(path, tmp_path, "x")


def test_the_kind_is_told_by_the_first_bytes(tmp_path):
    path = tmp_path / "archive"
    for kind, data in (
        ("zip", zipped(FILES)), ("zip", zipped({})), ("tar", tarred(FILES)),
        ("gzip", gzip.compress(b"")), ("bzip2", bz2.compress(b"")), ("xz", lzma.compress(b"")),
        (None, b"path,label\na,b\n" * 99), (None, b""), (None, bytes(2000)),
    ):  # fmt: skip
        path.write_bytes(data)
        assert archive_kind(path) == kind


OF_THE_SYSTEM = {"lost+found", "__macosx", "thumbs.db", "desktop.ini"}
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1)
    .filter(lambda part: not part.startswith(".") and part[1:2] != ":")
    .filter(lambda part: part.lower() not in OF_THE_SYSTEM),
    min_size=1, max_size=4,
).map("/".join)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(NAMES, st.binary(max_size=700), max_size=5),
    kind=st.sampled_from([*KINDS]),
)
def test_whatever_is_packed_is_found_again(tmp_path_factory, files, kind):
    names = [*files]
    if kind == "ustar" and any(len(name.encode()) > 99 for name in names):
        return
    if any(other.startswith(f"{name}/") for name in names for other in names):
        return
    folder = tmp_path_factory.mktemp("packed")
    if files:
        assert contents(folder, KINDS[kind](files)) == files


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from([*KINDS]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_whatever_is_damaged_is_read_listed_or_refused_in_one_line(tmp_path_factory, kind, changes):
    data = bytearray(KINDS[kind](FILES))
    for place, value in changes:
        data[min(len(data) - 1, int(place * len(data)))] = value
    folder = tmp_path_factory.mktemp("damaged")
    refusal = ""
    try:
        for file in tree_of(folder, bytes(data)).files():
            if isinstance(file, FoundFile):
                read(file.content)
    except (DatasetError, UnreadableFileError) as error:
        refusal = str(error)
    assert "\n" not in refusal
