"""Bytes from real files and real servers, also where the way to them is broken."""

import gzip
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from zipfile import ZipFile

import pytest

from edgedistill.errors import StorageError
from edgedistill.storage import buckets
from edgedistill.storage import gcs as gcs_module
from edgedistill.storage import s3 as s3_module
from edgedistill.storage.buckets import bucket_tree
from edgedistill.storage.downloads import download
from edgedistill.storage.files import Content, FoundFile
from edgedistill.storage.reading import ABSENT, UnreadableFileError, read, read_document, stamp
from edgedistill.storage.reading_ahead import read_ahead, stamps
from tests.storage.servers import (
    Cut,
    Flip,
    Proxy,
    Silence,
    Trickle,
    answer,
    behind,
    environment,
)

PHOTO = random.Random(1).randbytes(300_000)
HEAD_BYTES = 5_000  # more than the headers of any answer here


# In a folder


def test_a_file_and_a_part_of_one(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"0123456789")
    assert read(Content(str(path))) == b"0123456789"
    assert read(Content(str(path), start=3, size_bytes=4)) == b"3456"
    assert read(Content(str(path), start=8)) == b"89"
    assert read(Content(str(path), start=10, size_bytes=0)) == b""


def test_a_file_may_have_as_many_bytes_as_allowed_and_no_more(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"0123456789")
    assert len(read(Content(str(path)), max_bytes=10)) == 10
    with pytest.raises(UnreadableFileError, match="has 10 bytes; a file may have at most 9 bytes"):
        read(Content(str(path)), max_bytes=9)
    os.truncate(path, 734 << 20)  # sparse: it takes no space
    with pytest.raises(UnreadableFileError, match="has 734 MiB; a file may have at most 512 MiB"):
        read(Content(str(path)))


