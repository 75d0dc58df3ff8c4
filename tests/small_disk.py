"""A file system of a few bytes, for one process alone, which it fills."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def on_a_small_disk(place: Path, kilobytes: int, code: str, *words: str) -> list[str]:
    """What a Python program prints, line by line, with such a disk at `place`.

    After "--" comes what the disk holds in the end, before it is gone: names below `place`.
    """
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed (Debian: util-linux)")
    place.mkdir(parents=True, exist_ok=True)
    script = (
        f'mount -t tmpfs -o size={kilobytes}k tmpfs {place} && "$0" -c "$@" && echo "--" '
        f"&& ls -A {place}"
    )
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, sys.executable, code, *words],
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no namespace of one's own here, allow user namespaces: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
