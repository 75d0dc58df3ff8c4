"""What is put somewhere is whole or not there, and nothing is ever lost for it."""

import base64
import ctypes
import errno
import hashlib
import http.server
import json
import logging
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgedistill.errors import StorageError
from edgedistill.storage import buckets
from edgedistill.storage import gcs as gcs_module
from edgedistill.storage import s3 as s3_module
from edgedistill.storage.buckets import Address, BrokenError, ExistsError, retrying, store
from edgedistill.storage.writing import check_target, put_new
from tests.storage.servers import (
    Bucket,
    Cut,
    CutRequest,
    FlipRequest,
    Proxy,
    Silence,
    answer,
    behind,
    environment,
    free_port,
)

BYTES = random.Random(2).randbytes(300_000)
OTHERS = {
    "of another length": BYTES[:-1],
    "longer": BYTES + b"x",
    "of the same length": BYTES[:-1] + bytes([BYTES[-1] ^ 1]),
    "none": b"",
}
STAYS = " is there already with other bytes, and stays; move it away, or write to another place."
BUSY = answer("503 Service Unavailable", "busy")
DENIED = {
    "gs": answer("403 Forbidden", '{"error": {"code": 403, "message": "no"}}', "application/json"),
    "s3": answer("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>", "application/xml"),
}
NEEDED = {"gs": "storage.objects.create", "s3": "s3:PutObject"}


@pytest.fixture
def zip_file(tmp_path: Path) -> Path:
    """The file to put somewhere, in a folder where nothing else is."""
    path = tmp_path / "here" / "bundle.zip"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder to put it in."""
    path = tmp_path / "there"
    path.mkdir()
    return path


def held(bucket: Bucket) -> dict[str, bytes]:
    """All objects, by the server's own client."""
    if bucket.server.scheme == "gs":
        blobs = bucket.server.client.bucket(bucket.name).list_blobs()
        return {blob.name: blob.download_as_bytes() for blob in blobs}
    client = bucket.server.client
    listed = client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    keys = [entry["Key"] for entry in listed]
    return {k: client.get_object(Bucket=bucket.name, Key=k)["Body"].read() for k in keys}


def held_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# In either


def test_a_file_is_put_in_a_folder_that_is_made_for_it(zip_file, tmp_path):
    folder = tmp_path / "new" / "and deep"
    assert put_new(zip_file, str(folder)) == f"{folder}/bundle.zip"
    assert held_in(folder) == {"bundle.zip": BYTES}
    assert held_in(zip_file.parent) == {"bundle.zip": BYTES}


@pytest.mark.parametrize(
    ("prefix", "place"),
    [("", ""), ("/", ""), ("/models", "models/"), ("/models/猫 1/", "models/猫 1/")],
)
def test_a_file_is_put_in_a_bucket(bucket, zip_file, prefix, place):
    address = put_new(zip_file, f"{bucket.address}{prefix}")
    assert address == f"{bucket.address}/{place}bundle.zip"
    assert held(bucket) == {f"{place}bundle.zip": BYTES}


