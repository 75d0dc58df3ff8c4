"""Real servers of buckets for all tests that read from one, each started when first asked for."""

from collections.abc import Iterator

import pytest

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
