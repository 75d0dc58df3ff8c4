"""A compiled pipeline, as a file holds it or as a server gives it back."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from edgedistill.errors import SettingError

LARGEST_BYTES = 32_000_000
"""What a server takes, in bytes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built


@dataclass(frozen=True)
class Parameter:
    """A parameter of a pipeline; `default` is None where it has none."""

    name: str
    type: str
    default: Any
    is_optional: bool


@dataclass(frozen=True)
class CompiledPipeline:
    """The pipeline's own document, and the one of what Kubernetes adds; `platform` may be empty."""

    pipeline: Mapping[str, Any]
    platform: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file of `python pipeline.py compile` or of KFP's own compiler.

        Raises:
            SettingError: the file cannot be read, or is no compiled pipeline.
        """
        if path.suffix != ".yaml":
            raise SettingError(f"pipeline_file must end in .yaml, as KFP wants it; got {path}.")
        try:
            if path.stat().st_size > LARGEST_BYTES:
                raise SettingError(f"{path} is larger than the 32 MB that a server takes.")
            text = path.read_text(encoding="utf-8")
            documents = [d for d in yaml.load_all(text, Loader=_LOADER) if d is not None]
        except OSError as error:
            raise SettingError(f"pipeline_file {path} cannot be read: {error.strerror}.") from None
        except (UnicodeError, yaml.YAMLError):
            raise SettingError(f"pipeline_file {path} is no YAML.") from None
        if not all(isinstance(d, dict) for d in documents):
            documents = []
        pipelines = [d for d in documents if "root" in d and "pipelineInfo" in d]
        platforms = [d for d in documents if "platforms" in d]
        if len(pipelines) != 1 or len(platforms) > 1 or len(documents) > 2:
            raise SettingError(
                f"pipeline_file {path} is no compiled pipeline; python pipeline.py compile writes "
                "manifests/pipeline.yaml."
            )
        return cls(pipelines[0], platforms[0] if platforms else {})

    @classmethod
    def of_server(cls, spec: Mapping[str, Any]) -> Self:
        """What a server gives back of a version: one document, or both under names."""
        if "root" in spec:
            return cls(spec, {})
        return cls(spec.get("pipeline_spec") or {}, spec.get("platform_spec") or {})

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex; comments, order and the way of writing do not count."""
        documents = [_plain(self.pipeline), _plain(self.platform)]
        text = json.dumps(documents, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def name(self) -> str:
        """The name that it was compiled under."""
        return str(self.pipeline.get("pipelineInfo", {}).get("name", ""))

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Its parameters by name."""
        root = self.pipeline.get("root", {})
        declared = root.get("inputDefinitions", {}).get("parameters", {})
        return {
            name: Parameter(
                name,
                str(given.get("parameterType", "STRING")),
                given.get("defaultValue"),
                given.get("isOptional") is True,
            )
            for name, given in declared.items()
        }

    @property
    def task_titles(self) -> dict[str, str]:
        """What each task is called in the dashboard, by its name; those of inner graphs too."""
        return {
            name: str(task.get("taskInfo", {}).get("name") or name)
            for graph in self._graphs()
            for name, task in graph.get("tasks", {}).items()
            if "componentRef" in task
        }

    @property
    def mounts_volumes(self) -> bool:
        """Whether a step of it has a claim's volume."""
        kubernetes = self.platform.get("platforms", {}).get("kubernetes", {})
        executors = kubernetes.get("deploymentSpec", {}).get("executors", {}).values()
        return any("pvcMount" in executor for executor in executors)

    @property
    def images(self) -> set[str]:
        """The images of its steps."""
        executors = self.pipeline.get("deploymentSpec", {}).get("executors", {}).values()
        return {e["container"]["image"] for e in executors if "container" in e}

    def with_caching(self, enabled: bool) -> "CompiledPipeline":
        """The same with the results of all tasks reused, or of none; inner graphs too.

        kfp's own switch reaches the outermost graph alone.
        """
        copy = CompiledPipeline(json.loads(json.dumps(self.pipeline)), self.platform)
        for graph in copy._graphs():
            for task in graph.get("tasks", {}).values():
                task["cachingOptions"] = {"enableCache": True} if enabled else {}
        return copy

    def yaml(self) -> str:
        """The documents as a file holds them."""
        documents = [dict(d) for d in (self.pipeline, self.platform) if d]
        return yaml.safe_dump_all(documents, sort_keys=True)

    def _graphs(self) -> Iterator[Any]:
        components = self.pipeline.get("components", {}).values()
        for component in (self.pipeline.get("root", {}), *components):
            if "dag" in component:
                yield component["dag"]


def names_no_registry(image: str) -> bool:
    """Whether the image's name does not begin with a host, as Docker tells one."""
    host, slash, _ = image.partition("/")
    return not slash or not (host == "localhost" or "." in host or ":" in host)


def _plain(value: Any) -> Any:
    """The value with whole floats as ints: a server writes 32.0 as 32."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
