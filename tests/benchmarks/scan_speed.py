"""The whole step scan with one worker and with two, against a plain loop over the same photos.

    python -m tests.benchmarks.scan_speed [--limit 1500] [--phone 150] [--repeats 3]

- plain: one process, Pillow alone: open, turn upright, RGB, shrink into a black square of 240 px.
  Nothing is verified, named, packed or written.
- 1, 2: `scan_photos` with so many workers: all that it does, at two sizes, with the start of its
  processes, its tables and its report.

They take turns (plain 1 2 plain 1 2 ...) on the same files, after one round that is not counted;
the table shows medians. Wanted: 2 workers at least 1.8 times as fast as 1, and at least 1.3 times
as fast as the plain loop, where there are 2 cores to have. Two collections:

- phone: photos of 12 megapixels, as phones take them, made of the real ones: enlarged, with a
  sensor's noise, 1.5 to 2 MB a JPEG.
- small: the real photos as they are, 400 x 533 px or so.

Seen on 29 November 2026 (2 shared cores, nothing beside it), 100 and 1,500 photos:

    phone        plain        4.6 photos/s    216 ms of processor a photo
                 1 worker     4.5             220
                 2 workers    8.5             221    1.89 times 1 worker, 1.87 times plain
    small        plain      285               3.5
                 1 worker    84              13.0
                 2 workers  135              13.1    1.61 times 1 worker, 0.47 times plain

Small photos stay below, and why: two cores have 5.4 ms for a photo at 1.3 times the loop, which
takes 3.5 for one decoding and one resize. Pillow's exact resize has no vector code: the two sizes
take 3.5 ms, decoding 1, digest 0.5, look and fingerprint 1.2, the careless resizes of a sample of
5,000 photos, here of all, 2 to 3 with their packing, writing and naming of the bytes 1; the start
of the processes, the search and the report 2 s in all. Of a phone's photo all that is a small part,
and scan wins as its workers keep the memory that the loop asks of the system for each photo.
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
PHONE_PX = 4000, 3000


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


def enlarge(photos: list[Path], target: Path) -> list[Path]:
    """Each as a photo of a phone: its longer side `PHONE_PX[0]`, its shorter one `PHONE_PX[1]`."""
    noise = np.random.default_rng(0)
    copies = []
    for photo in photos:
        with Image.open(photo) as image:
            wide = image.width > image.height
            size = PHONE_PX if wide else PHONE_PX[::-1]
            large = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))
        noisy = large + noise.integers(-6, 7, large.shape, np.int16)
        copies.append(target / photo.parent.name / photo.name)
        copies[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(copies[-1], quality=88)
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


def compare(photos: list[Path], data: Path, repeats: int) -> str:
    """The table of one collection, whose folder is `data`."""
    ways: dict[str, Callable[[], None]] = {
        "plain": lambda: plain_loop(photos),
        "1 worker": lambda: scan(data, 1),
        "2 workers": lambda: scan(data, 2),
    }
    taken = measure(ways, repeats)
    wall = {name: statistics.median(walls) for name, (walls, _) in taken.items()}
    n_bytes = sum(photo.stat().st_size for photo in photos)
    lines = [
        f"{len(photos)} {data.name} photos, {n_bytes / 1e6 / len(photos):.2f} MB each, "
        f"{os.cpu_count()} cores",
        f"{'way':12}{'wall s':>9}{'photos/s':>10}{'CPU s':>9}  every wall s",
    ]
    for name, (walls, cpus) in taken.items():
        every = " ".join(f"{seconds:.2f}" for seconds in walls)
        speed = len(photos) / wall[name]
        cpu = statistics.median(cpus)
        lines.append(f"{name:12}{wall[name]:9.2f}{speed:10.1f}{cpu:9.2f}  {every}")
    for other, wanted in (("1 worker", 1.8), ("plain", 1.3)):
        ratio = wall[other] / wall["2 workers"]
        lines.append(f"2 workers are {ratio:.2f} times as fast as {other}; wanted: {wanted}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data" / "clothing"
    parser.add_argument("--photos", type=Path, default=data)
    parser.add_argument("--limit", type=int, default=1500, help="small photos")
    parser.add_argument("--phone", type=int, default=150, help="photos of a phone's size")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, phone = Path(folder) / "small", Path(folder) / "phone"
        copies = copy_photos(arguments.photos, arguments.limit, small)
        step = max(1, len(copies) // max(1, arguments.phone))
        enlarged = enlarge(copies[::step][: arguments.phone], phone)
        for photos, place in ((enlarged, phone), (copies, small)):
            if photos:
                print(compare(photos, place, arguments.repeats), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
