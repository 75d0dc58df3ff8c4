"""The command `compile`: everything that is generated from the code and committed, or one's own."""

import hashlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from edgedistill import components, documents
from edgedistill.cluster_parameters import CLUSTER_VARIANTS, ClusterVariant
from edgedistill.compile_arguments import COMPILE_OPTIONS, CompileArguments, read_compile_arguments
from edgedistill.errors import StorageError
from edgedistill.graph import build
from edgedistill.settings import COMPONENT_SETTINGS

OBJECTS_FILE = "pipeline-objects.yaml"
"""A pipeline and its version as Kubernetes' own objects, for GitOps."""

_REPOSITORY = Path(__file__).parents[3]
_NAMESPACE = str(COMPILE_OPTIONS["namespace"].default)


def command(words: Sequence[str]) -> int:
    """Writes what is committed, or one pipeline with an image of one's own; gives 0."""
    wanted = read_compile_arguments(words)
    written = compile_into(_REPOSITORY) if wanted is None else compile_one(wanted)
    for path in written:
        shown = path.relative_to(_REPOSITORY) if wanted is None else path
        sys.stdout.write(f"{shown}\n")
    return 0


def compile_into(repository: Path) -> list[Path]:
    """Compiles into a tree that has this repository's layout and documents; gives the files."""
    made = {name: getattr(components, name) for name in COMPONENT_SETTINGS}
    package, manifests = repository / "components" / "edgedistill", repository / "manifests"
    compiled = {manifests / v.file_name: build(name) for name, v in CLUSTER_VARIANTS.items()}
    compiled |= {package / name / "component.yaml": made[name] for name in made}
    for path, what in compiled.items():
        _compile(what, path)
    objects = []
    for name, variant in CLUSTER_VARIANTS.items():
        objects.append(manifests / "overlays" / variant.overlay / OBJECTS_FILE)
        named = _as_objects(variant, manifests / variant.file_name, _NAMESPACE)
        _compile(build(name), objects[-1], named)
    return [*compiled, *objects, *documents.refresh(repository, made)]


def compile_one(wanted: CompileArguments) -> list[Path]:
    """One variant into a folder, as a file to upload and as objects; gives both.

    Raises:
        StorageError: the folder cannot be written.
    """
    variant, folder = CLUSTER_VARIANTS[wanted.variant], wanted.output_folder
    compiled = build(wanted.variant, wanted.image, wanted.scan_shards)
    file = folder / variant.file_name
    files = [file, file.with_name(f"{file.stem}-objects.yaml")]
    try:
        _compile(compiled, files[0])
        _compile(compiled, files[1], _as_objects(variant, files[0], wanted.namespace))
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be written: {error.strerror}.") from None
    return files


def _compile(what: Any, path: Path, objects: KubernetesManifestOptions | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Compiler().compile(
        what,
        str(path),
        kubernetes_manifest_format=objects is not None,
        kubernetes_manifest_options=objects,
    )


def _as_objects(
    variant: ClusterVariant, compiled: Path, namespace: str
) -> KubernetesManifestOptions:
    """Names of the two objects. A version cannot be changed, so its name follows its content."""
    release = version("edgedistill")
    digest = hashlib.sha256(compiled.read_bytes()).hexdigest()[:8]
    return KubernetesManifestOptions(
        pipeline_name=variant.pipeline_name,
        pipeline_display_name=variant.pipeline_name,
        pipeline_version_name=f"{variant.pipeline_name}-{release}-{digest}",
        pipeline_version_display_name=f"{release}-{digest}",
        namespace=namespace,
        include_pipeline_manifest=True,
    )
