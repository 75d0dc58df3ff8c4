"""The command `submit`: a run on the server, followed to its end if wished."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edgedistill.console import Console
from edgedistill.server.arguments import (
    PIPELINE_NAME,
    SUBMIT_OPTIONS,
    caching_of,
    check_source,
    read_server_arguments,
)
from edgedistill.server.parameters import every_parameter
from edgedistill.server.source import new_run_name, source_of_file
from edgedistill.server.target import target_of


def command(words: Sequence[str]) -> int:
    """Starts a run; gives 0, or with --wait true how it ended, as `Outcome` has it."""
    wanted = read_server_arguments(words, SUBMIT_OPTIONS, parameters=True)
    check_source(wanted)
    target = target_of(wanted, os.environ)
    source = None
    if wanted.text("pipeline_file"):
        source = source_of_file(Path(wanted.text("pipeline_file")), caching_of(wanted))
        every_parameter(source.compiled, wanted.parameters, SUBMIT_OPTIONS)

    # Not above: these wait for kfp, a second and more.
    from edgedistill.server.connection import Connection
    from edgedistill.server.following import follow
    from edgedistill.server.submitting import Submission, source_on_server, submit

    connection = Connection.open(target)
    if source is None:
        name = wanted.text("pipeline_name") or PIPELINE_NAME
        source = source_on_server(connection, name, wanted.text("version_name"))
    values = every_parameter(source.compiled, wanted.parameters, SUBMIT_OPTIONS)
    submission = Submission(
        experiment=wanted.text("experiment"),
        run_name=wanted.text("run_name") or new_run_name(source),
        service_account=wanted.text("service_account"),
        pipeline_root=wanted.text("pipeline_root"),
    )
    run_id = submit(connection, source, values, submission)
    console = Console(sys.stdout)
    console.text(f"Started {submission.run_name} with {len(values)} parameters.")
    console.text(f"Page: {connection.address.run_page(run_id)}")
    if not wanted.values["wait"]:
        return 0
    timeout_s = float(wanted.values["timeout_s"])
    titles = source.compiled.task_titles
    return int(follow(connection, run_id, titles, console, timeout_s=timeout_s))
