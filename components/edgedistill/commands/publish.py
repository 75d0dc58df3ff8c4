"""The command `publish`: the compiled pipeline on the server, uploaded once."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgedistill.console import Console
from edgedistill.errors import StorageError
from edgedistill.server.arguments import PUBLISH_OPTIONS, read_server_arguments
from edgedistill.server.compiled import CompiledPipeline, names_no_registry
from edgedistill.server.target import target_of


def command(words: Sequence[str]) -> int:
    """Leaves a version with the file's content on the server; gives 0."""
    wanted = read_server_arguments(words, PUBLISH_OPTIONS)
    target = target_of(wanted, os.environ)
    path = Path(wanted.text("pipeline_file"))
    compiled = CompiledPipeline.read(path)

    # Not above: these wait for kfp, a second and more.
    from edgedistill.server.connection import Connection
    from edgedistill.server.publishing import publish

    pipeline = wanted.text("pipeline_name") or compiled.name
    connection = Connection.open(target)
    there = publish(connection, path, compiled, pipeline, wanted.text("version_name"))
    if wanted.text("output_file"):
        _write(Path(wanted.text("output_file")), asdict(there))
    console = Console(sys.stdout)
    version = f"version {there.version_name} of pipeline {pipeline}"
    if there.uploaded:
        console.text(f"Uploaded {version}.")
    else:
        console.text(f"Nothing uploaded: {version} has this content already.")
    for image in sorted(filter(names_no_registry, compiled.images)):
        console.text(
            f"Image {image} names no registry, so few clusters find it: python pipeline.py compile "
            "--image REGISTRY/NAME:TAG --output_folder F compiles with one that they find."
        )
    if there.newest:
        console.text(
            f"The newest version is another, {there.newest}: give submit "
            f"--version_name {there.version_name}."
        )
    console.text(f"Page: {connection.address.version_page(there.pipeline_id, there.version_id)}")
    return 0


def _write(path: Path, told: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"output_file {path} cannot be written: {error.strerror}; the version is on the server."
        ) from None
