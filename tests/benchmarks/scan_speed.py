"""The whole step scan with one worker and with two, against a plain loop over the same photos.

    python -m tests.benchmarks.scan_speed [--photos FOLDER] [--limit 1500] [--repeats 3]

- plain: one process, Pillow alone: open, turn upright, RGB, shrink into a black square of 240 px.
  Nothing is verified, named, packed or written.
- 1, 2: `scan_photos` with so many workers: all that it does, at two sizes, with the start of its
  processes, its tables and its report.

They take turns (plain 1 2 plain 1 2 ...) on copies of the same files, after one round that is not
counted; the table shows medians. Wanted: 2 workers at least 1.8 times as fast as 1, and at least
1.3 times as fast as the plain loop, where there are 2 cores to have.

Seen on 22 November 2026 (2 shared cores, little beside it), 1,500 photos of 400 x 533 px or so:

    plain        431 photos/s    3.5 s of processor
    1 worker     176 photos/s    9.4 s
    2 workers    297 photos/s    9.2 s    1.69 times 1 worker, 0.69 times plain

Why not 1.3 times plain: a photo takes the loop 2.3 ms, and two cores leave scan 3.6 ms for it all.
Pillow's exact resize, which has no vector code, takes 1.15 to 1.3 ms of that for each of the two
sizes, decoding 0.5, the digest 0.4, look and fingerprint 0.5, the parent 0.6. Some 1 to 2 s go into
the start of the processes and the report, whatever the number of photos.
"""

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from edgedistill.scan.step import scan_photos
from edgedistill.settings import ScanSettings

SIZE_PX = 240


def plain_letterbox(photo: Path) -> np.ndarray:
    with Image.open(photo) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    scale = SIZE_PX / max(upright.size)
    width, height = (max(1, round(side * scale)) for side in upright.size)
    square = Image.new("RGB", (SIZE_PX, SIZE_PX))
    resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    square.paste(resized, ((SIZE_PX - width) // 2, (SIZE_PX - height) // 2))
    return np.asarray(square)


def plain_loop(photos: list[Path]) -> None:
    for photo in photos:
        plain_letterbox(photo)


def scan(data: Path, n_workers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        settings = ScanSettings(data_dir=str(data))
        scan_photos(str(out / "catalog"), str(out / "scan.html"), settings, n_workers=n_workers)


def cpu_s() -> float:
    """Of this process and of the children that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def copy_photos(source: Path, limit: int, target: Path) -> list[Path]:
    """Photos of every class, evenly: the folder above each is taken for its class."""
    photos = sorted(source.rglob("*.jpg"))
    step = max(1, len(photos) // limit)
    copies = []
    for number, photo in enumerate(photos[::step][:limit]):
        copies.append(target / photo.parent.name / f"{number}.jpg")
        copies[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo, copies[-1])
    return copies


def measure(
    ways: dict[str, Callable[[], None]], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Wall and CPU seconds of each way, taken in turn."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    for round_number in range(repeats + 1):
        for name, run in ways.items():
            started, cpu_started = time.perf_counter(), cpu_s()
            run()
            if round_number:
                taken[name][0].append(time.perf_counter() - started)
                taken[name][1].append(cpu_s() - cpu_started)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data" / "clothing"
    parser.add_argument("--photos", type=Path, default=data)
    parser.add_argument("--limit", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = copy_photos(arguments.photos, arguments.limit, Path(folder))
        ways: dict[str, Callable[[], None]] = {
            "plain": lambda: plain_loop(photos),
            "1 worker": lambda: scan(Path(folder), 1),
            "2 workers": lambda: scan(Path(folder), 2),
        }
        taken = measure(ways, arguments.repeats)
    wall = {name: statistics.median(walls) for name, (walls, _) in taken.items()}
    lines = [f"{len(photos)} photos of {arguments.photos.name}, {os.cpu_count()} cores"]
    lines.append(f"{'way':12}{'wall s':>9}{'photos/s':>10}{'CPU s':>9}  every wall s")
    for name, (walls, cpus) in taken.items():
        every = " ".join(f"{seconds:.2f}" for seconds in walls)
        speed = len(photos) / wall[name]
        cpu = statistics.median(cpus)
        lines.append(f"{name:12}{wall[name]:9.2f}{speed:10.0f}{cpu:9.2f}  {every}")
    for other, wanted in (("1 worker", 1.8), ("plain", 1.3)):
        ratio = wall[other] / wall["2 workers"]
        lines.append(f"2 workers are {ratio:.2f} times as fast as {other}; wanted: {wanted}")
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
