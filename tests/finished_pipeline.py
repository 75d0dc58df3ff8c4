"""One finished run of the whole pipeline on a few real photos, for the tests of two files.

In two processes (`pytest -m pipeline -n 2`) each file has one of them; they share the run.
"""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole_pipeline import N_UNKNOWN, PHOTOS, PHOTOS_PER_CLASS, run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder below a path that broke tools, one for all processes of a session."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "python3 ünïcode"
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def _made_once(path: Path) -> Iterator[bool]:
    """Whether `path` is still to be made; another process that wants it waits for that."""
    # Not beside it: tests look whether that folder stays as it is.
    with path.parent.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not path.exists()


@pytest.fixture(scope="session")
def photos(shared: Path) -> Path:
    """Real photos, one file that is none, and some of no class."""
    if not PHOTOS.is_dir():
        pytest.skip(f"real photos are not there: {PHOTOS.parent}")
    folder = shared / "my photos"
    with _made_once(folder) as wanted:
        if wanted:
            _copy_photos(folder)
    return folder


def _copy_photos(folder: Path) -> None:
    for label in sorted(PHOTOS.iterdir()):
        (folder / label.name / "deeper").mkdir(parents=True)
        for photo in sorted(label.iterdir())[:PHOTOS_PER_CLASS]:
            shutil.copy(photo, folder / label.name / "deeper" / photo.name)
    (folder / "_unknown").mkdir()
    for photo in sorted(PHOTOS.glob("trash/*"))[-N_UNKNOWN:]:
        shutil.copy(photo, folder / "_unknown" / photo.name)
    whole = sorted(PHOTOS.glob("glass/*"))[-1].read_bytes()
    (folder / "glass" / "cut short.JPG").write_bytes(whole[: len(whole) // 2])


@pytest.fixture(scope="session")
def finished(photos: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a run, and what it said; one process alone may change that folder."""
    output_dir, said = photos.parent / "out put", photos.parent / "said.json"
    with _made_once(said) as wanted:
        if wanted:
            done = run(photos, output_dir)
            assert done.returncode == 0, done.stdout + done.stderr
            for name in ("model_qat_int8.tflite", "bundle.zip"):
                shutil.copy(output_dir / name, photos.parent / f"first {name}")
            said.write_text(json.dumps([done.args, done.returncode, done.stdout, done.stderr]))
    return output_dir, subprocess.CompletedProcess(*json.loads(said.read_text()))