def test_a_part_beyond_the_end_is_told_as_cut_off(tmp_path):
    path = tmp_path / "photos.tar"
    path.write_bytes(b"0123456789")
    with pytest.raises(UnreadableFileError, match="is cut off: 3 of 5 bytes are there"):
        read(Content(str(path), start=7, size_bytes=5))
    assert read(Content(str(path), start=11)) == b""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.jpg", "does not exist$"),
        ("img\\1.jpg", "does not exist; write its path with forward slashes"),
        ("file/1.jpg", "does not exist"),
        ("folder", "not a plain file"),
        ("pipe", "not a plain file"),
        ("loop", "leads to itself"),
        ("x" * 300, "name that is too long"),
        ("a\0b", "name that no file can have"),
    ],
)
def test_what_is_no_readable_file_costs_itself_alone(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UnreadableFileError, match=reason):
        read(Content(f"{tmp_path}/{name}"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_costs_itself_alone(tmp_path):
    path = tmp_path / "1.jpg"
    path.touch(mode=0)
    with pytest.raises(UnreadableFileError, match="permission denied"):
        read(Content(str(path)))


def test_a_member_of_a_zip(tmp_path):
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("cat/1.jpg", b"meow")
    content = Content(str(tmp_path / "photos.zip"), member="cat/1.jpg")
    assert read(content) == b"meow"
    with pytest.raises(UnreadableFileError):
        read(content, max_bytes=3)


def test_the_stamp_of_a_local_file(tmp_path):
    path = tmp_path / "1.jpg"
    path.write_bytes(b"aaaa")
    os.utime(path, ns=(5, 7))
    assert stamp(Content(str(path))) == "4-7"
    assert stamp(Content(str(tmp_path / "nothing"))) == ABSENT


# In a bucket


def test_an_object(bucket):
    assert read(Content(bucket.put("a/1.jpg", PHOTO))) == PHOTO
    assert read(Content(bucket.put("a/empty.jpg", b""))) == b""
    assert read_document(bucket.put("a/photos.csv", b"path,label\n")) == b"path,label\n"


def test_an_object_that_is_gone_costs_itself_alone_but_a_document_the_run(bucket):
    bucket.put("1.jpg", b"x")
    with pytest.raises(UnreadableFileError, match=r"^is not there \(any more\)$"):
        read(Content(f"{bucket.address}/2.jpg"))
    with pytest.raises(StorageError) as caught:
        read_document(f"{bucket.address}/photos.csv")
    assert str(caught.value) == f"{bucket.address}/photos.csv is not there (any more)."


def test_a_local_document_that_is_not_there_ends_the_run(tmp_path):
    with pytest.raises(StorageError, match=r"photos\.csv does not exist\.$"):
        read_document(str(tmp_path / "photos.csv"))


def test_an_object_may_have_as_many_bytes_as_allowed_and_no_more(bucket):
    address = bucket.put("1.jpg", PHOTO)
    for size_bytes in (None, len(PHOTO)):
        content = Content(address, size_bytes=size_bytes)
        assert read(content, max_bytes=len(PHOTO)) == PHOTO
        with pytest.raises(UnreadableFileError, match="a file may have at most 299999 bytes"):
            read(content, max_bytes=len(PHOTO) - 1)


def test_an_object_that_is_too_large_is_not_downloaded(bucket, monkeypatch):
    n_bytes = 100 * len(PHOTO)
    address = bucket.put("1.jpg", PHOTO * 100)
    listed, unlisted = Content(address, size_bytes=n_bytes), Content(address)
    with behind(monkeypatch, bucket) as proxy:
        with pytest.raises(UnreadableFileError, match=r"has 28\.61 MiB; a file may have at most"):
            read(listed, max_bytes=100)
        assert proxy.n_connections == 0
        [(_, error)] = read_ahead([(0, listed)], max_file_bytes=100)
        assert str(error) == "has 28.61 MiB; a file may have at most 100 bytes"
        assert proxy.n_bytes < HEAD_BYTES
        with pytest.raises(UnreadableFileError, match="has more than 100 bytes; a file may have"):
            read(unlisted, max_bytes=100)
        [(_, error)] = read_ahead([(0, unlisted)], max_file_bytes=100)
        assert str(error) == "has 28.61 MiB; a file may have at most 100 bytes"
        # What the kernel's buffers hold before a connection is closed, but not the whole.
        assert proxy.n_bytes < n_bytes


def test_content_that_is_stored_compressed_arrives_unpacked(gcs, monkeypatch):
    bucket = gcs.new_bucket()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{gcs.port}")
    blob = gcs.client.bucket(bucket.name).blob("1.jpg")
    blob.content_encoding = "gzip"
    packed = gzip.compress(bytes(100_000))
    blob.upload_from_string(packed)
    content = Content(f"{bucket.address}/1.jpg", size_bytes=len(packed))
    assert read(content) == bytes(100_000)
    assert list(read_ahead([("a", content)])) == [("a", bytes(100_000))]
    with pytest.raises(UnreadableFileError, match="has more than 99999 bytes"):
        read(content, max_bytes=99_999)


@pytest.mark.parametrize(
    "fault",
    [
        Cut(HEAD_BYTES + 100_000),
        answer("503 Service Unavailable", "busy"),
        answer("429 Too Many Requests", "slow down"),
        answer("500 Internal Server Error", "oh"),
    ],
    ids=["cut", "503", "429", "500"],
)
def test_what_breaks_twice_is_right_the_third_time(bucket, monkeypatch, fault):
    address = bucket.put("1.jpg", PHOTO)
    with behind(monkeypatch, bucket, fault, fault) as proxy:
        assert read(Content(address)) == PHOTO
        assert proxy.n_connections == 3


def test_an_answer_that_ends_within_its_headers_is_not_taken_for_an_empty_one(bucket, monkeypatch):
    address = bucket.put("1.jpg", PHOTO)
    expected = stamp(Content(address))
    cuts = [Cut(n_bytes) for n_bytes in range(0, 500, 11)]
    with behind(monkeypatch, bucket, *cuts) as proxy:
        assert read(Content(address)) == PHOTO
        assert proxy.n_connections == len(cuts) + 1
    cuts = [Cut(n_bytes) for n_bytes in range(0, 300, 11)]
    with behind(monkeypatch, bucket, *cuts) as proxy:
        assert stamp(Content(address)) == expected


@pytest.mark.parametrize("header", ["Last-Modified: S", "X-Goog-Generation: ", "Content-Length: "])
def test_an_answer_that_ends_within_a_date_or_a_number_is_asked_for_again(
    bucket, monkeypatch, header
):
    address = bucket.put("1.jpg", PHOTO)
    with behind(monkeypatch, bucket, f"HTTP/1.1 200 OK\r\n{header}".encode()) as proxy:
        assert read(Content(address)) == PHOTO
        assert proxy.n_connections == 2


def test_a_bit_that_is_flipped_on_its_way_is_noticed(bucket, monkeypatch):
    address = bucket.put("1.jpg", PHOTO)
    with behind(monkeypatch, bucket, Flip(HEAD_BYTES + 100_000)) as proxy:
        assert read(Content(address)) == PHOTO
        assert proxy.n_bytes > 2 * len(PHOTO)


@pytest.mark.parametrize(
    "fault",
    [Cut(HEAD_BYTES + 100_000), answer("503 Busy", "busy")],
    ids=["cut", "503"],
)
def test_what_breaks_again_and_again_ends_the_run_with_a_sentence(
    bucket, monkeypatch, impatient, fault
):
    address = bucket.put("1.jpg", PHOTO)
    with behind(monkeypatch, bucket, then=fault):
        before = time.monotonic()
        with pytest.raises(StorageError, match=r"again and again for 0 s \(.+\); check") as caught:
            read(Content(address))
    assert str(caught.value).startswith(f"{address}: ")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - before < 8


def test_a_server_that_falls_silent_is_left_and_asked_again(bucket, monkeypatch):
    monkeypatch.setattr(gcs_module, "_TIMEOUT_S", (0.5, 0.5))
    monkeypatch.setattr(s3_module, "SILENCE_TIMEOUT_S", 0.5)
    address = bucket.put("1.jpg", PHOTO)
    # A proxy of its own: a client that there is already would keep its patience.
    with Proxy(bucket.server.port, [Silence()]) as proxy:
        for name, value in environment(bucket.server.scheme, proxy.port).items():
            monkeypatch.setenv(name, value)
        assert read(Content(address)) == PHOTO
        assert proxy.n_connections == 2


def test_stamps_come_in_order_and_change_with_the_content(bucket, tmp_path):
    path = tmp_path / "local.jpg"
    path.write_bytes(b"x")
    addresses = [bucket.put(f"{i}.jpg", str(i).encode()) for i in range(40)]
    contents = [Content(a) for a in addresses]
    contents[20:20] = [Content(f"{bucket.address}/gone.jpg"), Content(str(path))]
    before = list(stamps(contents, n_threads=4))
    assert before == [stamp(content) for content in contents]
    assert before[20] == ABSENT
    assert len(set(before)) == 42
    files = [f for f in bucket_tree(bucket.address).files() if isinstance(f, FoundFile)]
    listed = {f.content.address: f.stamp for f in files}
    assert [listed[a] for a in addresses] == before[:20] + before[22:]
    bucket.put("7.jpg", b"other")
    after = list(stamps(contents, n_threads=4))
    assert [i for i in range(42) if before[i] != after[i]] == [7]


# Many, ahead


def test_results_come_in_the_order_of_the_tasks(bucket, tmp_path):
    tasks = []
    for i in range(60):
        if i % 3 == 1:
            tasks.append((i, Content(str(tmp_path / f"{i}.jpg"))))
        else:
            address = bucket.put(f"{i}.jpg", b"%d" % i * random.Random(i).randrange(1, 5000))
            tasks.append((i, Content(address)))
    bucket.delete("33.jpg")
    got = dict(read_ahead(tasks, n_threads=8))
    assert list(got) == list(range(60))
    assert isinstance(got[33], UnreadableFileError)
    for i, content in tasks:
        if i % 3 == 1:
            assert got[i] is content
        elif i != 33:
            assert got[i] == b"%d" % i * random.Random(i).randrange(1, 5000)


def test_local_files_come_at_once_and_start_no_thread(tmp_path):
    n_taken = 0

    def tasks():
        nonlocal n_taken
        for i in range(10):
            n_taken += 1
            yield i, Content(str(tmp_path / str(i)))

    before = threading.active_count()
    ahead = read_ahead(tasks())
    assert next(ahead) == (0, Content(str(tmp_path / "0")))
    assert n_taken == 1
    assert threading.active_count() == before
    ahead.close()


def test_no_more_bytes_are_fetched_ahead_than_asked(bucket):
    addresses = [bucket.put(f"{i}.jpg", bytes(1000)) for i in range(20)]
    n_taken = 0

    def tasks():
        nonlocal n_taken
        for address in addresses:
            n_taken += 1
            yield address, Content(address, size_bytes=1000)

    ahead = read_ahead(tasks(), n_threads=8, max_bytes_ahead=4500)
    for n_yielded, (_, data) in enumerate(ahead, start=1):
        assert data == bytes(1000)
        # Four fit; the fifth is taken from the tasks, and waits.
        assert n_taken <= n_yielded + 4
    assert n_yielded == 20


def test_no_more_objects_are_fetched_ahead_than_four_a_thread(bucket):
    addresses = [bucket.put(f"{i}.jpg", b"x") for i in range(20)]
    n_taken = 0

    def tasks():
        nonlocal n_taken
        for address in addresses:
            n_taken += 1
            yield address, Content(address, size_bytes=1)

    ahead = read_ahead(tasks(), n_threads=2)
    next(ahead)
    assert n_taken == 2 * 4 + 1
    ahead.close()


def test_objects_larger_than_what_may_wait_are_fetched_all_the_same(bucket):
    address = bucket.put("1.jpg", PHOTO)
    sizes = [None, len(PHOTO), 10, 0]  # not listed, listed, grown since, empty when listed
    tasks = [(size, Content(address, size_bytes=size)) for size in sizes]
    got = list(read_ahead(tasks, n_threads=4, max_bytes_ahead=1000))
    assert got == [(size, PHOTO) for size in sizes]


def test_an_object_that_is_listed_as_too_large_is_refused_by_its_size_now(bucket):
    address = bucket.put("1.jpg", b"small")
    tasks = [("a", Content(address, size_bytes=10_000))]
    assert list(read_ahead(tasks, max_file_bytes=100)) == [("a", b"small")]


def test_a_bucket_that_cannot_be_used_ends_the_reading(bucket):
    good = bucket.put("1.jpg", b"x")
    nope = f"{bucket.server.scheme}://nope-nope/1.jpg"
    ahead = read_ahead([(i, Content(a)) for i, a in enumerate([good, nope, good])])
    assert next(ahead) == (0, b"x")
    with pytest.raises(StorageError, match="nope-nope: there is no such bucket"):
        next(ahead)
    assert list(ahead) == []


def test_closing_stops_the_threads_soon(bucket, monkeypatch):
    address = bucket.put("1.jpg", PHOTO)
    # At this pace a photo takes 15 s.
    with behind(monkeypatch, bucket, then=Trickle(1000, 0.05)):
        before = {t.ident for t in threading.enumerate()}
        ahead = read_ahead(
            [(0, Content(bucket.put("0.jpg", b"x")))]
            + [(i, Content(address)) for i in range(1, 9)],
            n_threads=4,
        )
        assert next(ahead) == (0, b"x")
        started = time.monotonic()
        ahead.close()
        mine = [t for t in threading.enumerate() if t.name.startswith("bucket")]
        mine = [t for t in mine if t.ident not in before]
        assert mine
        assert time.monotonic() - started < 0.5
        for thread in mine:
            thread.join(started + 10 - time.monotonic())
        assert not any(t.is_alive() for t in mine)


@pytest.mark.slow
def test_more_objects_than_two_pages_of_a_listing_are_found_and_read_right(bucket):
    # A page has 1,000 of either kind. Google's stand-in searches all objects for each that is read.
    names = [f"{i % 10}/{i:05}.jpg" for i in range(2_100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: bucket.put(name, name.encode()), names))
    found = [f for f in bucket_tree(bucket.address).files() if isinstance(f, FoundFile)]
    assert sorted(f.place for f in found) == sorted(names)
    found.sort(key=lambda f: f.place[::-1])  # another order than the server's
    got = list(read_ahead((f.place, f.content) for f in found))
    assert got == [(f.place, f.place.encode()) for f in found]


# One large object, to a file


def test_a_download_goes_on_where_it_was_broken(bucket, tmp_path, monkeypatch):
    # No patience at all: a connection that brought something is none that failed.
    monkeypatch.setattr(buckets, "RETRY_FOR_S", 0.0)
    data = PHOTO * 10
    address = bucket.put("photos.zip", data)
    target = tmp_path / "new" / "photos.zip"
    cut = Cut(HEAD_BYTES + 900_000)
    with behind(monkeypatch, bucket, cut, cut, cut) as proxy:
        download(address, target)
        # Three connections bring 0.9 MB each, one the rest: the whole came once, not thrice.
        assert len(data) < proxy.n_bytes < len(data) + 300_000
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_object_is_downloaded(bucket, tmp_path):
    download(bucket.put("photos.zip", b""), tmp_path / "photos.zip")
    assert (tmp_path / "photos.zip").read_bytes() == b""


def test_a_download_that_cannot_be_finished_leaves_nothing(
    bucket, tmp_path, monkeypatch, impatient
):
    address = bucket.put("photos.zip", PHOTO)
    target = tmp_path / "photos.zip"
    with (
        behind(monkeypatch, bucket, Cut(HEAD_BYTES + 100_000), then=answer("503 Busy", "busy")),
        pytest.raises(StorageError, match="again and again"),
    ):
        download(address, target)
    assert list(tmp_path.iterdir()) == []


def test_a_download_of_what_is_not_there_is_one_sentence(bucket, tmp_path):
    with pytest.raises(StorageError) as caught:
        download(f"{bucket.address}/photos.zip", tmp_path / "photos.zip")
    assert str(caught.value) == f"{bucket.address}/photos.zip is not there (any more)."
    assert list(tmp_path.iterdir()) == []


def test_a_download_never_mixes_two_versions(bucket, tmp_path, monkeypatch):
    address = bucket.put("photos.zip", PHOTO * 10)
    with behind(monkeypatch, bucket, Cut(HEAD_BYTES + 900_000)) as proxy:
        proxy.before = {1: lambda: bucket.put("photos.zip", PHOTO[::-1] * 10)}
        # The second is for the server for Google's: it ignores ifGenerationMatch.
        reason = "changed while it was read|what arrived is not what the bucket holds"
        with pytest.raises(StorageError, match=rf"({reason}); run again"):
            download(address, tmp_path / "photos.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_gone_is_told_as_a_change(bucket, tmp_path, monkeypatch):
    address = bucket.put("photos.zip", PHOTO * 10)
    gone = answer("412 Precondition Failed")
    with (
        behind(monkeypatch, bucket, Cut(HEAD_BYTES + 900_000), gone),
        pytest.raises(StorageError, match=r"photos\.zip: changed while it was read; run again"),
    ):
        download(address, tmp_path / "photos.zip")


def test_a_download_that_was_spoilt_on_its_way_is_noticed(gcs, tmp_path, monkeypatch):
    # A part of an object comes without a checksum: only the whole file can be checked.
    bucket = gcs.new_bucket()
    address = bucket.put("photos.zip", PHOTO * 10)
    cut = Cut(HEAD_BYTES + 900_000)
    with (
        behind(monkeypatch, bucket, cut, Flip(HEAD_BYTES + 900_000)),
        pytest.raises(StorageError, match="what arrived is not what the bucket holds"),
    ):
        download(address, tmp_path / "photos.zip")
    assert list(tmp_path.iterdir()) == []
