"""What the workers of test_workers.py do: a light module, because each of them imports it."""

import os
import re
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def square_odd_first(number: int) -> int:
    time.sleep(0.02 if number % 2 == 0 else 0)
    return number * number


def own_pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def meet_fate(item: object) -> object:
    """Ends this process as the item says, or gives the item back."""
    if isinstance(item, signal.Signals):
        os.kill(os.getpid(), item)
    if isinstance(item, SystemExit):
        os._exit(item.code)  # type: ignore[arg-type]
    return item


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def keep_the_interpreter(text: str) -> str:
    """For years, and no other thread has its turn."""
    re.match(r"(a+)+$", text)
    return text


class TwoArgumentsError(Exception):
    """Cannot be made again from what pickle keeps."""

    def __init__(self, what: str, where: str):
        super().__init__(f"{what} at {where}")


def fail_at_3(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return number


def fail_with_an_error_that_cannot_be_sent(number: int) -> int:
    raise TwoArgumentsError("nothing", "all")


def take_memory(n_mib: int) -> int:
    return len(bytearray(n_mib * 2**20)) // 2**20


def use_memory(n_mib: int) -> tuple[int, int]:
    """In pieces of 16 MiB, as Pillow does, all given back at the end.

    Returns:
        MiB that this process holds then, and page faults that using it took.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [np.ones(16 * 2**20, np.uint8) for _ in range(n_mib // 16)]
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    pieces.clear()
    resident_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return resident_pages * resource.getpagesize() // 2**20, faults


Arrays = tuple[int, list[NDArray[Any]], str]


def arrays(number: int) -> Arrays:
    """Two arrays whose length in bytes is no multiple of anything, and one turned around."""
    generator = np.random.default_rng(number)
    first = generator.integers(0, 256, (7, 5, 3), np.uint8)
    return number, [first, generator.random(11), first.T], f"number {number}"


def as_long(length: int) -> NDArray[np.uint8]:
    return np.arange(length, dtype=np.uint8)


def double(text: str) -> str:
    return text * 2


def tell_pid_and_wait(place: str) -> None:
    unfinished = Path(place + ".unfinished")
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(place)
    time.sleep(60)


def wait_for_others(task: tuple[str, int]) -> bool:
    """Item 0 waits for ten others to be done; whether it saw them."""
    folder, number = Path(task[0]), task[1]
    if number:
        (folder / str(number)).touch()
        return True
    for _ in range(1000):
        if len(list(folder.iterdir())) >= 10:
            return True
        time.sleep(0.01)
    return False


def complain(text: str) -> str:
    """As a decoder in C does of a damaged file."""
    os.write(2, text.encode())
    return text
