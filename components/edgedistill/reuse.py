"""When a finished step of an earlier run may stand for a new one: same code, packages and files.

KFP's local cache compares a step's settings and the places of its inputs. It sees neither changed
code of this package nor changed content of a file, so both are put into the key here.
"""

import ast
import hashlib
import platform
import secrets
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgedistill.declaration import Value
from edgedistill.errors import StorageError
from edgedistill.machine import available_cores, gpu_names
from edgedistill.settings import COMPONENT_SETTINGS, TeacherSettings
from edgedistill.storage.buckets import Address, ObjectError, describe
from edgedistill.storage.files import BUCKET_SCHEMES
from edgedistill.training_settings import Trained

PACKAGES = (
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "numpy",
    "scipy",
    "pillow",
    "scikit-learn",
)
"""The packages that decide what a step computes."""

WITHOUT_EFFECT = frozenset({"log_level", "data_workers", "checkpoint_uri", "checkpoint_steps"})
"""Settings that leave every file of a run as it is: with other values it is the same run."""

_PACKAGE = "edgedistill"
_ROOT = Path(__file__).parent


def package_versions() -> dict[str, str]:
    """The version of each of `PACKAGES`; "absent" where it is not installed."""
    return {name: _version(name) for name in PACKAGES}


def compute_threads(values: Mapping[str, Value]) -> int:
    """How many threads TensorFlow computes with here: as set, else one for each core."""
    return int(values["compute_threads"]) or available_cores()


def step_keys(values: Mapping[str, Value], data_fingerprint: str) -> dict[str, str]:
    """For each component a digest of all that decides its result and that KFP does not see.

    A calibrate that exports has another key each time, and so is never reused.

    Args:
        values: every setting with its value, places made absolute.
        data_fingerprint: changes when a file of the data folder does.

    Raises:
        StorageError: weights in a bucket are not there, or cannot be asked for.
    """
    common = f"{platform.python_version()} {sorted(package_versions().items())}"
    keys = {}
    for step, settings in COMPONENT_SETTINGS.items():
        parts = [common, code_digest(f"{_PACKAGE}.{step}.step")]
        if step in ("scan", "scan_shard"):
            parts.append(data_fingerprint)
        parts.extend(_file_digest(place) for place in _weights(step, values))
        if issubclass(settings, Trained):
            parts.append(f"{compute_threads(values)} threads")  # the last bits depend on it
            parts.append(f"GPUs {gpu_names()}")  # what `auto` makes of gpu_count, precision, XLA
        if step == "evaluate" and values["baseline_uri"]:
            parts.append(_baseline_digest(str(values["baseline_uri"])))
        if step == "calibrate" and values["export_uri"]:
            parts.append(secrets.token_hex())  # what it put elsewhere may be gone since
        keys[step] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return keys


def _weights(step: str, values: Mapping[str, Value]) -> Sequence[str]:
    """The words and files that a step's networks start from."""
    if step == "teacher":
        return TeacherSettings.choose(values).teacher_starts
    return [str(values["student_weights"])] if step == "distiller" else []


def _baseline_digest(uri: str) -> str:
    # Here and not above: LiteRT, which few runs need this early.
    from edgedistill.evaluate.baseline import read_baseline

    baseline = read_baseline(uri)
    return hashlib.sha256(baseline.model + "\n".join(baseline.label_names).encode()).hexdigest()


def code_digest(module: str) -> str:
    """Digest of the source of `module` and of all that it imports from this package."""
    digest = hashlib.sha256()
    for path in sorted(source_files(module)):
        digest.update(f"{path.relative_to(_ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def source_files(module: str) -> set[Path]:
    """The files of this package that importing `module` may load, read off its imports.

    With them the files that they hand on as they are: those in a folder `files` beside a module.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _source_file(waiting.pop())
        if path is not None and path not in found:
            found.add(path)
            waiting.extend(_imported(path))
    return found | {file for path in found for file in _handed_on(path.parent / "files")}


def _handed_on(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _imported(path: Path) -> Iterator[str]:
    """Full names that the file imports anywhere in it, functions' bodies included."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _source_file(module: str) -> Path | None:
    package, *inner = module.split(".")
    if package != _PACKAGE or not inner:
        return None
    path = _ROOT.joinpath(*inner).with_suffix(".py")
    return path if path.is_file() else None


def _file_digest(place: str) -> str:
    """A text that changes with the content at `place`; a word stands for itself."""
    if place.startswith(BUCKET_SCHEMES):
        try:
            return f"{place} {describe(Address.parse(place)).stamp}"
        except ObjectError as error:
            raise StorageError(f"{place} {error}.") from None
    path = Path(place)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else place


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
