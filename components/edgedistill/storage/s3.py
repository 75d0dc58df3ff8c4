"""S3 and what speaks like it, through boto3; credentials and endpoint come from the environment."""

import base64
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgedistill.errors import StorageError
from edgedistill.storage.buckets import (
    CONNECT_TIMEOUT_S,
    CUT_OFF,
    SILENCE_TIMEOUT_S,
    Address,
    BrokenError,
    DeniedError,
    ExistsError,
    GoneError,
    ObjectError,
    Sink,
    StoredObject,
    first_line,
)

_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_S3"  # boto3 reads it by itself
_CHUNK_BYTES = 1 << 14  # small, so that a slow connection soon sees that nobody waits
_MOST_CONNECTIONS = 64
_PASSING_CODES = {
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ThrottlingException",
    "ConditionalRequestConflict",
    "OperationAborted",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "IncompleteBody",
}
_NEEDED = {
    "read": "s3:GetObject (and s3:ListBucket)",
    "write": "s3:PutObject",
    "delete": "s3:DeleteObject",
}
_CREDENTIAL_CODES = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
}

_clients: dict[object, Any] = {}  # boto3's clients, unlike its sessions, may be shared by threads
_clients_lock = threading.Lock()


def use_endpoint(url: str) -> None:
    """Sends all that follows, in this process and its children, to another server than AWS's.

    Args:
        url: http://... or https://...; "" leaves it to the environment.
    """
    if url:
        os.environ[_ENDPOINT_VARIABLE] = url


def page(address: Address, token: str, n_most: int) -> tuple[list[StoredObject], str]:
    """See `buckets.Store`."""
    rest = {"ContinuationToken": token} if token else {}
    with _translated(address):
        answer = _ask(
            _client().list_objects_v2, ("IsTruncated",),
            Bucket=address.bucket, Prefix=address.name, MaxKeys=n_most, **rest,
        )  # fmt: skip
        found = [_stored(o["Key"], o["Size"], o["ETag"]) for o in answer.get("Contents", ())]
        return found, answer.get("NextContinuationToken", "")


def describe(address: Address) -> StoredObject:
    """See `buckets.Store`."""
    with _translated(address):
        answer = _ask(
            _client().head_object, ("ContentLength", "ETag"),
            Bucket=address.bucket, Key=address.name,
        )  # fmt: skip
        return _stored(address.name, answer["ContentLength"], answer["ETag"])


def fetch(address: Address, sink: Sink) -> None:
    """See `buckets.Store`."""
    _copy(address, sink)


def fetch_rest(address: Address, sink: Sink, *, start: int, stamp: str) -> None:
    """See `buckets.Store`."""
    # A request for a range is answered without a checksum.
    rest = {"Range": f"bytes={start}-"} if start else {}
    _copy(address, sink, IfMatch=f'"{stamp}"', **rest)


def create(address: Address, file: Path) -> None:
    """See `buckets.Store`.

    Whoever calls it has asked for the object before: some servers do not know If-None-Match and
    pass over it without a word.
    """
    with _translated(address, to="write"), file.open("rb") as source:
        md5 = hashlib.file_digest(source, lambda: hashlib.md5(usedforsecurity=False)).digest()
        source.seek(0)
        _ask(
            _client().put_object, ("ETag",),
            Bucket=address.bucket, Key=address.name, Body=source, IfNoneMatch="*",
            # Of all checksums the one that every server knows and verifies.
            ContentMD5=base64.b64encode(md5).decode("ascii"),
        )  # fmt: skip


def delete(address: Address) -> None:
    """See `buckets.Store`. A server answers the same whether the object was there or not."""
    with _translated(address, to="delete"):
        _ask(
            _client().delete_object, ("ResponseMetadata",),
            Bucket=address.bucket, Key=address.name,
        )  # fmt: skip


def rehearse(address: Address) -> None:
    """See `buckets.Store`."""
    place = {"Bucket": address.bucket, "Key": address.name}
    with _translated(address, to="write"):
        upload = _ask(_client().create_multipart_upload, ("UploadId",), **place)["UploadId"]
    # Whoever may begin need not be allowed to give up; without a part, it takes no space.
    with contextlib.suppress(ObjectError, DeniedError), _translated(address, to="write"):
        _client().abort_multipart_upload(UploadId=upload, **place)


