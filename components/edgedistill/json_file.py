"""A JSON document between steps: its keys are known, and reading anything else is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.errors import ArtifactError


@dataclass(frozen=True)
class JsonFile:
    """A JSON document with a fixed set of top-level keys, some optional, and a `version`."""

    name: str
    version: int
    keys: frozenset[str]
    optional: frozenset[str] = frozenset()

    def write(self, folder: Path, content: Mapping[str, object]) -> Path:
        """Writes `content` with the version behind it; returns the file's path.

        Raises:
            ValueError: the keys are not this document's, or a number is not finite.
        """
        if self._odd_keys(content):
            raise ValueError(f"{self.name} has keys {sorted(content)}; wants {sorted(self.keys)}")
        path = folder / self.name
        document = {**content, "version": self.version}
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def read(self, folder: Path) -> dict[str, Any]:
        """The document's content, without its version.

        Raises:
            ArtifactError: the file is missing, is no JSON, has another version or other keys.
        """
        path = folder / self.name
        content = _load_json(path)
        version = content.pop("version", None)
        if version != self.version:
            raise ArtifactError(f"{path} must have version {self.version}; got {version}.")
        if odd := self._odd_keys(content):
            raise ArtifactError(f"{path} has missing or unknown keys: {', '.join(odd)}.")
        return content

    def _odd_keys(self, content: Mapping[str, object]) -> list[str]:
        """Those that are missing, and those that nobody knows."""
        return sorted((set(content) ^ self.keys) - (set(content) & self.optional))


def _load_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise missing_file(path) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} must hold a JSON object; got {type(content).__name__}.")
    return content


def missing_file(path: Path | str) -> ArtifactError:
    """The error for a file that an earlier step should have written."""
    return ArtifactError(f"{path} is missing; did the step before this one finish?")
