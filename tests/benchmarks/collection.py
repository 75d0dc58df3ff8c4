"""Listing 1,000 to 100,000 files of each kind of collection: seconds, and what memory grew by.

    python -m tests.benchmarks.collection

Each row is a process of its own; seconds are its processor's, so that others on the machine count
little. `growth` is its peak of resident memory beyond what it had before
listing; `times` compares the seconds of ten times as many files.

Seen on 2026-11-22 (2 shared cores, load 10), at 100,000 files, after ten times fewer:

    folder      0.79 s,  8.7 times the time,  0.2 MB
    photos.zip  2.00 s, 11.0 times the time, 36.7 MB (zipfile's directory; 0.5 kB a file)
    photos.tar  3.19 s,  9.1 times the time,  0.0 MB
    photos.tgz  3.46 s,  9.1 times the time,  0.0 MB
    photos.csv  2.17 s,  6.4 times the time,  0.0 MB
"""

import io
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

COUNTS = (1_000, 10_000, 100_000)
N_CLASSES = 20


def places(n_files: int) -> Iterator[str]:
    for number in range(n_files):
        yield f"class {number % N_CLASSES:02d}/{number:07d}.jpg"


def write_folder(path: Path, n_files: int) -> None:
    for number in range(N_CLASSES):
        (path / f"class {number:02d}").mkdir(parents=True)
    for place in places(n_files):
        (path / place).write_bytes(b"x")


def write_zip(path: Path, n_files: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for place in places(n_files):
            archive.writestr(place, b"x")


def write_tar(path: Path, n_files: int) -> None:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for place in places(n_files):
            member = tarfile.TarInfo(place)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
            archive.members.clear()  # type: ignore[attr-defined]


def write_manifest(path: Path, n_files: int) -> None:
    with path.open("w") as file:
        file.write("path,label\n")
        file.writelines(f"photos/{place},{place[:8]}\n" for place in places(n_files))


KINDS = {
    "folder": write_folder,
    "photos.zip": write_zip,
    "photos.tar": write_tar,
    "photos.tgz": write_tar,
    "photos.csv": write_manifest,
}


def measure(data_dir: str, scratch: str) -> None:
    """Runs in a process of its own; prints files, seconds, and kilobytes of growth."""
    from edgedistill.scan.sources.collection import list_collection
    from edgedistill.scan.sources.data_fingerprint import data_fingerprint

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    n_files = sum(1 for _ in list_collection(data_dir, Path(scratch)))
    listed_s = time.process_time() - started
    started = time.process_time()
    data_fingerprint(data_dir)
    fingerprint_s = time.process_time() - started
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(f"{n_files} {listed_s} {fingerprint_s} {growth}\n")


def main(folder: Path) -> None:
    out = sys.stdout
    out.write("kind          files   list s  times  fingerprint s  growth MB\n")
    for kind, write in KINDS.items():
        last_s = None
        for count in COUNTS:
            place = folder / str(count)
            place.mkdir(exist_ok=True)
            write(place / kind, count)
            command = [sys.executable, "-m", "tests.benchmarks.collection", str(place / kind), "-"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            n_files, listed_s, fingerprint_s, growth = map(float, done.stdout.split())
            assert n_files == count
            times = f"{listed_s / last_s:5.1f}" if last_s else "     "
            last_s = listed_s
            out.write(
                f"{kind:11} {count:7,}  {listed_s:7.3f}  {times}  {fingerprint_s:13.3f}  "
                f"{growth / 1024:9.1f}\n"
            )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="collection-") as temporary:
        if len(sys.argv) == 3:
            measure(sys.argv[1], temporary)
        else:
            main(Path(temporary))