def _copy(address: Address, sink: Sink, **conditions: str) -> None:
    with _translated(address):
        answer = _ask(
            _client().get_object, ("ContentLength",),
            Bucket=address.bucket, Key=address.name, **conditions,
        )  # fmt: skip
        # The body checks its length, and its checksum where the server sends one.
        with contextlib.closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                sink.write(chunk)


def _ask(request: Callable[..., Any], needed: Sequence[str], **arguments: Any) -> dict[str, Any]:
    """An answer that has what every answer has.

    One that ended within its headers looks whole and empty to the library, or its dates odd.
    """
    try:
        answer: dict[str, Any] = request(**arguments)
    except ValueError as error:
        raise BrokenError(CUT_OFF) from error
    if not all(key in answer for key in needed):
        raise BrokenError(CUT_OFF)
    return answer


def _stored(name: str, size_bytes: int, etag: str) -> StoredObject:
    return StoredObject(name, size_bytes, etag.strip('"'))


def _client() -> Any:
    """The client for the server that the environment names now."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")
    key = tuple(os.environ.get(name) for name in names)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = _new_client()
        return _clients[key]


def _new_client() -> Any:
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=SILENCE_TIMEOUT_S,
        max_pool_connections=_MOST_CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},  # buckets.py tries again
        # Servers of others do not all know the checksums that newer clients add by themselves.
        request_checksum_calculation="when_required",
    )
    try:
        client = boto3.session.Session().client("s3", config=settings)
    except ValueError as error:  # an endpoint that is no URL
        raise StorageError(f"The client for s3:// cannot be made: {error}.") from error
    client.meta.events.register("before-send.s3.PutObject", _send_at_once)
    return client


def _send_at_once(request: Any, **_: object) -> None:
    """Without waiting for "100 Continue": botocore never ends where that line is cut off."""
    request.headers.pop("Expect", None)


@contextlib.contextmanager
def _translated(address: Address, *, to: str = "read") -> Iterator[None]:
    """Turns what the library raises into the few kinds that `buckets.Store` promises."""
    try:
        from botocore import exceptions as aws
    except ImportError:
        raise StorageError(
            f"{address}: s3:// needs boto3; install it with: pip install 'edgedistill[s3]'."
        ) from None
    try:
        yield
    except aws.ClientError as error:
        raise _refusal(address, error.response, to) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound) as error:
        raise DeniedError(
            f"{address}: no AWS credentials were found; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give the pod's service account a role."
        ) from error
    except (
        aws.HTTPClientError,
        aws.ConnectionError,
        aws.IncompleteReadError,
        aws.FlexibleChecksumError,
        ConnectionError,
        TimeoutError,
    ) as error:
        raise BrokenError(first_line(error)) from error
    except aws.ParamValidationError as error:
        raise StorageError(f"{address}: this is no name of a bucket or an object.") from error
    except aws.BotoCoreError as error:
        raise StorageError(f"{address}: {first_line(error)}.") from error


def _refusal(address: Address, answer: dict[str, Any], to: str) -> Exception:
    code = answer.get("Error", {}).get("Code", "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 501 and to == "write":
        return StorageError(
            f"{address}: the server knows no conditional writes (501 {code}), without which "
            "another file could be lost; update it, or write to another place."
        )
    if code in _PASSING_CODES or status == 429 or status >= 500:
        return BrokenError(f"the server answers {status} {code}")
    if status == 404:
        return GoneError("is not there (any more)")
    if code == "InvalidObjectState":
        return ObjectError("is archived; restore it from its storage class first")
    if code in _CREDENTIAL_CODES:
        return DeniedError(
            f"{address}: AWS refused the credentials ({code}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and the clock."
        )
    if status in {401, 403}:
        return DeniedError(
            f"{address}: permission denied; the pod's service account needs {_NEEDED[to]}."
        )
    if status == 412:
        if to == "write":
            return ExistsError("is there already")
        return StorageError(f"{address}: changed while it was read; run again.")
    message = answer.get("Error", {}).get("Message", "")
    return StorageError(f"{address}: the server refuses: {status} {code} {first_line(message)}.")
