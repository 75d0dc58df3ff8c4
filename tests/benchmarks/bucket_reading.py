"""Small objects from a bucket: how much is gained by 32 threads, against one.

The servers are the real ones of the tests, on this machine; a proxy before them delays each
answer, as the way to a bucket does. Run from the repository's root:

    python -m tests.benchmarks.bucket_reading [n_objects] [delay_ms]

One thread reads a tenth of the objects, and its rate is taken.

Seen on 2026-11-22 (2 cores, shared with other work; servers, proxy and client all on them):

    objects  delay  bucket  1 thread/s  32 threads/s  ratio
     10,000  20 ms      gs          29           204    7.1
     10,000  20 ms      s3          29           213    7.3
      2,000  20 ms      gs          43           557   13.0
      2,000  20 ms      s3          35           239    6.8
      1,000  50 ms      gs          19           462   24.3
      1,000  50 ms      s3          18           241   13.6

What bounds 32 threads here is the servers: moto's takes 3 ms of a core for an object, and the
one for Google's searches all the objects of its bucket for each, hence less at 10,000.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from random import Random

from edgedistill.storage.buckets import bucket_tree
from edgedistill.storage.files import FoundFile
from edgedistill.storage.reading_ahead import read_ahead
from tests.storage.servers import Bucket, Server, gcs_server, s3_server, set_environment

OBJECT_BYTES = 10_000


def main(n_objects: int = 10_000, delay_ms: float = 20.0) -> None:
    """Prints the table."""
    print(f"{n_objects} objects of {OBJECT_BYTES} bytes, answers delayed {delay_ms:g} ms")  # noqa: T201
    print("bucket  list objects/s  1 thread objects/s  32 threads objects/s  ratio")  # noqa: T201
    for start in (gcs_server, s3_server):
        _measure(start(), n_objects, delay_ms / 1000)


def _measure(starting: AbstractContextManager[Server], n_objects: int, delay_s: float) -> None:
    with starting as server, _delaying(server.port, delay_s) as port:
        bucket = server.new_bucket()
        _fill(bucket, n_objects)
        set_environment(server.scheme, port)
        before = time.perf_counter()
        found = [f for f in bucket_tree(bucket.address).files() if isinstance(f, FoundFile)]
        listed = n_objects / (time.perf_counter() - before)
        one = _rate(found[: n_objects // 10], 1)
        many = _rate(found, 32)
        rates = f"{listed:16.0f}{one:20.0f}{many:22.0f}{many / one:7.1f}"
        print(f"{server.scheme:6}{rates}")  # noqa: T201


def _rate(found: list[FoundFile], n_threads: int) -> float:
    before = time.perf_counter()
    tasks = ((file, file.content) for file in found)
    for file, data in read_ahead(tasks, n_threads=n_threads):
        if not isinstance(data, bytes) or len(data) != file.size_bytes:
            raise ValueError(f"{file.place}: {data!r}")
    return len(found) / (time.perf_counter() - before)


def _fill(bucket: Bucket, n_objects: int) -> None:
    data = Random(0).randbytes(OBJECT_BYTES)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: bucket.put(f"{i % 10}/{i:06}.jpg", data), range(n_objects)))


@contextmanager
def _delaying(target_port: int, delay_s: float) -> Iterator[int]:
    """A proxy that waits before each answer: a request is one packet here, and so is waited for."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", target_port))
                for connection in (client, server):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((client, server, delay_s), (server, client, 0.0)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def _copy(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            time.sleep(delay_s)
            target.sendall(data)
    target.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
