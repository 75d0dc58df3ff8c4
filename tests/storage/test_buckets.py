"""Listings of real servers, names that lead astray, and what is said when nothing can be had."""

import os
import subprocess
import sys
import time

import pytest

from edgedistill.errors import StorageError
from edgedistill.storage import buckets
from edgedistill.storage.buckets import Address, bucket_tree
from edgedistill.storage.files import Content, FoundFile, RefusedFile
from edgedistill.storage.reading import read
from tests.storage.servers import Cut, Proxy, Server, answer, environment, free_port


def places(address):
    return sorted(f.place for f in bucket_tree(address).files() if isinstance(f, FoundFile))


def refused(address):
    return {f.place: f.reason for f in bucket_tree(address).files() if isinstance(f, RefusedFile)}


def test_an_address_is_taken_apart():
    assert Address.parse("gs://b/a/x y#1.jpg") == Address("gs", "b", "a/x y#1.jpg")
    assert Address.parse("s3://b") == Address.parse("s3://b/") == Address("s3", "b", "")
    assert str(Address.parse("s3://b/")) == "s3://b"


@pytest.mark.parametrize("text", ["gs://", "s3:///photos", "ftp://b/x", "/data", "gs:/b/x"])
def test_an_address_without_a_bucket_is_refused(text):
    with pytest.raises(StorageError, match=r"must be like gs://bucket/folder; got "):
        bucket_tree(text)


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_prefix_is_a_folder(bucket, end):
    for name in ("photos/cat/1.jpg", "photos/dog/deep/2.jpg", "photos2/cat/3.jpg", "photos.csv"):
        bucket.put(name, b"x")
    tree = bucket_tree(f"{bucket.address}/photos{end}")
    assert tree.root == f"{bucket.address}/photos"
    assert places(f"{bucket.address}/photos{end}") == ["cat/1.jpg", "dog/deep/2.jpg"]
    assert places(f"{bucket.address}/nothing") == []


def test_a_whole_bucket_is_a_folder_too(bucket):
    bucket.put("cat/1.jpg", b"12345")
    [found] = bucket_tree(bucket.address).files()
    address = f"{bucket.address}/cat/1.jpg"
    assert isinstance(found, FoundFile)
    assert (found.place, found.size_bytes) == ("cat/1.jpg", 5)
    assert found.content == Content(address, size_bytes=5)


def test_markers_of_folders_and_hidden_objects_are_left_out(bucket):
    for name in ("p/", "p/cat/", "p/cat/1.jpg", "p/.DS_Store", "p/.cache/2.jpg", "p/cat/.3.jpg"):
        bucket.put(name, b"")
    assert list(map(type, bucket_tree(f"{bucket.address}/p").files())) == [FoundFile]
    assert places(f"{bucket.address}/p") == ["cat/1.jpg"]


def test_names_that_are_unusual_but_plain_are_listed_and_read(bucket):
    names = ["x y.jpg", "#1?.jpg", "ü%20+&=.jpg", "猫/Photo at 9.41\u202fAM.jpg", "ab:c.jpg"]
    for name in names:
        bucket.put(f"p/{name}", name.encode())
    found = [f for f in bucket_tree(f"{bucket.address}/p").files() if isinstance(f, FoundFile)]
    assert {f.place: read(f.content) for f in found} == {name: name.encode() for name in names}


def test_names_that_could_lead_astray_are_refused(bucket):
    for name in ("p/../x.jpg", "p/a//b.jpg", "p//c.jpg", "p/./d.jpg", "p/a\\e.jpg", "p/\x01.jpg"):
        bucket.put(name, b"x")
    bucket.put("p/ok.jpg", b"x")
    reasons = refused(f"{bucket.address}/p")
    assert set(reasons) == {"../x.jpg", "./d.jpg", "/c.jpg", "\x01.jpg", "a//b.jpg", "a\\e.jpg"}
    assert "leave the folder" in reasons["../x.jpg"]
    assert "leave the folder" in reasons["./d.jpg"]
    assert "empty part" in reasons["/c.jpg"]
    assert "empty part" in reasons["a//b.jpg"]
    assert "backslash" in reasons["a\\e.jpg"]
    assert "control character" in reasons["\x01.jpg"]
    assert places(f"{bucket.address}/p") == ["ok.jpg"]


