"""The output folder of a local run: whose it is, whether it may be replaced, and replacing it.

A run's folder appears complete or not at all. An earlier run is moved aside, never deleted, before
the new one stands; files that are not ours go with the place.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgedistill.artifacts import OUTPUT_FILES, TENSORBOARD_FOLDER, TRAINING_CONFIG
from edgedistill.declaration import Value
from edgedistill.errors import ArtifactError, SettingError
from edgedistill.reuse import WITHOUT_EFFECT

OURS = frozenset({*OUTPUT_FILES, TENSORBOARD_FOLDER})
"""The names in an output folder that a later run may replace."""


def work_folder(output_dir: Path) -> Path:
    """Where the steps' folders of runs into `output_dir` are kept: beside it."""
    return output_dir.with_name(f"{output_dir.name}.work")


def folder_bytes(folder: Path) -> int:
    """Size of all files below `folder`."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def check_output_dir(
    output_dir: Path, settings: Mapping[str, Value], *, overwrite: bool = False
) -> None:
    """Refuses a folder that the run could not write, or that holds something to be kept.

    Raises:
        SettingError: says which, and what to do.
    """
    _check_place(output_dir)
    recover(output_dir)
    check_apart(output_dir, settings)
    if not output_dir.exists() or not any(output_dir.iterdir()):
        return
    earlier = _earlier_settings(output_dir)
    if earlier is None:
        raise SettingError(
            f"output_dir must be new or hold an earlier run; {output_dir} holds other files: "
            "choose another folder."
        )
    differing = first_difference(earlier, settings)
    if differing is not None and not overwrite:
        raise SettingError(
            f"{output_dir} holds a run with {differing} {earlier.get(differing)}, not "
            f"{settings.get(differing)}: choose another --output_dir, or add --overwrite true."
        )


def check_apart(output_dir: Path, settings: Mapping[str, Value]) -> None:
    """Refuses a run beside or below the photos, or above them, and what it puts elsewhere in both.

    It would be taken for a class or a photo, or be moved or removed with the output.

    Raises:
        SettingError: says so.
    """
    for name in ("data_dir", "unknown_uri"):
        photos = Path(str(settings[name]))
        if not photos.is_absolute():
            continue  # the sample, a bucket, or nothing
        for inner, outer in ((work_folder(output_dir), photos), (photos, output_dir)):
            if inner.is_relative_to(outer):
                raise SettingError(
                    f"output_dir and {name} must not lie inside each other; "
                    f"got {output_dir} and {photos}."
                )
    folders = {
        "output_dir": str(output_dir),
        "the folder of its steps": str(work_folder(output_dir)),
        "data_dir": str(settings["data_dir"]),
    }
    for name in ("checkpoint_uri", "export_uri"):
        for what, folder in folders.items():
            if settings[name] and _lies_in(str(settings[name]), folder):
                raise SettingError(
                    f"{name} must not lie in {what}, {folder}; got {settings[name]}."
                )


def first_difference(earlier: Mapping[str, object], settings: Mapping[str, Value]) -> str | None:
    """The first setting whose value differs, in the order of the new run; None if none does."""
    names = [*settings, *(n for n in earlier if n not in settings)]
    return next(
        (n for n in names if n not in WITHOUT_EFFECT and earlier.get(n) != settings.get(n)), None
    )


@contextlib.contextmanager
def replaced_folder(output_dir: Path) -> Iterator[Path]:
    """Yields an empty folder that takes the place of `output_dir` when the block succeeds.

    Files in the earlier folder that are not `OURS` are carried over.
    """
    part, earlier = _siblings(output_dir)
    shutil.rmtree(part, ignore_errors=True)
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    part.mkdir()
    try:
        yield part
        try:
            if output_dir.exists():
                output_dir.rename(earlier)
            part.rename(output_dir)
        except BaseException:
            recover(output_dir)
            raise
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _finish(output_dir, earlier)


def recover(output_dir: Path) -> None:
    """Brings an earlier folder back, or tidies it up, after a run that died while replacing it."""
    _, earlier = _siblings(output_dir)
    if earlier.is_dir():
        if output_dir.exists():
            _finish(output_dir, earlier)
        else:
            earlier.rename(output_dir)


def _finish(output_dir: Path, earlier: Path) -> None:
    if earlier.is_dir():
        for path in earlier.iterdir():
            if path.name not in OURS:
                path.rename(output_dir / path.name)
        shutil.rmtree(earlier)


def _lies_in(inner: str, outer: str) -> bool:
    """Of folders made absolute, or addresses in buckets."""
    return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")


def _siblings(output_dir: Path) -> tuple[Path, Path]:
    return (
        output_dir.with_name(f".{output_dir.name}.part"),
        output_dir.with_name(f".{output_dir.name}.earlier"),
    )


def _check_place(output_dir: Path) -> None:
    if not output_dir.name:
        raise SettingError(f"output_dir must be a folder of its own; got {output_dir}.")
    if output_dir.exists() and not output_dir.is_dir():
        raise SettingError(f"output_dir must be a folder; {output_dir} is a file.")
    parent = next(p for p in output_dir.parents if p.exists())
    if not parent.is_dir():
        raise SettingError(f"output_dir cannot be made: {parent} is a file.")
    for folder in (parent, output_dir):
        if folder.exists() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise SettingError(f"output_dir cannot be written: no permission to write {folder}.")


def _earlier_settings(output_dir: Path) -> dict[str, object] | None:
    """The settings of the run that `output_dir` holds; None if it holds none of ours."""
    try:
        settings = TRAINING_CONFIG.read(output_dir)["settings"]
    except ArtifactError:
        return None
    return settings if isinstance(settings, dict) else None
