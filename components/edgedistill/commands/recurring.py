"""The command `recurring`: runs that the server starts by itself."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgedistill.console import Console
from edgedistill.errors import SettingError
from edgedistill.server.arguments import (
    LIST_OPTIONS,
    PIPELINE_NAME,
    SCHEDULE_OPTIONS,
    STOP_OPTIONS,
    ServerArguments,
    caching_of,
    check_source,
    read_server_arguments,
)
from edgedistill.server.parameters import every_parameter
from edgedistill.server.schedule import Schedule
from edgedistill.server.source import source_of_file
from edgedistill.server.target import Target, target_of

if TYPE_CHECKING:
    from edgedistill.server.connection import Connection


def command(words: Sequence[str]) -> int:
    """Schedules, lists or stops; gives 0."""
    actions = {"schedule": _schedule, "list": _list, "stop": _stop}
    if not words or words[0] not in actions:
        got = words[0] if words else "nothing"
        raise SettingError(f"recurring must be followed by schedule, list or stop; got {got}.")
    lines = actions[words[0]](words[1:])
    Console(sys.stdout).text("\n".join(lines))
    return 0


def _schedule(words: Sequence[str]) -> list[str]:
    wanted = read_server_arguments(words, SCHEDULE_OPTIONS, parameters=True)
    check_source(wanted)
    target = _target(wanted)
    when = Schedule(
        job_name=wanted.text("job_name"),
        experiment=wanted.text("experiment"),
        cron=wanted.text("cron"),
        interval_s=int(wanted.values["interval_s"]),
        max_concurrency=int(wanted.values["max_concurrency"]),
        catchup=wanted.values["catchup"] is True,
        service_account=wanted.text("service_account"),
        pipeline_root=wanted.text("pipeline_root"),
    )
    source = None
    if wanted.text("pipeline_file"):
        source = source_of_file(Path(wanted.text("pipeline_file")), caching_of(wanted))
        every_parameter(source.compiled, wanted.parameters, SCHEDULE_OPTIONS)
    connection = _connect(target)

    from edgedistill.server.recurring import schedule
    from edgedistill.server.submitting import source_on_server

    if source is None:
        name = wanted.text("pipeline_name") or PIPELINE_NAME
        source = source_on_server(connection, name, wanted.text("version_name"))
    values = every_parameter(source.compiled, wanted.parameters, SCHEDULE_OPTIONS)
    replace = wanted.values["replace"] is True
    job = schedule(connection, source, values, when, replace=replace)
    return [
        f"Job {when.job_name}: {job.done}; it runs {source.name}.",
        f"Page: {connection.address.recurring_run_page(job.recurring_run_id)}",
    ]


def _list(words: Sequence[str]) -> list[str]:
    connection = _connect(_target(read_server_arguments(words, LIST_OPTIONS)))

    from edgedistill.server.recurring import listed

    return listed(connection) or ["No job was scheduled by this command."]


def _stop(words: Sequence[str]) -> list[str]:
    wanted = read_server_arguments(words, STOP_OPTIONS)
    connection = _connect(_target(wanted))

    from edgedistill.server.recurring import stop

    stop(connection, wanted.text("job_name"))
    return [f"Job {wanted.text('job_name')}: stopped; the runs that it started stay."]


def _target(wanted: ServerArguments) -> Target:
    return target_of(wanted, os.environ)


def _connect(target: Target) -> "Connection":
    from edgedistill.server.connection import Connection  # not above: it waits for kfp

    return Connection.open(target)
