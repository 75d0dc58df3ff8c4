import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgedistill.scan.workers import WorkerDiedError, map_in_order


def square_later_first(number: int) -> int:
    time.sleep(0.02 if number % 2 == 0 else 0)
    return number * number


def die_at_3(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


def fail_at_3(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return number


def test_results_come_in_the_order_of_the_items():
    items = list(range(40))
    assert list(map_in_order(square_later_first, items, n_workers=2)) == [n * n for n in items]


def test_only_a_few_items_are_under_way():
    taken = []

    class Items(list[int]):
        def __iter__(self):
            for item in super().__iter__():
                taken.append(item)
                yield item

    results = map_in_order(square_later_first, Items(range(1000)), n_workers=2)
    next(results)
    assert len(taken) <= 10
    results.close()


def test_a_worker_that_dies_is_told_with_its_item():
    results = map_in_order(die_at_3, [1, 2, 3, 4], n_workers=1)
    with pytest.raises(WorkerDiedError) as caught:
        list(results)
    # The pool may break before the results of 1 and 2 have come back.
    assert caught.value.item in (1, 2, 3)


def test_an_error_of_the_function_passes_through():
    results = map_in_order(fail_at_3, [1, 2, 3, 4], n_workers=1)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(LookupError, match="three"):
        next(results)


def test_no_items_give_no_results():
    assert list(map_in_order(die_at_3, [])) == []


SCRIPT = """
import os, time
from pathlib import Path

from edgedistill.scan.workers import map_in_order


def tell_pid_and_wait(place):
    Path(place).write_text(str(os.getpid()))
    time.sleep(60)


if __name__ == "__main__":
    next(map_in_order(tell_pid_and_wait, [{place!r}], n_workers=1))
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at Linux's /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    place = tmp_path / "pid"
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT.format(place=str(place)))
    parent = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 20
    while not (place.exists() and place.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker = int(place.read_text())
    assert is_running(worker)
    parent.kill()
    parent.wait()
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
