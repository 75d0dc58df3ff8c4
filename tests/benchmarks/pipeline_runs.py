"""Whole runs of `pipeline.py run` on clothing, as users start them: what they cost and come to."""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.clothing import CLOTHING

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """CPU seconds of all steps' processes, imports and all; wall seconds; metrics.json."""

    cpu_s: float
    wall_s: float
    metrics: dict[str, Any]


def run_on_clothing(flags: Sequence[str], *, limit: int | None = None) -> Outcome:
    """Runs the pipeline with these flags; its log goes to this process's standard error.

    Args:
        flags: of `pipeline.py run`, but for the two folders.
        limit: at most so many photos of each class in each part, for a try; None: all.

    Raises:
        SystemExit: the photos are not there, or the run failed.
    """
    if not CLOTHING.is_dir():
        raise SystemExit(f"{CLOTHING} is not there")
    with tempfile.TemporaryDirectory() as folder:
        data_dir = CLOTHING if limit is None else _few_photos(Path(folder) / "photos", limit)
        out = Path(folder) / "out"
        places = ["--data_dir", str(data_dir), "--output_dir", str(out)]
        cpu, wall = _children_cpu_s(), time.monotonic()
        done = subprocess.run(
            [sys.executable, str(ROOT / "pipeline.py"), "run", *flags, *places],
            stdout=sys.stderr, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"the run failed with status {done.returncode}")
        spent = _children_cpu_s() - cpu, time.monotonic() - wall
        return Outcome(*spent, json.loads((out / "metrics.json").read_text(encoding="utf-8")))


def _few_photos(folder: Path, limit: int) -> Path:
    """A copy of clothing with at most `limit` photos of each class in each part."""
    for label in sorted(CLOTHING.glob("*/*/")):
        target = folder / label.relative_to(CLOTHING)
        target.mkdir(parents=True)
        for photo in sorted(label.glob("*.jpg"))[:limit]:
            shutil.copy(photo, target)
    return folder


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
