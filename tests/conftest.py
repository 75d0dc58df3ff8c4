"""What all tests share: real servers of buckets, each started when first asked for, and signals."""

import signal
from collections.abc import Iterator

import pytest

from tests.storage.servers import Bucket, Server, environment, gcs_server, s3_server


def pytest_configure() -> None:
    """Undoes what `nohup` and a shell's `&` leave to their children: signals that are ignored.

    Programs that the tests start would inherit it, and those that are stopped would go on.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def gcs() -> Iterator[Server]:
    with gcs_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["gcs", "s3"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket on a real server of each kind, which the environment names."""
    server: Server = request.getfixturevalue(request.param)
    for name, value in environment(server.scheme, server.port).items():
        monkeypatch.setenv(name, value)
    return server.new_bucket()