def test_a_stamp_is_another_one_after_a_change(bucket):
    def stamps():
        files = bucket_tree(bucket.address).files()
        return [f.stamp for f in files if isinstance(f, FoundFile)]

    bucket.put("1.jpg", b"aaaa")
    before = stamps()
    assert len(before) == 1
    assert stamps() == before
    bucket.put("1.jpg", b"bbbb")
    assert stamps() != before


def test_a_listing_of_several_pages_is_whole(bucket, monkeypatch):
    monkeypatch.setattr(buckets, "_PAGE_OBJECTS", 3)
    names = [f"{i}.jpg" for i in range(8)]
    for name in names:
        bucket.put(name, b"x")
    assert places(bucket.address) == names


def test_a_bucket_that_does_not_exist_is_named(bucket):
    scheme = bucket.server.scheme
    for use in (
        lambda: list(bucket_tree(f"{scheme}://nope-nope/photos").files()),
        lambda: read(Content(f"{scheme}://nope-nope/photos/1.jpg")),
    ):
        with pytest.raises(StorageError) as caught:
            use()
        assert str(caught.value) == (
            f"{scheme}://nope-nope: there is no such bucket; check its name and the endpoint."
        )


GCS_DENIED = (
    '{"error": {"code": 403, "message": "pod@p.iam.gserviceaccount.com does not have '
    'storage.objects.list access", "errors": [{"reason": "forbidden"}]}}'
)
S3_DENIED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    "<Message>Access Denied</Message><RequestId>1</RequestId></Error>"
)


@pytest.mark.parametrize(
    ("scheme", "denied", "permissions"),
    [
        ("gs", answer("403 Forbidden", GCS_DENIED, "application/json"),
         "storage.objects.get (and storage.objects.list)"),
        ("s3", answer("403 Forbidden", S3_DENIED, "application/xml"),
         "s3:GetObject (and s3:ListBucket)"),
    ],
)  # fmt: skip
def test_a_permission_refused_is_named_and_not_asked_for_again(
    scheme, denied, permissions, monkeypatch
):
    with Proxy(0, then=denied) as server:
        use(monkeypatch, scheme, server.port)
        for address, request in (
            (f"{scheme}://bucket/x", lambda: read(Content(f"{scheme}://bucket/x"))),
            (f"{scheme}://bucket/p/", lambda: list(bucket_tree(f"{scheme}://bucket/p").files())),
        ):
            server.n_connections = 0
            with pytest.raises(StorageError) as caught:
                request()
            assert str(caught.value) == (
                f"{address}: permission denied; the pod's service account needs {permissions}."
            )
            assert server.n_connections == 1


def use(monkeypatch, scheme, port):
    for name, value in environment(scheme, port).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_server_that_is_not_there_costs_a_bounded_time_and_one_sentence(
    scheme, impatient, monkeypatch
):
    pytest.importorskip("boto3" if scheme == "s3" else "google.cloud.storage")
    use(monkeypatch, scheme, free_port())
    for request in (
        lambda: list(bucket_tree(f"{scheme}://bucket/p").files()),
        lambda: read(Content(f"{scheme}://bucket/p/1.jpg")),
    ):
        before = time.monotonic()
        with pytest.raises(
            StorageError, match=rf"^{scheme}://bucket/p.* again and again "
        ) as caught:
            request()
        assert time.monotonic() - before < 8
        assert "\n" not in str(caught.value)