def test_an_empty_file_is_put_too(bucket, there, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    put_new(empty, bucket.address)
    put_new(empty, str(there))
    assert held(bucket) == held_in(there) == {"empty": b""}


def test_it_can_be_called_something_else_there(bucket, there, zip_file):
    assert put_new(zip_file, str(there), name="v1.zip") == f"{there}/v1.zip"
    assert put_new(zip_file, bucket.address, name="v1.zip") == f"{bucket.address}/v1.zip"
    assert held(bucket) == held_in(there) == {"v1.zip": BYTES}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_a_mistake_of_the_caller(there, zip_file, name):
    with pytest.raises(ValueError, match="name must be that of a file"):
        put_new(zip_file, str(there), name=name)


@pytest.mark.parametrize(
    "address",
    ["", "http://host/x", "ftp://b/x", "GS://b/x", "gs:/b/x", "s3:b", "file:///tmp", "a\0b"],
)
def test_another_kind_of_address_is_refused(zip_file, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (check_target, lambda a: put_new(zip_file, a)):
        with pytest.raises(StorageError, match="must be a folder, gs://bucket/folder or s3://"):
            use(address)
    assert [p.name for p in tmp_path.iterdir()] == ["here"]


def test_the_very_same_bytes_are_left_as_they_are(there, zip_file, caplog):
    target = Path(put_new(zip_file, str(there)))
    before = target.stat()
    caplog.set_level(logging.INFO, "edgedistill")
    assert put_new(zip_file, str(there)) == str(target)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert caplog.messages == [f"{target} is there already, with the same bytes"]


def test_the_very_same_object_is_not_sent_again(bucket, zip_file, monkeypatch, caplog):
    with behind(monkeypatch, bucket) as proxy:
        address = put_new(zip_file, bucket.address)
        assert len(proxy.sent) > len(BYTES)
        proxy.begin()
        caplog.set_level(logging.INFO, "edgedistill")
        assert put_new(zip_file, bucket.address) == address
        assert len(proxy.sent) < 5_000
    assert caplog.messages == [f"{address} is there already, with the same bytes"]


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_bytes_in_a_folder_stay(there, zip_file, other):
    (there / "bundle.zip").write_bytes(other)
    with pytest.raises(StorageError) as caught:
        put_new(zip_file, str(there))
    assert str(caught.value) == f"{there}/bundle.zip{STAYS}"
    assert held_in(there) == {"bundle.zip": other}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_bytes_in_a_bucket_stay(bucket, zip_file, other):
    address = bucket.put("bundle.zip", other)
    with pytest.raises(StorageError) as caught:
        put_new(zip_file, bucket.address)
    assert str(caught.value) == f"{address}{STAYS}"
    assert held(bucket) == {"bundle.zip": other}


def test_an_object_of_another_size_is_not_downloaded(bucket, zip_file, monkeypatch):
    bucket.put("bundle.zip", BYTES + b"x")
    with behind(monkeypatch, bucket) as proxy:
        with pytest.raises(StorageError, match="with other bytes, and stays"):
            put_new(zip_file, bucket.address)
        assert proxy.n_bytes < 5_000


def test_an_object_that_shrinks_while_it_is_compared_is_another(s3, zip_file, monkeypatch):
    bucket = s3.new_bucket()
    bucket.put("bundle.zip", BYTES)
    with behind(monkeypatch, bucket) as proxy:
        proxy.before = {1: lambda: bucket.put("bundle.zip", BYTES[:-1])}
        with pytest.raises(StorageError, match="with other bytes, and stays"):
            put_new(zip_file, bucket.address)


# In a folder


def test_others_may_read_what_the_user_lets_them_read(there, zip_file):
    earlier = os.umask(0o027)
    try:
        target = Path(put_new(zip_file, str(there)))
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("folder", "no file"),
        ("pipe", "no file"),
        ("link to nothing", "a link that leads nowhere"),
        ("link to a folder", "no file"),
    ],
)
def test_what_is_no_file_stays_too(there, zip_file, kind, what):
    target = there / "bundle.zip"
    if kind == "folder":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to("nothing" if kind == "link to nothing" else there)
    before = target.lstat()
    with pytest.raises(StorageError) as caught:
        put_new(zip_file, str(there))
    stays = "and stays; move it away, or write to another place."
    assert str(caught.value) == f"{target} is {what}, {stays}"
    assert target.lstat() == before
    assert len(list(there.iterdir())) == 1


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "{there}/file is no folder"),
        ("file/deep/er", "{there}/file is no folder"),
        ("loop", "{there}/loop is a link that leads nowhere"),
        ("dangling", "{there}/dangling is a link that leads nowhere"),
        ("dangling/deep", "{there}/dangling is a link that leads nowhere"),
        ("x" * 300, "its name is too long"),
        ("new/" + "猫" * 100, "its name is too long"),
    ],
)
def test_where_no_folder_can_be_is_one_sentence(there, zip_file, place, reason):
    (there / "file").touch()
    (there / "loop").symlink_to("loop")
    (there / "dangling").symlink_to("nothing")
    for use in (check_target, lambda address: put_new(zip_file, address)):
        with pytest.raises(StorageError) as caught:
            use(f"{there}/{place}")
        expected = reason.format(there=there)
        assert str(caught.value) == f"{there}/{place} cannot be written: {expected}."
    assert {p.name for p in there.iterdir()} == {"file", "loop", "dangling"}


