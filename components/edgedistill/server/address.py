"""Where the server is, and the pages of its dashboard."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from edgedistill.errors import SettingError

UI_HOST = "KF_PIPELINES_UI_ENDPOINT"
"""The variable by which KFP itself is told of a dashboard that is elsewhere than the server."""


@dataclass(frozen=True)
class Address:
    """The server's address, and the dashboard's; neither ends in a slash."""

    host: str
    dashboard: str

    @classmethod
    def read(cls, host: str, dashboard: str = "") -> "Address":
        """Checks what was given.

        Raises:
            SettingError: it is no address of a server, or holds a password.
        """
        checked = _checked("host", host)
        return cls(checked, _checked(UI_HOST, dashboard) if dashboard else checked)

    def run_page(self, run_id: str) -> str:
        """The dashboard's page of a run."""
        return f"{self.dashboard}/#/runs/details/{quote(run_id, safe='')}"

    def version_page(self, pipeline_id: str, version_id: str) -> str:
        """The dashboard's page of a version of a pipeline."""
        pipeline, version = quote(pipeline_id, safe=""), quote(version_id, safe="")
        return f"{self.dashboard}/#/pipelines/details/{pipeline}/version/{version}"

    def recurring_run_page(self, recurring_run_id: str) -> str:
        """The dashboard's page of what is scheduled."""
        return f"{self.dashboard}/#/recurringrun/details/{quote(recurring_run_id, safe='')}"


def _checked(name: str, address: str) -> str:
    if not address:
        raise SettingError(f"{name} must be given: add --{name} URL.")
    try:
        parts = urlsplit(address)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise SettingError(f"{name} must be an address such as https://kubeflow.my.org.") from None
    if parts.username or parts.password:
        raise SettingError(f"{name} must hold neither user nor password; see --help for the login.")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        raise SettingError(
            f"{name} must begin with http:// or https:// and name a server; got {address}."
        )
    if parts.query or parts.fragment:
        raise SettingError(
            f"{name} must be the server's address alone, without ? or #; got {address}."
        )
    return address.rstrip("/")
