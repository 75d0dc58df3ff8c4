import importlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgedistill.scan.workers import Lost, WorkersFailedError, map_in_order
from tests.scan import worker_functions as work
from tests.scan.child_processes import children

REPOSITORY = Path(__file__).parents[2]
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")


def wait_until(is_so: Callable[[], bool], within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """No process, no zombie, no open file is there after the test that was not before."""
    processes, n_files = children(), open_files()
    yield
    assert children() == processes
    assert open_files() == n_files


def test_results_come_in_the_order_of_the_items():
    squares = list(map_in_order(work.square_odd_first, range(60), n_workers=2))
    assert squares == [n * n for n in range(60)]


def test_no_items_give_no_results_and_start_nothing():
    before = children()
    assert list(map_in_order(work.sleep, [])) == []
    assert children() == before


@needs_proc
def test_endless_items_are_taken_a_few_at_a_time(nothing_is_left):
    taken = itertools.count()
    results = map_in_order(work.square_odd_first, taken, n_workers=2)
    assert list(itertools.islice(results, 50)) == [n * n for n in range(50)]
    # 50 were given; 2 a worker and 16 may be under way.
    assert next(taken) <= 50 + 2 * 2 + 16
    results.close()


def test_a_slow_source_does_not_hold_results_back():
    taken: list[int] = []
    n_taken_before: list[int] = []  # of each result

    def items() -> Iterator[int]:
        for number in range(10, 22):
            taken.append(number)
            yield number
            time.sleep(0 if n_taken_before else 0.3)

    for result in map_in_order(work.fail_at_3, items(), n_workers=1):
        n_taken_before.append(len(taken))
        assert result == 9 + len(n_taken_before)
    # There is room for all 12; the first result comes long before the last is taken.
    assert n_taken_before[0] < 12


@needs_proc
@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (signal.SIGKILL, "the process that worked on it was killed (signal 9): out of memory?"),
        (signal.SIGSEGV, "the process that worked on it was killed (signal 11)"),
        (SystemExit(3), "the process that worked on it ended with status 3"),
    ],
    ids=["killed", "segfault", "exit"],
)
def test_a_worker_that_dies_costs_its_one_item(fate, reason, nothing_is_left):
    items = [1, 2, 3, fate, 5, 6, 7, 8]
    results = list(map_in_order(work.meet_fate, items, n_workers=1))
    assert [str(r) for r in results[:3] + results[4:]] == ["1", "2", "3", "5", "6", "7", "8"]
    assert results[3] == Lost(fate, reason)


@needs_proc
def test_a_worker_that_is_killed_between_items_costs_none(nothing_is_left):
    before = children()
    results = map_in_order(work.meet_fate, range(60), n_workers=1)
    some = list(itertools.islice(results, 40))  # every slot was in use by now
    time.sleep(0.8)  # the worker has answered what it had, and the parent has not looked
    (worker,) = children() - before
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not is_running(worker))
    assert [*some, *results] == list(range(60))


def test_deaths_with_a_success_between_them_do_not_end_it():
    kill = signal.SIGKILL
    results = list(map_in_order(work.meet_fate, [*[kill] * 11, 1, *[kill] * 11, 2], n_workers=1))
    assert [r for r in results if not isinstance(r, Lost)] == [1, 2]
    assert len(results) == 24


@needs_proc
def test_twenty_deaths_in_a_row_end_it(nothing_is_left):
    results = map_in_order(work.meet_fate, itertools.repeat(signal.SIGSEGV), n_workers=2)
    with pytest.raises(WorkersFailedError, match=r"20 worker.*in a row.*\(signal 11\)"):
        for _ in results:
            pass


@needs_proc
def test_workers_that_cannot_start_end_it(tmp_path, monkeypatch, nothing_is_left):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "decoder_of_today.py").write_text("def read(item):\n    return item\n")
    read = importlib.import_module("decoder_of_today").read
    (tmp_path / "decoder_of_today.py").write_text("raise ImportError('no decoder here, none')\n")
    with pytest.raises(WorkersFailedError, match="no decoder here"):
        list(map_in_order(read, range(5), n_workers=1))


@needs_proc
def test_an_item_that_takes_too_long_is_lost(nothing_is_left):
    items = [0.0, 60.0, 0.01]
    results = list(map_in_order(work.sleep, items, n_workers=1, timeout_s=0.8))
    assert results == [0.0, Lost(60.0, "took more than 0.8 s"), 0.01]


def test_a_decoder_that_never_gives_the_interpreter_back_is_ended():
    items = ["a", "a" * 60 + "b", "ab"]
    results = list(map_in_order(work.keep_the_interpreter, items, n_workers=1, timeout_s=0.8))
    assert results == ["a", Lost(items[1], "took more than 0.8 s"), "ab"]


def test_waiting_for_a_turn_is_no_time_taken():
    # One worker, 0.2 s each: the last of 8 waits 1.4 s. The parent then is away for 1.5 s.
    results = map_in_order(work.own_pid, [0.2] * 8, n_workers=1, timeout_s=0.9)
    first = next(results)
    time.sleep(1.5)
    assert [first, *results] == [first] * 8


def test_an_error_of_the_function_is_raised_in_its_turn():
    results = map_in_order(work.fail_at_3, [1, 2, 3, 4], n_workers=1)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(LookupError, match="three") as caught:
        next(results)
    assert "worker_functions.py" in caught.value.__notes__[0]
    assert 'raise LookupError("three")' in caught.value.__notes__[0]


