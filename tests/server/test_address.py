"""What is taken for a server's address, and the links that are made of it."""

import pytest

from edgedistill.errors import SettingError
from edgedistill.server.address import Address


def test_links_lead_to_the_dashboard() -> None:
    address = Address.read("https://kf.my.org/pipeline/")
    assert address.host == "https://kf.my.org/pipeline"
    assert address.run_page("a b") == "https://kf.my.org/pipeline/#/runs/details/a%20b"
    elsewhere = Address.read("http://ml-pipeline.kubeflow:8888", "https://kf.my.org/pipeline")
    assert elsewhere.host == "http://ml-pipeline.kubeflow:8888"
    assert elsewhere.version_page("p", "v") == (
        "https://kf.my.org/pipeline/#/pipelines/details/p/version/v"
    )
    assert elsewhere.recurring_run_page("r").endswith("/pipeline/#/recurringrun/details/r")


@pytest.mark.parametrize(
    ("host", "says"),
    [("", "host must be given"), ("kf.my.org", "must begin with http"), ("ftp://x", "must begin"),
     ("http://", "name a server"), ("http://x:99999", "must be an address"),
     ("http://x/#/runs", r"without \? or #"), ("http://x?a=1", r"without \? or #")],
)  # fmt: skip
def test_what_is_no_address_is_refused(host: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        Address.read(host)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingError, match="neither user nor password") as refused:
        Address.read("https://me:s3cret@kf.my.org")
    assert "s3cret" not in str(refused.value)