@pytest.mark.parametrize("address", ["models", "./models", "../models", "~", "~/models", " /x"])
def test_a_folder_that_depends_on_where_one_is_is_refused(zip_file, address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for use in (check_target, lambda a: put_new(zip_file, a)):
        with pytest.raises(StorageError) as caught:
            use(address)
        assert str(caught.value) == (
            "The place to write to must be an absolute path, without ~, on a cluster that of a "
            f"mounted volume; got {address!r}."
        )
    assert [p.name for p in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (" ", "' ' begins or ends with a blank; "),
        ("models ", "'models ' begins or ends with a blank; "),
        ("\tmodels", "'\\tmodels' begins or ends with a blank; "),
        (
            "az:b",
            "'az:b' looks like an address; write gs://bucket/folder or s3://bucket/folder, or ",
        ),
        ("gs:", "'gs:' looks like an address; write gs://bucket/folder or s3://bucket/folder, or "),
    ],
)
def test_a_folder_named_by_a_slip_is_made_by_the_user_alone(there, zip_file, name, reason):
    place = f"{there}/{name}/new"
    for use in (check_target, lambda address: put_new(zip_file, address)):
        with pytest.raises(StorageError) as caught:
            use(place)
        assert str(caught.value).endswith(
            f" cannot be written: {reason}make that folder first if it is meant."
        )
    assert held_in(there) == {}
    (there / name).mkdir()
    check_target(place)
    assert put_new(zip_file, place) == f"{place}/bundle.zip"


def test_a_name_that_only_holds_a_blank_or_a_colon_is_a_name(there, zip_file):
    for name in ("new models", "12:30", "猫:1"):
        assert put_new(zip_file, f"{there}/{name}") == f"{there}/{name}/bundle.zip"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc here")
def test_a_place_where_nobody_may_make_files_is_told_before_the_work(zip_file):
    for use in (check_target, lambda address: put_new(zip_file, address)):
        with pytest.raises(StorageError) as caught:
            use("/proc/models")
        reason = "no file can be made in /proc" if os.access("/proc", os.W_OK) else "no permission"
        assert str(caught.value).startswith(f"/proc/models cannot be written: {reason}")


def test_a_file_whose_name_is_too_long_there_is_one_sentence(there, zip_file):
    name = "x" * 300
    with pytest.raises(StorageError, match=r"/x{300} cannot be written: its name is too long\.$"):
        put_new(zip_file, str(there), name=name)
    assert held_in(there) == {}


def test_a_place_that_can_be_written_is_let_pass_and_left_alone(there):
    for place in (there, there / "new" / "er"):
        check_target(str(place))
    assert held_in(there) == {}


PUT = """
import sys
from pathlib import Path
from edgedistill.errors import StorageError
from edgedistill.storage.writing import check_target, put_new
use = check_target if sys.argv[1] == "check" else lambda a: put_new(Path(sys.argv[2]), a)
try:
    use(sys.argv[3])
except StorageError as error:
    print(error)
"""


