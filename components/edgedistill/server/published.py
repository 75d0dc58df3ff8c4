"""What is on the server already: pipelines by name, and their versions."""

import json
from collections.abc import Iterator
from typing import Any

from edgedistill.errors import SettingError
from edgedistill.presets import nearest_name
from edgedistill.server.connection import Connection

_VERSIONS_A_PAGE = 20  # each comes with its whole file, of some 100 KB


def named(name: str) -> str:
    """The filter of a list that leaves what is called so."""
    return json.dumps(
        {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}
    )


def find_pipeline(connection: Connection, name: str, namespace: str) -> Any | None:
    """The pipeline of that name in a namespace, "" being the one that all share; None without.

    kfp's own look-up by name looks at the shared ones alone.
    """

    def ask(**page: Any) -> Any:
        return connection.client.list_pipelines(
            filter=named(name), namespace=namespace or None, **page
        )

    found = connection.pages(f"look for pipeline {name}", ask, "pipelines")
    return next((p for p in found if p.display_name == name), None)


def versions_of(connection: Connection, pipeline_id: str, name: str = "") -> Iterator[Any]:
    """The versions of a pipeline, the newest first; of a name, if one is given."""

    def ask(**page: Any) -> Any:
        return connection.client.list_pipeline_versions(
            pipeline_id, sort_by="created_at desc", filter=named(name) if name else None, **page
        )

    return connection.pages(
        "list the versions", ask, "pipeline_versions", page_size=_VERSIONS_A_PAGE
    )


def find_version(connection: Connection, pipeline_name: str, version_name: str) -> Any:
    """The version to run: of that name, or the newest where the name is "".

    A pipeline of the namespace comes before one of the same name that all share.

    Raises:
        SettingError: there is no such pipeline or version.
    """
    pipeline = None
    for namespace in dict.fromkeys((connection.namespace, "")):
        pipeline = pipeline or find_pipeline(connection, pipeline_name, namespace)
    if pipeline is None:
        where = f" in namespace {connection.namespace}" if connection.namespace else ""
        raise SettingError(
            f"there is no pipeline {pipeline_name}{where}: publish it first, or give "
            "--pipeline_file."
        )
    newest = next(versions_of(connection, pipeline.pipeline_id), None)
    if newest is None:
        raise SettingError(f"pipeline {pipeline_name} has no version: publish one first.")
    if not version_name:
        return newest
    same_name = versions_of(connection, pipeline.pipeline_id, version_name)
    found = next((v for v in same_name if v.display_name == version_name), None)
    if found is None:
        names = [v.display_name for v in versions_of(connection, pipeline.pipeline_id)]
        near = nearest_name(version_name, names)
        raise SettingError(
            f"pipeline {pipeline_name} has no version {version_name}; there is {near}."
        )
    return found
