"""letterbox.h under sanitizers on random photos for a given time, compared with Pillow.

Needs gcc with its sanitizers. Run from the repository's root:

    python -m tests.benchmarks.fuzz_letterbox_h [seconds] [seed]

Sides from 1 to 1,500 px, targets from 1 to 1,024, up to 64 bytes behind each row; noise, extremes,
checkerboards and even areas. Ends with the first photo whose pixels differ or that a sanitizer
stops at; it is told by its seed, batch and sizes. Then the header's time is put beside that of
Pillow (two resizes on a picture of Pillow's, as in training), at -O2 and -O3 -march=native.

Seen on 2026-11-22 (2 cores, shared with other work; gcc 12.2, Pillow 13.0; 240 s, seed 1):
16,400 photos, 1,205 million pixels of squares, all equal, no word from a sanitizer; and in 900 s,
seed 7: 184,800 photos, 13,923 million pixels, the same.

    photo          flags              header ms  Pillow ms  ratio
     200 x  200    -O2                     0.43       0.57   0.76
     480 x  640    -O2                     1.23       1.64   0.75
    3000 x 4000    -O2                    51.68      63.14   0.82
     200 x  200    -O3 -march=native       0.29       0.56   0.52
     480 x  640    -O3 -march=native       1.03       1.68   0.61
    3000 x 4000    -O3 -march=native      22.27      62.62   0.36
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from edgedistill.core.letterbox import letterbox
from tests.calibrate.bundle.letterbox_builds import (
    SANITIZED,
    Case,
    Library,
    drive,
    program,
    random_photo,
)

BATCH = 100
LONGEST_PX = 1500
LARGEST_TARGET = 1024


def main(seconds: float = 300.0, seed: int = 1) -> None:
    """Prints what was compared, then the table of times."""
    with tempfile.TemporaryDirectory() as folder:
        driver = program("letterbox_driver.c", Path(folder) / "driver", *SANITIZED)
        n_photos, n_pixels = _fuzz(driver, seconds, seed)
        print(f"{n_photos} photos, {n_pixels / 1e6:.0f} million pixels of squares: all equal")  # noqa: T201
        print("photo          flags              header ms  Pillow ms  ratio")  # noqa: T201
        for flags in (("-O2",), ("-O3", "-march=native")):
            _time(Library(Path(folder) / f"{len(flags)}.so", *flags), " ".join(flags))


def _fuzz(driver: Path, seconds: float, seed: int) -> tuple[int, int]:
    """How many photos, and pixels of their squares, were compared."""
    n_photos, n_pixels, batch = 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        cases = _cases(np.random.default_rng([seed, batch]))
        said = drive([driver], b"".join(case.for_driver() for case in cases))
        _compare(said, cases, f"seed {seed}, batch {batch}")
        n_photos += len(cases)
        n_pixels += sum(case.target**2 for case in cases)
        batch += 1
    return n_photos, n_pixels


def _cases(rng: np.random.Generator) -> list[Case]:
    return [
        Case(
            random_photo(rng, LONGEST_PX),
            int(np.exp(rng.uniform(0, np.log(LARGEST_TARGET + 1)))),
            int(rng.integers(65)),
        )
        for _ in range(BATCH)
    ]


def _compare(said: bytes, cases: list[Case], where: str) -> None:
    place = 0
    for case in cases:
        answer = case.answer()
        if said[place : place + len(answer)] != answer:
            raise SystemExit(f"{where}: {case.photo.shape} to {case.target} px differs")
        place += len(answer)
    if place != len(said):
        raise SystemExit(f"{where}: {len(said) - place} bytes too many")


def _time(library: Library, flags: str) -> None:
    for height, width in ((200, 200), (480, 640), (3000, 4000)):
        photo = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = Image.fromarray(photo)
        ours, pillows = [], []
        for _ in range(9):  # in turn, so that both see the same machine
            start = time.perf_counter()
            library.letterbox(photo, 240)
            between = time.perf_counter()
            letterbox(picture, 240)
            ours.append(between - start)
            pillows.append(time.perf_counter() - between)
        ratio = min(ours) / min(pillows)
        times = f"{min(ours) * 1e3:9.2f}{min(pillows) * 1e3:11.2f}{ratio:7.2f}"
        print(f"{height:4} x {width:4}    {flags:18} {times}")  # noqa: T201


if __name__ == "__main__":
    main(*[kind(text) for kind, text in zip((float, int), sys.argv[1:], strict=False)])