def test_an_error_that_cannot_be_sent_is_told_in_words():
    results = map_in_order(work.fail_with_an_error_that_cannot_be_sent, [1], n_workers=1)
    with pytest.raises(RuntimeError, match="TwoArgumentsError: nothing at all"):
        next(results)


@needs_proc
def test_an_error_of_the_source_passes_through(nothing_is_left):
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more photos")

    with pytest.raises(LookupError, match="no more photos"):
        list(map_in_order(work.fail_at_3, items(), n_workers=1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux heeds the limit")
def test_an_item_that_needs_too_much_memory_is_lost():
    items = [100, 400, 150]
    results = list(map_in_order(work.take_memory, items, n_workers=1, max_memory_bytes=200 * 2**20))
    assert results == [100, Lost(400, "needs more memory than 200 MiB"), 150]
    assert list(map_in_order(work.take_memory, items, n_workers=1)) == items


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told")
def test_a_worker_keeps_a_pictures_memory_for_the_next_but_no_more_than_a_bound():
    items = [0, 192, 192, 1600, 0]
    results = np.array(list(map_in_order(work.use_memory, items, n_workers=1)))
    (start_mib, first_mib, again_mib, _, end_mib), (_, first_faults, again_faults, *_) = results.T
    assert again_faults < first_faults / 4
    assert again_mib == pytest.approx(first_mib, abs=16)
    assert first_mib > start_mib + 100
    assert end_mib < start_mib + 256 + 64


def test_arrays_come_back_as_they_were_and_stay_until_the_next_is_asked_for():
    for expected in map(work.arrays, range(60)):
        if expected[0] == 0:
            results = map_in_order(work.arrays, range(60), n_workers=2)
        number, arrays, text = next(results)  # type: ignore[misc]
        if number % 20 == 5:
            time.sleep(0.1)  # the workers fill every slot that they may
        assert (number, text) == (expected[0], expected[2])
        assert [a.dtype for a in arrays] == [a.dtype for a in expected[1]]
        assert all(map(np.array_equal, arrays, expected[1]))
        # In shared memory: not copied, and nobody may write there.
        assert not any(a.flags.owndata or a.flags.writeable for a in arrays)


@pytest.mark.parametrize("length", [0, 4096, 4097, 3_000_000])
def test_arrays_that_do_not_fit_their_slot_come_all_the_same(length):
    results = list(map_in_order(work.as_long, [length] * 3, n_workers=1, array_bytes=4096))
    assert [len(r) for r in results] == [length] * 3  # type: ignore[arg-type]
    assert np.array_equal(results[-1], work.as_long(length))  # type: ignore[arg-type]


def test_large_items_and_large_results_do_not_block_each_other():
    items = [str(n % 10) * 300_000 for n in range(10)]
    done: list[object] = []
    mapping = map_in_order(work.double, items, n_workers=1)
    thread = threading.Thread(target=lambda: done.extend(mapping), daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert done == [item * 2 for item in items]


def test_few_items_start_one_worker_and_many_start_all():
    assert len(set(map_in_order(work.own_pid, [0.01] * 5, n_workers=4))) == 1
    assert len(set(map_in_order(work.own_pid, [0.01] * 150, n_workers=2))) == 2


def test_a_slow_item_does_not_hold_those_behind_it(tmp_path):
    # 18 items for 2 workers: if half of them waited behind item 0, it would see 9 at most.
    items = [(str(tmp_path), number) for number in range(18)]
    assert all(map_in_order(work.wait_for_others, items, n_workers=2))


@needs_proc
def test_closing_early_ends_the_workers_at_once(nothing_is_left):
    # They hold the interpreter: no thread of theirs sees that the parent has gone on.
    results = map_in_order(work.keep_the_interpreter, ["a", *["a" * 60 + "b"] * 40], n_workers=2)
    assert next(results) == "a"
    time.sleep(0.5)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 4


PARENT = """
from edgedistill.scan.workers import map_in_order
from tests.scan.worker_functions import tell_pid_and_wait

if __name__ == "__main__":
    next(map_in_order(tell_pid_and_wait, [{place!r}], n_workers=1))
"""


def start_parent(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process in a group of its own with one worker, and that worker's id."""
    place, script = folder / "pid", folder / "parent.py"
    script.write_text(PARENT.format(place=str(place)))
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(place.exists)
    worker = int(place.read_text())
    assert is_running(worker)
    return parent, worker


@needs_proc
def test_workers_end_when_their_parent_is_killed(tmp_path):
    parent, worker = start_parent(tmp_path)
    parent.kill()
    _, stderr = parent.communicate(timeout=20)
    wait_until(lambda: not is_running(worker), within_s=5)
    assert stderr == ""


@needs_proc
def test_ctrl_c_ends_parent_and_workers_with_one_traceback(tmp_path):
    parent, worker = start_parent(tmp_path)
    os.kill(worker, signal.SIGINT)
    time.sleep(0.5)
    assert is_running(worker)  # the parent says when it is over
    os.killpg(parent.pid, signal.SIGINT)
    _, stderr = parent.communicate(timeout=20)
    assert not is_running(worker)
    assert stderr.count("Traceback") == 1
    assert stderr.splitlines()[-1] == "KeyboardInterrupt"


def test_what_decoders_write_to_stderr_is_not_shown(capfd):
    assert list(map_in_order(work.complain, ["TIFFReadDirectory: Warning"])) == [
        "TIFFReadDirectory: Warning"
    ]
    assert capfd.readouterr().err == ""
