"""When a login would be sent where others can read it."""

import pytest

from edgedistill.server.login import TOKEN
from edgedistill.server.target import Target


@pytest.mark.parametrize(
    ("host", "is_warned"),
    [("http://kf.my.org/pipeline", True), ("http://192.0.2.7:8888", True),
     ("http://[2001:db8::1]:80", True), ("http://ml-pipeline.svc.my.org", True),
     ("https://kf.my.org", False), ("http://localhost:8080", False), ("http://127.0.0.9", False),
     ("http://[::1]:8080", False), ("http://ml-pipeline:8888", False),
     ("http://ml-pipeline.kubeflow.svc:8888", False),
     ("http://ml-pipeline.kubeflow.svc.cluster.local:8888", False)],
)  # fmt: skip
def test_a_login_over_plain_http_is_warned_of_but_for_this_machine_and_a_cluster(
    host: str, is_warned: bool
) -> None:
    warning = Target.read(host, "team", {TOKEN: "s3cret-token"}).warning()
    assert bool(warning) == is_warned
    assert "s3cret" not in warning


def test_without_a_login_there_is_nothing_to_warn_of() -> None:
    assert Target.read("http://kf.my.org", "team", {}).warning() == ""
