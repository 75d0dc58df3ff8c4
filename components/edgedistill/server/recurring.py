"""Runs that the server starts by itself, by a calendar or at intervals."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgedistill.errors import ServerError, SettingError
from edgedistill.presets import nearest_name
from edgedistill.server.answers import RefusedError
from edgedistill.server.connection import Connection
from edgedistill.server.schedule import Schedule
from edgedistill.server.source import Source
from edgedistill.server.submitting import experiment_of

_MARK = "Scheduled by edgedistill, sha256:"


@dataclass(frozen=True)
class Scheduled:
    """What is scheduled now, and what was done for it."""

    recurring_run_id: str
    done: str


def schedule(
    connection: Connection,
    source: Source,
    values: Mapping[str, Any],
    wanted: Schedule,
    *,
    replace: bool,
) -> Scheduled:
    """Leaves the schedule on the server, made only if it is not there.

    Raises:
        SettingError: a job of that name is there and is another, and `replace` is false.
        ServerError: the server refuses, or cannot be reached.
    """
    mark = _mark(source, values, wanted)
    same_name = [job for job in _jobs(connection) if job.display_name == wanted.job_name]
    others = [job for job in same_name if job.description != mark]
    foreign = [job for job in others if not _is_ours(job)]
    if foreign or (others and not replace):
        which = "was not scheduled by this command" if foreign else "has other settings"
        advice = "" if foreign else ", or add --replace true"
        raise SettingError(
            f"job {wanted.job_name} is there and {which}: choose another --job_name{advice}."
        )
    done = "there already" if len(others) < len(same_name) else "scheduled"
    if done == "scheduled":
        _make(connection, source, values, wanted, mark)
    alike = [job for job in _jobs(connection) if job.description == mark]
    if not alike:
        raise ServerError(
            f"{connection.address.host} says that job {wanted.job_name} is there, but does not "
            "list it; try again later."
        )
    kept = alike[-1]  # the oldest: two commands at the same time keep the same one
    for job in [*alike[:-1], *others]:  # now, so that a failure before leaves one of them
        _delete(connection, job)
    if kept.status == "DISABLED":
        _switch_on(connection, kept)
        done = "switched on again"
    return Scheduled(kept.recurring_run_id, "replaced" if others else done)


def listed(connection: Connection) -> list[str]:
    """A line for each job that was scheduled by this command, in the order of their names."""
    jobs = sorted(_ours(connection), key=lambda job: str(job.display_name))
    return [_line(job) for job in jobs]


def stop(connection: Connection, job_name: str) -> int:
    """Ends a job; the runs that it started stay. Gives how many of that name there were.

    Raises:
        SettingError: no job of that name was scheduled by this command.
        ServerError: the server refuses, or cannot be reached.
    """
    ours = _ours(connection)
    same_name = [job for job in ours if job.display_name == job_name]
    if not same_name:
        names = [str(job.display_name) for job in ours]
        there_is = f"there is {nearest_name(job_name, names) or 'none at all'}"
        raise SettingError(f"no job {job_name} was scheduled by this command; {there_is}.")
    for job in same_name:
        _delete(connection, job)
    return len(same_name)


def _jobs(connection: Connection) -> list[Any]:
    def ask(**page: Any) -> Any:
        return connection.client.list_recurring_runs(
            namespace=connection.namespace or None, sort_by="created_at desc", **page
        )

    return list(connection.pages("list what is scheduled", ask, "recurring_runs"))


def _ours(connection: Connection) -> list[Any]:
    return [job for job in _jobs(connection) if _is_ours(job)]


def _is_ours(job: Any) -> bool:
    return (job.description or "").startswith(_MARK)


def _mark(source: Source, values: Mapping[str, Any], wanted: Schedule) -> str:
    """The description of a job: whose it is, and a digest of all that it was asked for."""
    content = [source.version_id or source.compiled.digest, dict(values), asdict(wanted)]
    text = json.dumps(content, sort_keys=True)
    return _MARK + hashlib.sha256(text.encode("utf-8")).hexdigest()


def _switch_on(connection: Connection, job: Any) -> None:
    connection.call(
        f"switch on job {job.display_name}",
        lambda: connection.client.enable_recurring_run(job.recurring_run_id),
    )


def _make(
    connection: Connection,
    source: Source,
    values: Mapping[str, Any],
    wanted: Schedule,
    mark: str,
) -> None:
    experiment_id = experiment_of(connection, wanted.experiment)
    with source.arguments() as what:

        def make() -> str:
            job = connection.client.create_recurring_run(
                experiment_id,
                wanted.job_name,
                description=mark,
                cron_expression=wanted.cron or None,
                interval_second=wanted.interval_s or None,
                max_concurrency=wanted.max_concurrency,
                no_catchup=not wanted.catchup,
                params=dict(values),
                pipeline_root=wanted.pipeline_root or None,
                service_account=wanted.service_account or None,
                **what,
            )
            return str(job.recurring_run_id)

        def made() -> str | None:
            alike = [j for j in _jobs(connection) if j.description == mark]
            return str(alike[0].recurring_run_id) if alike else None

        connection.call(f"schedule job {wanted.job_name}", make, done=made)


def _delete(connection: Connection, job: Any) -> None:
    """Ends the job, also if another, or a try whose answer was lost, ends it first."""
    try:
        connection.call(
            f"end job {job.display_name}",
            lambda: connection.client.delete_recurring_run(job.recurring_run_id),
        )
    except RefusedError as error:
        if error.status != 404:
            raise


def _line(job: Any) -> str:
    trigger = job.trigger
    if trigger and trigger.cron_schedule:
        when = f"cron {trigger.cron_schedule.cron}"
    elif trigger and trigger.periodic_schedule:
        when = f"every {trigger.periodic_schedule.interval_second} s"
    else:
        when = "no time"
    state = "off" if job.status == "DISABLED" else "on"
    return f"{job.display_name}: {when}, {state}"
