"""What is on the server already: pipelines by name, and their versions."""

import difflib
import json
from typing import Any

from edgedistill.errors import SettingError
from edgedistill.server.connection import Connection


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


def list_versions(connection: Connection, pipeline_id: str) -> list[Any]:
    """All versions of a pipeline, the newest first."""

    def ask(**page: Any) -> Any:
        return connection.client.list_pipeline_versions(
            pipeline_id, sort_by="created_at desc", **page
        )

    return list(connection.pages("list the versions", ask, "pipeline_versions"))


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
    versions = list_versions(connection, pipeline.pipeline_id)
    if not versions:
        raise SettingError(f"pipeline {pipeline_name} has no version: publish one first.")
    if not version_name:
        return versions[0]
    found = next((v for v in versions if v.display_name == version_name), None)
    if found is None:
        names = [v.display_name for v in versions]
        near = difflib.get_close_matches(version_name, names, n=1) or names[:1]
        raise SettingError(
            f"pipeline {pipeline_name} has no version {version_name}; there is {near[0]}."
        )
    return found
