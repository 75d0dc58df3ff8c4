"""Seconds of processor and clock, taken in turns, and what fresh processes measure."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """CPU seconds, over all threads of this process, and wall seconds."""

    cpu_s: float
    wall_s: float

    def __truediv__(self, parts: float) -> "Spent":
        return Spent(self.cpu_s / parts, self.wall_s / parts)


def timed(work: Callable[[], T]) -> tuple[T, Spent]:
    """What the work gives, and what it takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, Spent(time.process_time() - cpu, time.perf_counter() - wall)


def in_turns(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Spent]]:
    """What each way takes in each round: A B C, A B C, ...; a first round is not counted.

    That one traces graphs and fills caches.
    """
    taken: dict[str, list[Spent]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            _, took = timed(way)
            if number > 0:
                taken[name].append(took)
    return taken


def median(taken: list[Spent]) -> Spent:
    """The medians over the rounds."""
    return Spent(
        statistics.median(one.cpu_s for one in taken),
        statistics.median(one.wall_s for one in taken),
    )


def ratio(taken: Mapping[str, list[Spent]], way: str, base: str) -> Spent:
    """`way` over `base`: the median of the ratios of each round, whose noise is shared."""
    pairs = list(zip(taken[way], taken[base], strict=True))
    return median([Spent(a.cpu_s / b.cpu_s, a.wall_s / b.wall_s) for a, b in pairs])


def ratio_line(taken: Mapping[str, list[Spent]], way: str, base: str, wanted: float | None) -> str:
    """One line: `way` over `base` by CPU and by wall seconds, and what is wanted."""
    found = ratio(taken, way, base)
    line = f"{way + ' / ' + base:52}  CPU {found.cpu_s:5.2f}  wall {found.wall_s:5.2f}"
    return line if wanted is None else f"{line}  wanted at most {wanted:g}"


def in_fresh_process(module: str, *words: str) -> Any:
    """Runs `python -m module words`, whose last line is JSON; gives what that says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])