def in_own_namespace(before: str, use: str, file: Path, folder: Path) -> tuple[str, list[str]]:
    """What a process says, and the folder's names, where file systems are mounted for it alone."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed (Debian: util-linux)")
    script = f'{before} && "$0" -c "$1" "$2" "$3" "$4" && echo "-- " && ls -A "$4"'
    arguments = [sys.executable, PUT, use, str(file), str(folder)]
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, *arguments], capture_output=True, text=True
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no namespace of one's own here, allow user namespaces: {done.stderr}")
    assert done.returncode == 0, done.stderr
    said, _, names = done.stdout.partition("-- \n")
    return said.strip(), names.split()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(there, zip_file):
    full = f"mount -t tmpfs -o size=64k tmpfs {there}"
    assert in_own_namespace(full, "put", zip_file, there) == (
        f"{there}/bundle.zip cannot be written: 0.3 MB find no room there; free some space, or "
        "write to another place.",
        [],
    )


@pytest.mark.parametrize("use", ["check", "put"])
def test_a_read_only_file_system_is_one_sentence(there, zip_file, use):
    read_only = f"mount -t tmpfs -o ro tmpfs {there}"
    said, names = in_own_namespace(read_only, use, zip_file, there)
    assert said == f"{there} cannot be written: no permission to write {there}."
    assert names == []


@pytest.mark.parametrize("use", ["check", "put"])
def test_a_folder_without_permission_is_one_sentence(there, zip_file, use):
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed (Debian: util-linux)")
    there.chmod(0o555)
    # Within, not even root may pass over permissions.
    command = ["unshare", "-U", sys.executable, "-c", PUT, use, str(zip_file), f"{there}/new"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unshare" in done.stderr:
        pytest.skip(f"no namespace of one's own here, allow user namespaces: {done.stderr}")
    assert done.stderr == ""
    expected = f"{there}/new cannot be written: no permission to write {there}."
    assert done.stdout.strip() == expected


def test_a_run_that_is_killed_leaves_no_file_of_that_name(there, tmp_path):
    pipe = tmp_path / "bundle.zip"  # its bytes come when the test wants
    os.mkfifo(pipe)
    command = [sys.executable, "-c", PUT, "put", str(pipe), str(there)]
    with subprocess.Popen(command) as process, pipe.open("wb", buffering=0) as source:
        source.write(bytes(3 << 20))
        until = time.monotonic() + 20
        while not any(part.stat().st_size >= 1 << 20 for part in there.iterdir()):
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    [part] = there.iterdir()
    assert part.name.startswith(".")
    pipe.unlink()
    pipe.write_bytes(BYTES)
    put_new(pipe, str(there))
    assert (there / "bundle.zip").read_bytes() == BYTES


def test_an_error_while_it_is_written_leaves_nothing(there, zip_file, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"cannot be written: Input/output error\.$"):
        put_new(zip_file, str(there))
    assert held_in(there) == {}


@pytest.fixture(params=["links", "no links"])
def late(request, there, monkeypatch):
    """Puts a file there after the look and before the name is given, as another run may.

    On a file system that knows a second name of a file, and on one that does not.
    """

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)

    def put(data):
        monkeypatch.setattr(os, "fsync", lambda _: (there / "bundle.zip").write_bytes(data))

    return put


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux renames without replacing")
def test_a_file_system_without_links_serves_as_well(there, zip_file, late):
    put_new(zip_file, str(there))
    assert held_in(there) == {"bundle.zip": BYTES}


def test_a_file_that_came_meanwhile_stays(there, zip_file, late):
    late(b"of another run")
    with pytest.raises(StorageError, match="is there already with other bytes, and stays"):
        put_new(zip_file, str(there))
    assert held_in(there) == {"bundle.zip": b"of another run"}


def test_the_same_bytes_that_came_meanwhile_are_as_good(there, zip_file, late):
    late(BYTES)
    assert put_new(zip_file, str(there)) == f"{there}/bundle.zip"
    assert held_in(there) == {"bundle.zip": BYTES}


def test_a_system_that_cannot_keep_the_promise_says_so(there, zip_file, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())  # a C library without the call
    with pytest.raises(StorageError, match="can neither link a file nor rename one without repl"):
        put_new(zip_file, str(there))
    assert held_in(there) == {}


def test_of_many_runs_at_once_exactly_one_gives_the_file(there, tmp_path):
    contents = [bytes([i]) * 50_000 for i in range(8)]
    files = []
    for i, content in enumerate(contents):
        (tmp_path / str(i)).write_bytes(content)
        files.append(tmp_path / str(i))
    for n in range(10):
        outcomes: dict[int, object] = {}
        start = threading.Barrier(len(files))

        def run(i: int, n=n, outcomes=outcomes, start=start) -> None:
            start.wait()
            try:
                outcomes[i] = put_new(files[i], str(there), name=f"{n}.zip")
            except StorageError as error:
                outcomes[i] = error

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(files))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [winner] = [i for i, outcome in outcomes.items() if outcome == f"{there}/{n}.zip"]
        losers = [o for i, o in outcomes.items() if i != winner]
        assert {str(o) for o in losers} == {f"{there}/{n}.zip{STAYS}"}
        assert (there / f"{n}.zip").read_bytes() == contents[winner]
    assert len(list(there.iterdir())) == 10


# In a bucket


def test_the_write_itself_never_replaces(bucket, zip_file):
    address = Address.parse(bucket.put("bundle.zip", b"of another run"))
    with pytest.raises(ExistsError):
        store(address).create(address, zip_file)
    assert held(bucket) == {"bundle.zip": b"of another run"}


def test_checksum_and_condition_go_with_the_bytes(bucket, zip_file, monkeypatch):
    zip_file.write_bytes(b"123456789")
    with behind(monkeypatch, bucket) as proxy:
        put_new(zip_file, bucket.address)
        sent = bytes(proxy.sent)
    if bucket.server.scheme == "gs":
        # The check value of CRC-32C in every catalogue of them: 0xE3069283.
        checksum = base64.b64encode(bytes.fromhex("e3069283")).decode()
        assert f'"crc32c": "{checksum}"'.encode() in sent
        assert b"&ifGenerationMatch=0 " in sent
    else:
        checksum = base64.b64encode(hashlib.md5(b"123456789").digest()).decode()
        assert f"\r\nContent-MD5: {checksum}\r\n".encode() in sent
        assert b"\r\nIf-None-Match: *\r\n" in sent
        # boto3 never comes back where the answer to it, "100 Continue", is cut off.
        assert b"Expect" not in sent


def test_a_large_file_is_sent_whole_and_under_the_same_conditions(bucket, zip_file, monkeypatch):
    data = BYTES * 32  # 9.6 MB: Google's library sends it in another way from 8 MiB on
    zip_file.write_bytes(data)
    with behind(monkeypatch, bucket, None, CutRequest(5_000_000), CutRequest(9_000_000)) as proxy:
        put_new(zip_file, bucket.address)
        sent = bytes(proxy.sent)
    assert held(bucket) == {"bundle.zip": data}
    if bucket.server.scheme == "gs":
        assert b"?uploadType=resumable&ifGenerationMatch=0 " in sent
        assert b'"crc32c": "' in sent


FAULTS = {
    "cut at once": CutRequest(0),
    "cut in the middle": CutRequest(100_000),
    "503": BUSY,
    "429": answer("429 Too Many Requests", "slow down"),
    "500": answer("500 Internal Server Error", "oh"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_breaks_is_begun_anew(bucket, zip_file, monkeypatch, fault):
    seen: list[object] = []
    with behind(monkeypatch, bucket, None, fault, fault, fault) as proxy:
        proxy.before = {n: lambda: seen.append(held(bucket)) for n in (1, 2, 3)}
        put_new(zip_file, bucket.address)
        assert proxy.n_connections > 3
    assert seen == [{}, {}, {}]  # never a half of it
    assert held(bucket) == {"bundle.zip": BYTES}


@pytest.mark.parametrize("fault", [CutRequest(100_000), BUSY], ids=["cut", "503"])
def test_what_breaks_again_and_again_is_given_up_and_leaves_nothing(
    bucket, zip_file, monkeypatch, impatient, fault
):
    started = time.monotonic()
    with (
        behind(monkeypatch, bucket, then=fault),
        pytest.raises(StorageError, match=r"again and again for 0 s \(.+\); check") as caught,
    ):
        put_new(zip_file, bucket.address)
    assert str(caught.value).startswith(f"{bucket.address}/bundle.zip: ")
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 8
    assert held(bucket) == {}


def test_a_write_whose_answer_is_lost_has_succeeded(bucket, zip_file, monkeypatch):
    seen: list[object] = []
    with behind(monkeypatch, bucket, None, Cut(0)) as proxy:
        proxy.before = {2: lambda: seen.append(held(bucket))}
        put_new(zip_file, bucket.address)
        assert len(BYTES) < len(proxy.sent) < 2 * len(BYTES)  # sent once
    assert held(bucket) == {"bundle.zip": BYTES}
    if bucket.server.scheme == "s3":  # there each request is a connection of its own
        assert seen == [{"bundle.zip": BYTES}]


def test_an_answer_that_ends_anywhere_is_never_taken_for_a_refusal(bucket, zip_file, monkeypatch):
    zip_file.write_bytes(b"123456789")
    for n_bytes in range(0, 600, 61):
        with behind(monkeypatch, bucket, None, Cut(n_bytes)):
            put_new(zip_file, bucket.address, name=f"{n_bytes}.zip")
        with behind(monkeypatch, bucket, Cut(n_bytes)):
            put_new(zip_file, bucket.address, name=f"look-{n_bytes}.zip")
    assert set(held(bucket).values()) == {b"123456789"}


def test_a_server_that_falls_silent_is_left_and_asked_again(bucket, zip_file, monkeypatch):
    monkeypatch.setattr(gcs_module, "_TIMEOUT_S", (0.3, 0.3))
    monkeypatch.setattr(s3_module, "SILENCE_TIMEOUT_S", 0.3)
    # A proxy of its own: a client that there is already would keep its patience.
    with Proxy(bucket.server.port, [None, Silence(), Silence()]) as proxy:
        for name, value in environment(bucket.server.scheme, proxy.port).items():
            monkeypatch.setenv(name, value)
        put_new(zip_file, bucket.address)
        assert proxy.n_connections > 3
    assert held(bucket) == {"bundle.zip": BYTES}


@pytest.mark.parametrize("n_times", [1, 32], ids=["one request", "several"])
def test_bytes_that_were_spoilt_on_their_way_are_sent_again(gcs, zip_file, monkeypatch, n_times):
    # The emulator stores them, and tells their checksum; the real server refuses them.
    bucket = gcs.new_bucket()
    zip_file.write_bytes(BYTES * n_times)
    with behind(monkeypatch, bucket, None, FlipRequest(100_000)) as proxy:
        put_new(zip_file, bucket.address)
        assert len(proxy.sent) > 2 * len(BYTES) * n_times
    assert held(bucket) == {"bundle.zip": BYTES * n_times}


PASSING_REFUSALS = {
    "BadDigest": "400 Bad Request",
    "ConditionalRequestConflict": "409 Conflict",
    "IncompleteBody": "400 Bad Request",
}


@pytest.mark.parametrize("code", PASSING_REFUSALS)
def test_a_refusal_of_s3_that_may_pass_is_tried_again(s3, zip_file, monkeypatch, code):
    bucket = s3.new_bucket()
    body = f"<Error><Code>{code}</Code></Error>"
    refusal = answer(PASSING_REFUSALS[code], body, "application/xml")
    with behind(monkeypatch, bucket, None, refusal):
        put_new(zip_file, bucket.address)
    assert held(bucket) == {"bundle.zip": BYTES}


def test_a_server_without_conditional_writes_is_one_sentence(s3, zip_file, monkeypatch):
    bucket = s3.new_bucket()
    body = "<Error><Code>NotImplemented</Code></Error>"
    refusal = answer("501 Not Implemented", body, "application/xml")
    with behind(monkeypatch, bucket, None, refusal) as proxy:
        with pytest.raises(StorageError) as caught:
            put_new(zip_file, bucket.address)
        assert proxy.n_connections == 2
    assert str(caught.value) == (
        f"{bucket.address}/bundle.zip: the server knows no conditional writes (501 "
        "NotImplemented), without which another file could be lost; update it, or write to "
        "another place."
    )
    assert held(bucket) == {}


def test_a_write_that_is_refused_is_named_though_reading_is_allowed(bucket, zip_file, monkeypatch):
    scheme = bucket.server.scheme
    with behind(monkeypatch, bucket, None, DENIED[scheme]) as proxy:
        with pytest.raises(StorageError) as caught:
            put_new(zip_file, bucket.address)
        assert proxy.n_connections == 2
    assert str(caught.value) == (
        f"{bucket.address}/bundle.zip: permission denied; the pod's service account needs "
        f"{NEEDED[scheme]}."
    )
    assert held(bucket) == {}


def test_whoever_may_only_write_may_do_so(bucket, zip_file, monkeypatch):
    with behind(monkeypatch, bucket, DENIED[bucket.server.scheme]):
        put_new(zip_file, bucket.address)
    assert held(bucket) == {"bundle.zip": BYTES}


def test_whoever_may_not_look_first_replaces_nothing_either(bucket, zip_file, monkeypatch):
    bucket.put("bundle.zip", b"of another run")
    with (
        behind(monkeypatch, bucket, DENIED[bucket.server.scheme]),
        pytest.raises(StorageError, match="with other bytes, and stays"),
    ):
        put_new(zip_file, bucket.address)
    with behind(monkeypatch, bucket, DENIED[bucket.server.scheme]):
        bucket.put("same.zip", BYTES)
        put_new(zip_file, bucket.address, name="same.zip")
    assert held(bucket) == {"bundle.zip": b"of another run", "same.zip": BYTES}


def test_an_object_that_may_not_be_read_is_not_taken_for_the_same(bucket, zip_file, monkeypatch):
    address = bucket.put("bundle.zip", BYTES)
    denied = DENIED[bucket.server.scheme]
    # Look, write (412 by the real server), look.
    with (
        behind(monkeypatch, bucket, denied, None, denied),
        pytest.raises(StorageError, match="may not be read to tell whether it is the same") as said,
    ):
        put_new(zip_file, bucket.address)
    assert str(said.value).startswith(f"{address} is there already, and may not")


def test_an_archived_object_is_not_taken_for_the_same(s3, zip_file, monkeypatch):
    bucket = s3.new_bucket()
    for name, value in environment("s3", s3.port).items():
        monkeypatch.setenv(name, value)
    s3.client.put_object(Bucket=bucket.name, Key="bundle.zip", Body=BYTES, StorageClass="GLACIER")
    with pytest.raises(StorageError, match="is there already, and is archived; restore it"):
        put_new(zip_file, bucket.address)


def test_a_bucket_that_does_not_exist_is_named(bucket, zip_file):
    scheme = bucket.server.scheme
    for use in (check_target, lambda address: put_new(zip_file, address)):
        with pytest.raises(StorageError) as caught:
            use(f"{scheme}://nope-nope/models")
        assert str(caught.value) == (
            f"{scheme}://nope-nope: there is no such bucket; check its name and the endpoint."
        )


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("/a//b", "empty part"),
        ("//a", "empty part"),
        ("/a/../b", "leave the folder"),
        ("/a\\b", "backslash"),
        ("/a\nb", "control character"),
        ("/a\udcffb", "not UTF-8"),
        ("/" + "猫" * 340, "its name is too long; a bucket takes 1024 bytes at most"),
    ],
)
def test_a_name_that_no_object_should_have_is_one_sentence(bucket, zip_file, prefix, reason):
    for use in (check_target, lambda address: put_new(zip_file, address)):
        with pytest.raises(StorageError, match=reason) as caught:
            use(f"{bucket.address}{prefix}")
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"{bucket.address}/")
    assert held(bucket) == {}


def test_the_longest_name_that_an_object_may_have_is_used(bucket, zip_file):
    prefix = "x" * (1024 - len("/bundle.zip"))
    put_new(zip_file, f"{bucket.address}/{prefix}")
    assert [len(name) for name in held(bucket)] == [1024]
    with pytest.raises(StorageError, match="its name is too long"):
        put_new(zip_file, f"{bucket.address}/{prefix}x")


@pytest.mark.parametrize("address", ["gs://", "s3:///models"])
def test_an_address_without_a_bucket_is_refused(zip_file, address):
    for use in (check_target, lambda a: put_new(zip_file, a)):
        with pytest.raises(StorageError, match="or s3://bucket/folder; got '"):
            use(address)


@pytest.mark.parametrize("address", ["gs://", "models", ""])
def test_a_check_says_which_setting_is_no_place(address):
    with pytest.raises(StorageError, match=f"^export_uri must be .+; got '{address}'"):
        check_target(address, name="export_uri")


def test_a_bucket_is_checked_without_a_trace(bucket):
    check_target(bucket.address)
    check_target(f"{bucket.address}/models")
    assert held(bucket) == {}
    if bucket.server.scheme == "s3":
        uploads = bucket.server.client.list_multipart_uploads(Bucket=bucket.name)
        assert uploads.get("Uploads", []) == []


def test_a_check_says_what_permission_is_missing(bucket, monkeypatch):
    scheme = bucket.server.scheme
    with behind(monkeypatch, bucket, then=DENIED[scheme]) as proxy:
        with pytest.raises(StorageError, match=f"permission denied; .+ needs {NEEDED[scheme]}"):
            check_target(f"{bucket.address}/models")
        assert proxy.n_connections == 1


def test_a_check_goes_on_after_what_passes(bucket, monkeypatch):
    for n_bytes in range(0, 400, 37):
        with behind(monkeypatch, bucket, BUSY, Cut(n_bytes)):
            check_target(bucket.address)
    assert held(bucket) == {}


def test_a_check_passes_where_the_upload_cannot_be_given_up(s3, monkeypatch):
    bucket = s3.new_bucket()
    with behind(monkeypatch, bucket, None, DENIED["s3"]):
        check_target(bucket.address)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_server_that_is_not_there_costs_a_bounded_time(scheme, zip_file, impatient, monkeypatch):
    pytest.importorskip("boto3" if scheme == "s3" else "google.cloud.storage")
    for name, value in environment(scheme, free_port()).items():
        monkeypatch.setenv(name, value)
    for use in (check_target, lambda address: put_new(zip_file, address)):
        started = time.monotonic()
        with pytest.raises(StorageError, match=rf"^{scheme}://bucket/p/.* again and again "):
            use(f"{scheme}://bucket/p")
        assert time.monotonic() - started < 8


def test_what_takes_longer_than_the_patience_may_still_break_once(monkeypatch):
    monkeypatch.setattr(buckets, "RETRY_FOR_S", 0.2)
    n_tries = 0

    def upload():
        nonlocal n_tries
        n_tries += 1
        if n_tries == 1:
            time.sleep(0.3)
            raise BrokenError("cut")
        return "sent"

    assert retrying(Address("gs", "b", "x"), upload) == "sent"


class _Tokens(http.server.BaseHTTPRequestHandler):
    """Where a key file sends for a token: notes what for, and gives none."""

    scopes: list[str] = []  # noqa: RUF012  # one test uses it

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        claims = form.partition("assertion=")[2].split(".")[1]
        self.scopes.append(json.loads(base64.urlsafe_b64decode(claims + "=="))["scope"])
        body = b'{"error": "invalid_grant"}'
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_the_right_to_write_is_asked_for_when_writing_alone(zip_file, tmp_path, monkeypatch):
    rsa = pytest.importorskip(
        "cryptography.hazmat.primitives.asymmetric.rsa", reason="cryptography is not installed"
    )
    from cryptography.hazmat.primitives import serialization as forms

    _Tokens.scopes.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), _Tokens) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
        )
        account = {
            "type": "service_account", "project_id": "p", "private_key": key.decode(),
            "client_email": "pod@p.iam.gserviceaccount.com",
            "token_uri": f"http://127.0.0.1:{server.server_port}/token",
        }  # fmt: skip
        (tmp_path / "key.json").write_text(json.dumps(account))
        monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        for use in (check_target, lambda address: put_new(zip_file, address)):
            with pytest.raises(StorageError, match="Google refused the credentials"):
                use("gs://bucket/models")
        server.shutdown()
    kinds = [scope.rpartition(".")[2] for scope in _Tokens.scopes]
    assert kinds == ["read_write", "read_only", "read_write"]


def test_no_cloud_library_is_loaded_for_a_folder(there, zip_file):
    code = f"{PUT}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code, "put", str(zip_file), str(there)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"google", "boto3", "botocore", "requests", "urllib3", "google_crc32c"}
    assert held_in(there) == {"bundle.zip": BYTES}
