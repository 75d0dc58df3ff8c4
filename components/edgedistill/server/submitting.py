"""Starts a run of a pipeline, once, with every parameter said."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgedistill.errors import SettingError
from edgedistill.server.answers import RefusedError
from edgedistill.server.compiled import CompiledPipeline
from edgedistill.server.connection import Connection
from edgedistill.server.published import find_version, named
from edgedistill.server.source import Source


@dataclass(frozen=True)
class Submission:
    """How a run is started; `pipeline_root` is "" for the server's default."""

    experiment: str
    run_name: str
    service_account: str
    pipeline_root: str


def source_on_server(connection: Connection, pipeline_name: str, version_name: str) -> Source:
    """A version on the server, the newest where `version_name` is ""."""
    version = find_version(connection, pipeline_name, version_name)
    compiled = CompiledPipeline.of_server(version.pipeline_spec or {})
    if not compiled.pipeline:
        raise SettingError(
            f"version {version.display_name} of pipeline {pipeline_name} is none of KFP 2."
        )
    return Source(compiled, version.display_name, version.pipeline_id, version.pipeline_version_id)


def submit(
    connection: Connection, source: Source, values: Mapping[str, Any], wanted: Submission
) -> str:
    """Starts the run; gives its id.

    Raises:
        ServerError: the server refuses, or cannot be reached.
    """
    experiment_id = experiment_of(connection, wanted.experiment)
    before = _runs_named(connection, experiment_id, wanted.run_name)
    with source.arguments() as what:

        def start() -> str:
            run = connection.client.run_pipeline(
                experiment_id,
                wanted.run_name,
                params=dict(values),
                pipeline_root=wanted.pipeline_root or None,
                service_account=wanted.service_account or None,
                **what,
            )
            return str(run.run_id)

        def started() -> str | None:
            new = _runs_named(connection, experiment_id, wanted.run_name) - before
            return min(new, default=None)

        return connection.call(f"start run {wanted.run_name}", start, done=started)


def experiment_of(connection: Connection, name: str) -> str:
    """The id of the experiment of that name, made if need be, also if another makes it now."""

    def get_or_make() -> Any:
        return connection.client.create_experiment(name, namespace=connection.namespace or None)

    doing = f"make experiment {name}"
    try:
        return str(connection.call(doing, get_or_make).experiment_id)
    except RefusedError as error:
        if error.status != 409:
            raise
        return str(connection.call(doing, get_or_make).experiment_id)


def _runs_named(connection: Connection, experiment_id: str, name: str) -> set[str]:
    def ask(**page: Any) -> Any:
        return connection.client.list_runs(
            experiment_id=experiment_id, sort_by="created_at desc", filter=named(name), **page
        )

    found = connection.pages("list the runs", ask, "runs")
    return {run.run_id for run in found if run.display_name == name}
