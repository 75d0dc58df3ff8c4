"""Google Cloud Storage through google-cloud-storage; credentials come from the environment."""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
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

_TO_READ = "https://www.googleapis.com/auth/devstorage.read_only"
_TO_WRITE = "https://www.googleapis.com/auth/devstorage.read_write"
_TIMEOUT_S = (CONNECT_TIMEOUT_S, SILENCE_TIMEOUT_S)
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_NEEDED = {
    "read": "storage.objects.get (and storage.objects.list)",
    "write": "storage.objects.create",
    "delete": "storage.objects.delete",
}

_own = threading.local()  # a client holds a requests.Session, which two threads must not share
_credentials_lock = threading.Lock()


def page(address: Address, token: str, n_most: int) -> tuple[list[StoredObject], str]:
    """See `buckets.Store`."""
    with _translated(address):
        listing = _client().list_blobs(
            _bucket(address), prefix=address.name, page_token=token or None, page_size=n_most,
            fields="items(name,size,generation,crc32c),nextPageToken",
            retry=None, timeout=_TIMEOUT_S,
        )  # fmt: skip
        with _no_cut_head():
            found = [_stored(blob) for blob in next(listing.pages, ())]
        return found, listing.next_page_token or ""


def describe(address: Address) -> StoredObject:
    """See `buckets.Store`."""
    with _translated(address):
        blob = _blob(address)
        with _no_cut_head():
            blob.reload(retry=None, timeout=_TIMEOUT_S)
            return _stored(blob)


def fetch(address: Address, sink: Sink) -> None:
    """See `buckets.Store`. Content stored with Content-Encoding: gzip arrives unpacked."""
    with _translated(address):
        blob = _blob(address)
        with _no_cut_head():
            blob.download_to_file(sink, retry=None, timeout=_TIMEOUT_S)
        # After a cut head, the content looks whole and empty.
        if not (blob.crc32c or blob.md5_hash):
            raise BrokenError(CUT_OFF)


def fetch_rest(address: Address, sink: Sink, *, start: int, stamp: str) -> None:
    """See `buckets.Store`."""
    with _translated(address), _no_cut_head():
        _blob(address).download_to_file(
            sink, start=start or None, raw_download=True, if_generation_match=int(stamp),
            retry=None, timeout=_TIMEOUT_S,
        )  # fmt: skip


def create(address: Address, file: Path) -> None:
    """See `buckets.Store`."""
    with _translated(address, to="write"), file.open("rb") as source:
        blob = _bucket(address, _TO_WRITE).blob(address.name)
        # Sent ahead of the bytes: the server stores none that have another checksum.
        blob.crc32c = checksum = file_crc32c(file)
        with _no_cut_head():
            blob.upload_from_file(
                source, size=file.stat().st_size, if_generation_match=0, checksum="crc32c",
                retry=None, timeout=_TIMEOUT_S,
            )  # fmt: skip
        if not blob.crc32c:
            raise BrokenError(CUT_OFF)
        if blob.crc32c != checksum:  # not the real one, but an emulator stores them all the same
            blob.delete(if_generation_match=blob.generation, retry=None, timeout=_TIMEOUT_S)
            raise BrokenError("the bytes that arrived do not have the file's checksum")


def delete(address: Address) -> None:
    """See `buckets.Store`."""
    with _translated(address, to="delete"):
        blob = _bucket(address, _TO_WRITE).blob(address.name)
        blob.delete(retry=None, timeout=_TIMEOUT_S)


def rehearse(address: Address) -> None:
    """See `buckets.Store`."""
    import requests

    with _translated(address, to="write"):
        blob = _bucket(address, _TO_WRITE).blob(address.name)
        with _no_cut_head():
            session = blob.create_resumable_upload_session(
                if_generation_match=0, retry=None, timeout=_TIMEOUT_S
            )
    # One that nobody gives up is forgotten after a week.
    with contextlib.suppress(requests.RequestException):
        requests.delete(session, timeout=_TIMEOUT_S)


def file_crc32c(path: Path) -> str:
    """The checksum of a local file as `StoredObject.crc32c` has it."""
    import base64

    from google_crc32c import extend

    checksum = 0
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            checksum = extend(checksum, data)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode("ascii")


