from collections.abc import Iterator

import pytest

from edgedistill.storage import buckets
from tests.storage.servers import Bucket, Server, environment, gcs_server, s3_server


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


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    monkeypatch.setattr(buckets, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(buckets, "_LONGEST_PAUSE_S", 0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails again and again is given up after half a second."""
    monkeypatch.setattr(buckets, "RETRY_FOR_S", 0.5)