def test_a_listing_that_is_cut_off_is_never_taken_for_a_short_one(bucket, monkeypatch):
    for i in range(3):
        bucket.put(f"{i}.jpg", b"x")
    cuts = [Cut(n_bytes) for n_bytes in range(0, 300, 11)]
    proxy = bucket.server.proxy
    proxy.begin(*cuts)
    use(monkeypatch, bucket.server.scheme, proxy.port)
    assert places(bucket.address) == ["0.jpg", "1.jpg", "2.jpg"]
    assert proxy.n_connections == len(cuts) + 1


def test_a_listing_goes_on_after_503(bucket, monkeypatch):
    bucket.put("p/1.jpg", b"x")
    busy = answer("503 Service Unavailable", "busy")
    proxy = bucket.server.proxy
    proxy.begin(busy, busy)
    use(monkeypatch, bucket.server.scheme, proxy.port)
    assert places(f"{bucket.address}/p") == ["1.jpg"]
    assert proxy.n_connections == 3


def test_without_google_credentials_it_is_said_what_to_do(tmp_path, monkeypatch):
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(StorageError) as caught:
        list(bucket_tree("gs://bucket/photos").files())
    assert str(caught.value) == (
        "gs://bucket/photos/: no usable Google credentials were found; set "
        "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run in a pod with "
        "workload identity."
    )


def test_a_key_file_that_is_none_is_one_sentence(tmp_path, monkeypatch):
    key = tmp_path / "key.json"
    key.write_text('{"type": "service_account"}')
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    with pytest.raises(StorageError, match=r"^gs://b/x: .*GOOGLE_APPLICATION_CREDENTIALS"):
        read(Content("gs://b/x"))


def test_without_aws_credentials_it_is_said_what_to_do(s3, tmp_path, monkeypatch):
    use(monkeypatch, "s3", s3.port)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no AWS credentials were found; set AWS_ACCESS_KEY_ID"):
        list(bucket_tree("s3://bucket/photos").files())


def test_an_endpoint_that_is_no_url_is_one_sentence(s3, monkeypatch):
    use(monkeypatch, "s3", s3.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "localhost nine")
    with pytest.raises(StorageError, match="localhost nine"):
        list(bucket_tree("s3://bucket/photos").files())


@pytest.mark.parametrize("host", ["localhost:1", "http://", "ftp://localhost:1"])
def test_an_emulator_that_is_no_url_is_one_sentence(host, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    with pytest.raises(StorageError, match="STORAGE_EMULATOR_HOST is no URL"):
        list(bucket_tree("gs://bucket/photos").files())


@pytest.mark.parametrize("name", ["-", "A", "b_", "no such name", "%"])
def test_a_name_that_no_bucket_has_is_one_sentence(bucket, name):
    with pytest.raises(StorageError, match=rf"^{bucket.server.scheme}://{name}"):
        list(bucket_tree(f"{bucket.server.scheme}://{name}/photos").files())


def test_an_archived_object_costs_itself_alone(s3: Server, monkeypatch):
    from edgedistill.storage.reading import UnreadableFileError

    use(monkeypatch, "s3", s3.port)
    bucket = s3.new_bucket()
    s3.client.put_object(Bucket=bucket.name, Key="1.jpg", Body=b"x", StorageClass="GLACIER")
    with pytest.raises(UnreadableFileError, match="is archived; restore it"):
        read(Content(f"{bucket.address}/1.jpg"))


BLOCKED = """
import sys
sys.modules["boto3"] = sys.modules["botocore"] = None
from edgedistill.errors import StorageError
from edgedistill.storage.buckets import bucket_tree
try:
    list(bucket_tree("s3://bucket/photos").files())
except StorageError as error:
    print(error)
"""


def test_without_boto3_it_is_said_how_to_install_it():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == (
        "s3://bucket/photos/: s3:// needs boto3; install it with: pip install 'edgedistill[s3]'."
    )


def test_no_cloud_library_is_loaded_before_it_is_needed():
    code = "import edgedistill.storage.reading, edgedistill.storage.s3, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()}
    assert not roots & {"google", "boto3", "botocore", "requests", "urllib3", "google_crc32c"}