def _bucket(address: Address, scope: str = _TO_READ) -> Any:
    client = _client(scope)
    try:
        return client.bucket(address.bucket)
    except ValueError as error:
        raise StorageError(f"{address}: this is no name of a bucket: {_cause(error)}.") from None


def _blob(address: Address) -> Any:
    return _bucket(address).blob(address.name)


def _stored(blob: Any) -> StoredObject:
    return StoredObject(blob.name, int(blob.size), str(blob.generation), blob.crc32c or "")


def _client(scope: str = _TO_READ) -> Any:
    """This thread's client for the server that the environment names now."""
    key = (
        scope,
        os.environ.get("STORAGE_EMULATOR_HOST"),
        os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"),
    )
    clients: dict[object, Any] = vars(_own).setdefault("clients", {})
    if key not in clients:
        # Otherwise each client asks for the bucket's metadata behind our back, again and again.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        from google.cloud import storage

        # An emulator takes anybody: the library then makes anonymous credentials itself.
        credentials = None if key[1] else _credentials(scope, key[2])
        clients[key] = storage.Client(project=None, credentials=credentials)
    return clients[key]


def _credentials(scope: str, key_file: str | None) -> Any:
    with _credentials_lock:
        return _default_credentials(scope, key_file)


@functools.cache
def _default_credentials(scope: str, key_file: str | None) -> Any:
    """Application Default Credentials; `key_file` only tells one environment from another."""
    import google.auth

    return google.auth.default(scopes=[scope])[0]


@contextlib.contextmanager
def _no_cut_head() -> Iterator[None]:
    """Notices an answer that ended within its headers.

    The library then has bytes where it wants JSON, or half a number.
    """
    try:
        yield
    except (AttributeError, ValueError) as error:
        if isinstance(error, OSError):  # errors of requests: some are both
            raise
        raise BrokenError(CUT_OFF) from error


@contextlib.contextmanager
def _translated(address: Address, *, to: str = "read") -> Iterator[None]:
    """Turns what the library raises into the few kinds that `buckets.Store` promises."""
    import requests
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption
    from urllib3.exceptions import HTTPError

    try:
        yield
    except api.NotFound:
        raise GoneError("is not there (any more)") from None
    except api.GoogleAPICallError as error:
        raise _refusal(address, error.code, str(error.message), to) from error
    except auth.DefaultCredentialsError as error:
        raise DeniedError(
            f"{address}: no usable Google credentials were found; set "
            "GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or run in a pod with "
            "workload identity."
        ) from error
    except auth.TransportError as error:
        raise BrokenError(_cause(error)) from error
    except auth.GoogleAuthError as error:
        raise DeniedError(
            f"{address}: Google refused the credentials ({_cause(error)}); check the service "
            "account and GOOGLE_APPLICATION_CREDENTIALS."
        ) from error
    except requests.exceptions.ContentDecodingError:
        raise ObjectError("has the Content-Encoding gzip, but is no gzip") from None
    except (
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
        requests.exceptions.MissingSchema,
    ) as error:
        raise StorageError(f"{address}: STORAGE_EMULATOR_HOST is no URL: {error}.") from error
    except DataCorruption as error:
        raise BrokenError("the bytes that came do not have the object's checksum") from error
    except (requests.RequestException, HTTPError, ConnectionError, TimeoutError) as error:
        raise BrokenError(_cause(error)) from error


def _refusal(address: Address, status: int | None, message: str, to: str) -> Exception:
    if status is not None and status < 300:  # a success that lacks a header
        return BrokenError(CUT_OFF)
    if status in _PASSING_STATUS:
        return BrokenError(f"the server answers {status}")
    if status in {401, 403}:
        return DeniedError(
            f"{address}: permission denied; the pod's service account needs {_NEEDED[to]}."
        )
    if status == 412:
        if to == "write":
            return ExistsError("is there already")
        return StorageError(f"{address}: changed while it was read; run again.")
    return StorageError(f"{address}: the server refuses: {status} {first_line(message)}.")


def _cause(error: BaseException) -> str:
    """The innermost of the errors that libraries wrap one into another, in one line."""
    inner = [e for e in (*error.args, getattr(error, "reason", None)) if isinstance(e, Exception)]
    return _cause(inner[-1]) if inner else first_line(error)
