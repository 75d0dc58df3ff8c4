"""What varying photos costs: time an image for each level and each operation, and two threads.

    python -m tests.benchmarks.augment_cost [--photos FOLDER] [--size 240] [--repeats 9]

64 letterboxed photos, each pass in the views of another epoch; everything in turn in one run, and
of each the median pass. A level's time is that of drawing and showing its views, as
`tf.batches` does it for each batch; an operation's is that of one image it is applied to, so the
rarer ones are not divided by how seldom they come. Times are CPU time. The share is that of the
CPU time that a training step takes for an image: 90 ms (EfficientNet-Lite1 at 240 px, forward and
backward, as probed on this kind of machine; `--step_ms` for another). Two threads take half of the
images each, and the wall clock tells how much faster that is; it takes two idle cores to show it.

Seen on 2 shared cores, 23 November 2026, with three times as much to do as there are cores: light
1.64 ms an image (1.8 % of a step), standard 1.91 (2.1 %), phone 2.95 (3.3 %), mixup 0.17, drawing
0.02; geometry 1.46, blur 2.03, noise 0.82, JPEG 0.49, motion 0.33, saturation 0.23, tone 0.13,
erasing 0.12. With the cores nearly idle standard took 1.76, phone 2.70, geometry alone 1.31: Pillow
resamples each pixel by itself, and without that standard would be below half a millisecond. Two
threads could not be measured for want of an idle core (0.87 to 1.01 times); that no operation
keeps another thread from running was seen on images of 3,000 px.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core import augment
from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.core.mixup import blend, draw_partners
from edgedistill.core.views import LEVELS, draw_views, unchanged_views

N_PHOTOS = 64
WANTED_MS = {"standard": 1.5, "phone": 3.0}

Images = NDArray[np.uint8]
Pass = Callable[[int], object]


def show(images: Images, rows: range, level: str, epoch: int) -> None:
    part = images[rows.start : rows.stop]
    augment.show_views(part, draw_views(0, epoch, rows, level=level))


def level_passes(images: Images) -> dict[str, Pass]:
    rows = range(len(images))
    passes: dict[str, Pass] = {
        level: lambda epoch, level=level: show(images, rows, level, epoch)  # type: ignore[misc]
        for level in LEVELS
    }
    passes["mixup"] = lambda epoch: blend(
        images,
        images[::-1],
        draw_partners(0, epoch, rows, alpha=0.2, n_photos=len(images)).share,
    )
    return passes


def operation_passes(images: Images) -> dict[str, Pass]:
    """Each operation on every image, from Pillow's picture to Pillow's picture."""
    pictures = [Image.fromarray(image) for image in images]
    size_px = images.shape[1]
    drawn = draw_views(0, 0, range(len(images)), level="phone")
    affines, curves = drawn.affines(size_px), augment.tone_curves(drawn)

    def each(change: Callable[[Image.Image, int], object]) -> Pass:
        return lambda _: [change(picture, i) for i, picture in enumerate(pictures)]

    return {
        "draw": lambda epoch: draw_views(0, epoch, range(len(images)), level="phone"),
        "to Pillow": lambda _: [Image.fromarray(image) for image in images],
        "from Pillow": each(lambda picture, _: np.asarray(picture)),
        "geometry": each(lambda picture, i: augment.moved(picture, affines[i])),
        "tone": each(lambda picture, i: augment.toned(picture, curves[i])),
        "saturation": each(lambda picture, _: augment.saturated(picture, 0.8)),
        "blur": each(lambda picture, _: augment.blurred(picture, 0.005 * size_px)),
        "motion": each(
            lambda picture, _: augment.smeared(picture, np.array([0.0, 0.015 * size_px]))
        ),
        "noise": each(lambda picture, i: augment.noisy(picture, 5.0, i)),
        "JPEG 75": each(lambda picture, _: augment.compressed(picture, 75)),
        "erasing": each(lambda picture, _: augment.erased(picture, np.array([0.2, 0.2, 0.2, 0.2]))),
        "unchanged": lambda _: augment.show_views(images, unchanged_views(len(images))),
    }


def two_threads(images: Images, workers: ThreadPoolExecutor) -> dict[str, Pass]:
    half = len(images) // 2
    parts = (range(half), range(half, len(images)))

    def together(level: str) -> Pass:
        return lambda epoch: list(workers.map(lambda rows: show(images, rows, level, epoch), parts))

    return {level: together(level) for level in LEVELS if level != "none"}


def seconds(passes: dict[str, Pass], repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """CPU time of this thread and wall time of each pass, the median of several.

    The passes take turns; the first turn does not count.
    """
    cpu: dict[str, list[float]] = {name: [] for name in passes}
    wall: dict[str, list[float]] = {name: [] for name in passes}
    for epoch in range(repeats + 1):
        for name, one_pass in passes.items():
            started, started_cpu = time.perf_counter(), time.thread_time()
            one_pass(epoch)
            cpu[name].append(time.thread_time() - started_cpu)
            wall[name].append(time.perf_counter() - started)
    cpu_s, wall_s = (
        {name: statistics.median(times[1:]) for name, times in taken.items()}
        for taken in (cpu, wall)
    )
    return cpu_s, wall_s


def read(folder: Path, size_px: int) -> Images:
    places = sorted(folder.rglob("*.jpg"))
    chosen = places[:: max(1, len(places) // N_PHOTOS)][:N_PHOTOS]
    return np.stack([letterbox(decode_photo(p.read_bytes()), size_px) for p in chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--photos", type=Path, default=data / "clothing" / "train")
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--step_ms", type=float, default=90.0)
    arguments = parser.parse_args()
    images = read(arguments.photos, arguments.size)
    with ThreadPoolExecutor(max_workers=2) as workers:
        levels, operations = level_passes(images), operation_passes(images)
        threads = {f"{k}, 2": v for k, v in two_threads(images, workers).items()}
        cpu_s, wall_s = seconds({**levels, **operations, **threads}, arguments.repeats)
    ms = {name: cpu_s[name] / len(images) * 1000 for name in (*levels, *operations)}
    lines = [
        f"{len(images)} photos, {arguments.size} px, {os.cpu_count()} cores",
        f"{'level':12}{'ms an image':>12}{'of a step':>11}{'2 threads':>11}{'wanted ms':>11}",
    ]
    for name in levels:
        twice = f"{wall_s[name] / wall_s[two]:.2f} x" if (two := f"{name}, 2") in wall_s else ""
        wanted = WANTED_MS.get(name, "")
        lines.append(
            f"{name:12}{ms[name]:12.3f}{ms[name] / arguments.step_ms:11.1%}{twice:>11}{wanted:>11}"
        )
    lines += ["", f"{'operation':12}{'ms an image':>12}{'of a step':>11}"]
    lines += [f"{k:12}{ms[k]:12.3f}{ms[k] / arguments.step_ms:11.1%}" for k in operations]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
