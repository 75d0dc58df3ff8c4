"""The command `compile`: everything that is generated from the code and committed."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kfp.compiler import Compiler

from edgedistill import components, documents
from edgedistill.arguments import read_flags
from edgedistill.commands.graph import Build
from edgedistill.settings import COMPONENT_SETTINGS

_REPOSITORY = Path(__file__).parents[3]


def command(words: Sequence[str], build: Build) -> int:
    """Writes each component.yaml, manifests/pipeline.yaml and generated tables; gives 0."""
    read_flags(words, ())
    for path in compile_into(_REPOSITORY, build):
        sys.stdout.write(f"{path.relative_to(_REPOSITORY)}\n")
    return 0


def compile_into(repository: Path, build: Build) -> list[Path]:
    """Compiles into a tree that has this repository's layout and documents; gives the files."""
    all_components = {name: getattr(components, name) for name in COMPONENT_SETTINGS}
    package = repository / "components" / "edgedistill"
    compiled = {repository / "manifests" / "pipeline.yaml": build("buckets")}
    compiled |= {package / n / "component.yaml": one for n, one in all_components.items()}
    for path, what in compiled.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Compiler().compile(what, str(path))
    return [*compiled, *documents.refresh(repository, all_components)]
