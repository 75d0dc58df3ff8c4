"""Peak memory and time of scan at 1,000, 10,000 and 100,000 small photos.

    python -m tests.benchmarks.scan_memory [--photos 100000] [--workers 2]

Makes JPEGs of 64 x 48 px, each another picture, in 20 classes, and scans them in a fresh process a
size: at 32 px for both networks up to --photos, and at the default sizes up to 10,000 (more would
fill the disk with pixels). The peaks are VmHWM: the parent tells its own at its end, those of its
workers are read from /proc twenty times a second. Linux only. The search for near duplicates has a
process of its own, whose memory grows with the photos.

Wanted: peaks within 20 % of those at the size before, the parent's below 600 MB, and ten times the
time for ten times the photos.

Seen on 29 November 2026 (2 shared cores, a training beside it):

    both sizes 32 px   parent MiB  worker MiB  search MiB  seconds
         1,000                 53          45          39      4.5
        10,000                 58          45          70     23.7
       100,000                 64          45         255    238
    default sizes
         1,000                 64          59          39      9.0
        10,000                 68          60          71     97.5
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

N_CLASSES = 20
SMALL = {"student_img_size": 32, "teacher_img_size": "32"}
DEFAULT: dict[str, object] = {}
LARGEST_DEFAULT = 10_000
SAMPLE_EVERY_S = 0.05
MIB = 2**20


@dataclass(frozen=True)
class Peak:
    """What one scan took."""

    n_photos: int
    parent_bytes: int
    worker_bytes: int
    search_bytes: int
    seconds: float


def write_photos(folder: Path, n_photos: int) -> None:
    """Smooth pictures, so that they look more like photos than noise does."""
    draw = np.random.default_rng(0)
    for label in range(N_CLASSES):
        (folder / f"class {label:02d}").mkdir(parents=True)
    for number in range(n_photos):
        coarse = Image.fromarray(draw.integers(0, 256, (6, 8, 3), np.uint8))
        place = folder / f"class {number % N_CLASSES:02d}" / f"{number}.jpg"
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(place, quality=80)


def peak_bytes(pid: int | str) -> int:
    """VmHWM of a process, 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, found, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) * 1024 if found else 0


def children(pid: int) -> Iterable[int]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            yield int(stat.parent.name)


def run_scan(data: Path, sizes: dict[str, object], n_workers: int) -> None:
    """In the child: scans, and tells its peak and its seconds."""
    from edgedistill.scan.step import scan_photos
    from edgedistill.settings import ScanSettings

    settings = ScanSettings(data_dir=str(data), **sizes)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        out = Path(folder)
        metrics = scan_photos(
            str(out / "catalog"), str(out / "scan.html"), settings, n_workers=n_workers
        )
        seconds = time.perf_counter() - started
    told = {
        "n_photos": int(metrics["n_photos"]),
        "parent_bytes": peak_bytes("self"),
        "seconds": seconds,
    }
    print(json.dumps(told))  # noqa: T201


def measure(data: Path, sizes: dict[str, object], n_workers: int) -> Peak:
    command = [sys.executable, "-m", "tests.benchmarks.scan_memory", "--workers", str(n_workers)]
    command += ["--scan", str(data), "--sizes", json.dumps(sizes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: dict[int, int] = {}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_EVERY_S):
            for pid in children(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), peak_bytes(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    is_over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the scan of {data} ended with status {process.returncode}")
    # Those that decode are seen first; the search for near duplicates starts when they are done.
    in_order = list(peaks.values())
    return Peak(
        worker_bytes=max(in_order[:n_workers], default=0),
        search_bytes=max(in_order[n_workers:], default=0),
        **json.loads(output.splitlines()[-1]),
    )


def table(title: str, peaks: list[Peak]) -> str:
    lines = [
        title,
        f"{'photos':>9}{'parent MiB':>12}{'worker MiB':>12}{'search MiB':>12}{'seconds':>9}"
        "  times before",
    ]
    before: Peak | None = None
    for peak in peaks:
        mib = [n / MIB for n in (peak.parent_bytes, peak.worker_bytes, peak.search_bytes)]
        line = f"{peak.n_photos:9,}" + "".join(f"{n:12.0f}" for n in mib) + f"{peak.seconds:9.1f}"
        if before:
            ratios = (
                peak.parent_bytes / before.parent_bytes,
                peak.worker_bytes / max(1, before.worker_bytes),
                peak.seconds / before.seconds,
            )
            line += "  parent x {:.2f}, worker x {:.2f}, time x {:.1f}".format(*ratios)
        lines.append(line)
        before = peak
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=100_000, help="the most photos")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.scan:
        run_scan(arguments.scan, arguments.sizes, arguments.workers)
        return
    counts = [n for n in (1_000, 10_000, 100_000) if n <= arguments.photos]
    small, default = [], []
    for n_photos in counts:
        with tempfile.TemporaryDirectory() as folder:
            write_photos(Path(folder) / "photos", n_photos)
            small.append(measure(Path(folder) / "photos", SMALL, arguments.workers))
            if n_photos <= LARGEST_DEFAULT:
                default.append(measure(Path(folder) / "photos", DEFAULT, arguments.workers))
    print(table("both sizes 32 px", small))  # noqa: T201
    print(table("sizes of the defaults", default))  # noqa: T201


if __name__ == "__main__":
    main()
