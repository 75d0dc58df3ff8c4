"""Puts a compiled pipeline on the server: once, however often it is asked for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgedistill.errors import ServerError, SettingError
from edgedistill.server.answers import RefusedError
from edgedistill.server.compiled import CompiledPipeline
from edgedistill.server.connection import Connection
from edgedistill.server.published import find_pipeline, versions_of

_MARK = "content sha256:"
_DIGEST = re.compile(re.escape(_MARK) + r"([0-9a-f]{64})")
_SHOWN_DIGITS = 12
_TRIES = 3


@dataclass(frozen=True)
class Publication:
    """The version that holds the content now; `newest` names another that is newer, or is ""."""

    pipeline_id: str
    version_id: str
    version_name: str
    uploaded: bool
    newest: str


def publish(
    connection: Connection,
    path: Path,
    compiled: CompiledPipeline,
    pipeline_name: str,
    version_name: str,
) -> Publication:
    """Leaves a version with the file's content on the server, uploaded only if none is there.

    Args:
        connection: the server.
        path: the file.
        compiled: what it holds.
        pipeline_name: the pipeline that the version belongs to; made if it is not there.
        version_name: "" for any that has the content, else a name made of its digest.

    Raises:
        SettingError: the version is there and holds other content.
        ServerError: the server refuses, or cannot be reached.
    """
    pipeline_id = _pipeline_id(connection, pipeline_name)
    wanted = version_name or f"{pipeline_name}-{compiled.digest[:_SHOWN_DIGITS]}"
    uploaded = False
    for _ in range(_TRIES):
        versions = list(versions_of(connection, pipeline_id))
        found = _judge(versions, compiled, wanted, any_name=not version_name)
        if found is not None:
            newest = versions[0].display_name
            return Publication(
                pipeline_id,
                found.pipeline_version_id,
                found.display_name,
                uploaded,
                newest if newest != found.display_name else "",
            )
        uploaded = _upload(connection, path, compiled, pipeline_id, wanted)
    raise ServerError(
        f"{connection.address.host} says that version {wanted} is there, but does not list it; try "
        "again later."
    )


def _pipeline_id(connection: Connection, name: str) -> str:
    """The pipeline of that name in the namespace, made if need be, also if another makes it now."""
    body = connection.client.api_models.V2beta1Pipeline(
        display_name=name,
        namespace=connection.namespace or None,
        description="Turns folders of photos into an int8 TFLite image classifier for phones.",
    )
    create = connection.client.pipelines.pipeline_service_create_pipeline
    for _ in range(_TRIES):
        found = find_pipeline(connection, name, connection.namespace)
        if found is not None:
            return str(found.pipeline_id)
        try:
            made = connection.call(f"make pipeline {name}", lambda: create(body))
        except RefusedError as error:
            if error.status != 409:
                raise
        else:
            return str(made.pipeline_id)
    raise ServerError(
        f"{connection.address.host} says that pipeline {name} is there, but does not list it in "
        f"namespace {connection.namespace or '(none)'}: choose another --pipeline_name."
    )


def _judge(
    versions: Sequence[Any], compiled: CompiledPipeline, wanted: str, *, any_name: bool
) -> Any | None:
    """The version that will do, or None where one is to be uploaded.

    Raises:
        SettingError: a version of the wanted name holds other content.
    """
    named = next((v for v in versions if v.display_name == wanted), None)
    if named is not None:
        if _digest(named) == compiled.digest:
            return named
        raise SettingError(
            f"version {wanted} is there with other content, and a version is never changed: choose "
            "another --version_name, or leave it out."
        )
    if any_name:
        return next((v for v in versions if _digest(v) == compiled.digest), None)
    return None


def _digest(version: Any) -> str:
    """What the version's content is: as its description says, else as the server gives it back."""
    told = _DIGEST.search(version.description or "")
    if told:
        return told.group(1)
    return CompiledPipeline.of_server(version.pipeline_spec or {}).digest


def _upload(
    connection: Connection,
    path: Path,
    compiled: CompiledPipeline,
    pipeline_id: str,
    version_name: str,
) -> bool:
    """Uploads the file; false where it was there first, put by another or by an unanswered try."""
    description = f"edgedistill {version('edgedistill')}, {_MARK}{compiled.digest}"
    try:
        connection.call(
            f"take version {version_name}",
            lambda: connection.client.upload_pipeline_version(
                str(path), version_name, pipeline_id=pipeline_id, description=description
            ),
        )
    except RefusedError as error:
        if error.status != 409:
            raise
        return False
    return True
