"""When runs are to start by themselves."""

from dataclasses import dataclass

from edgedistill.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When and how runs start: by `cron`, or where that is "", every `interval_s` seconds.

    Raises:
        SettingError: both or none of them is given, or the server would take `cron` for another
            time than was meant.
    """

    job_name: str
    experiment: str
    cron: str
    interval_s: int
    max_concurrency: int
    catchup: bool
    service_account: str
    pipeline_root: str

    def __post_init__(self) -> None:
        if self.cron and self.interval_s:
            raise SettingError("only one of cron and interval_s may be given.")
        if not self.cron and not self.interval_s:
            raise SettingError("one of cron and interval_s must be given.")
        if self.cron:
            _check_cron(self.cron)


def _check_cron(cron: str) -> None:
    """Five fields, as of a crontab, would be read as seconds, minutes, hours, day and month."""
    n_fields = len(cron.split())
    if cron.startswith("@") or n_fields == 6:
        return
    if n_fields == 5:
        raise SettingError(
            "cron must have six fields, the first for seconds, as KFP reads it; for this line of a "
            f"crontab write '0 {cron}'."
        )
    raise SettingError(
        "cron must be six fields (second, minute, hour, day, month, day of the week) or a word "
        f"such as @weekly; got {cron}."
    )
