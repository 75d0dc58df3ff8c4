"""What is to run: a version on the server, or a file's content."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgedistill.server.compiled import CompiledPipeline


@dataclass(frozen=True)
class Source:
    """What is to run; without a version it is the content itself that is sent."""

    compiled: CompiledPipeline
    name: str
    pipeline_id: str | None = None
    version_id: str | None = None

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """How kfp's client is told of it."""
        if self.version_id:
            yield {"pipeline_id": self.pipeline_id, "version_id": self.version_id}
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_text(self.compiled.yaml(), encoding="utf-8")
            yield {"pipeline_package_path": str(path)}


def source_of_file(path: Path, caching: bool | None) -> Source:
    """A file's content; `caching` is None for as it was compiled."""
    compiled = CompiledPipeline.read(path)
    if caching is not None:
        compiled = compiled.with_caching(caching)
    return Source(compiled, compiled.name)


def new_run_name(source: Source) -> str:
    """A name that no other run has: what runs, when, and two digits of chance."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{source.name} {now} {secrets.token_hex(1)}"
