"""A function mapped over any number of items by processes, in order and in flat memory.

A process that dies costs the one item that it was at. Pools of the standard library end with the
first process that dies, and multiprocessing imports the parent's main program into every worker
(0.75 s where that is KFP's), so the processes are our own: `worker_process` runs in them.
"""

import collections
import contextlib
import mmap
import os
import pickle
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import BinaryIO, Generic, TypeVar

from edgedistill.machine import available_cores
from edgedistill.scan.worker_process import (
    BEGUN_BYTES,
    START_LIMIT_S,
    Answer,
    CannotStart,
    MemoryRanOut,
    Message,
    Raised,
    Ready,
    Setup,
    array_places,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

# A worker has one item in hand and one in its pipe, so that it need not wait for the parent.
_UNANSWERED_PER_WORKER = 2
# Items that are read while an earlier one takes its time; each has a slot of shared memory.
_SPARE_SLOTS = 16
_WAITING_PER_WORKER = 8
_MOST_DEATHS_IN_A_ROW = 20
_EXIT_GRACE_S = 5
# Ctrl-C is the parent's matter, from the first moment on.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = sys.argv[4:]; "
    "from edgedistill.scan.worker_process import serve; serve(*map(int, sys.argv[1:4]))"
)
# A worker is one of many: threads of libraries, and heaps for them, would only take memory.
_ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MALLOC_ARENA_MAX"), "1"
)
# glibc hands a picture's memory back at once, and the kernel then zeroes it page by page for the
# next one: a third of the time of a phone's photo. From 32 MiB on it stays so; of smaller pieces
# 256 MiB are kept, or more only where a piece that is in use lies above them.
_KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # the most that glibc takes; Pillow's blocks have 16
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TOP_PAD_": str(16 * 2**20),
}
_END = object()


class WorkersFailedError(RuntimeError):
    """No worker can start, or one after the other died without a result; the message says how."""


@dataclass(frozen=True, slots=True)
class Lost(Generic[Item]):
    """An item without a result, because its worker died; `reason` is one line for the user."""

    item: Item
    reason: str


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    n_workers: int | None = None,
    timeout_s: float = 120,
    max_memory_bytes: int | None = None,
    array_bytes: int = 2**20,
) -> Generator[Result | Lost[Item], None, None]:
    """Yields results in the order of the items; at most 2 items a worker and 16 are under way.

    Arrays in a result lie in memory shared with the worker, cannot be written to, and are valid
    only until the next result is asked for: copy what shall stay.

    Few items start few workers. All workers are gone when the generator ends or is closed, and
    soon after this process has died.

    Args:
        function: can be pickled, from a module that can be imported: not the main program.
        items: can be pickled; taken one by one, when there is room for another.
        n_workers: most processes; None: one a core that this process may use.
        timeout_s: most time for one item, from when a worker began on it.
        max_memory_bytes: what a worker may map beyond what it has mapped when it is ready; more
            raises MemoryError there. Only Linux heeds it. None: no limit.
        array_bytes: size of a slot of shared memory; the arrays of a larger result are sent
            through a pipe, which is slower.

    Yields:
        What the function returned, or `Lost`: the worker was killed, took too long, or needed
        more memory than it may have.

    Raises:
        WorkersFailedError: a worker cannot start, or 20 in a row died without a result.
        Exception: what the function raised, with the worker's traceback as a note.
    """
    pool = _Pool[Item, Result](
        Setup(
            function=pickle.dumps(function),
            timeout_s=timeout_s,
            max_memory_bytes=max_memory_bytes,
            slot_bytes=-(-(BEGUN_BYTES + array_bytes) // mmap.PAGESIZE) * mmap.PAGESIZE,
            n_slots=_UNANSWERED_PER_WORKER * (n_workers or available_cores()) + _SPARE_SLOTS,
        ),
        n_workers or available_cores(),
    )
    try:
        yield from pool.results(items)
    finally:
        pool.close()


@dataclass(eq=False, slots=True)
class _Task(Generic[Item]):
    """An item under way; `outcome` is None until there is one."""

    item: Item
    slot: int
    outcome: Answer | Raised | Lost[Item] | None = None


@dataclass(eq=False, slots=True)
class _Worker(Generic[Item]):
    process: subprocess.Popen[bytes]
    items: Connection
    messages: Connection
    is_ready: bool = False
    unanswered: collections.deque[_Task[Item]] = field(default_factory=collections.deque)

    def hand(self, task: _Task[Item]) -> None:
        self.unanswered.append(task)
        _send(self.items, (task.slot, task.item))

    def end(self, grace_s: float) -> int:
        """Ends the process, after waiting `grace_s` for it to end by itself; its status."""
        self.items.close()
        self.messages.close()
        try:
            return self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _send(pipe: Connection, message: object) -> None:
    # A worker that has died is found at its other pipe; the item then goes to another one.
    with contextlib.suppress(BrokenPipeError):
        pipe.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


class _Pool(Generic[Item, Result]):
    def __init__(self, setup: Setup, n_workers: int):
        self._setup = setup
        self._n_workers = n_workers
        self._slots_file = _shared_file(setup.n_slots * setup.slot_bytes)
        self._slots = memoryview(mmap.mmap(self._slots_file.fileno(), 0))
        self._free_slots = list(reversed(range(setup.n_slots)))
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker[Item]] = []
        self._waiting: collections.deque[_Task[Item]] = collections.deque()
        self._deaths_in_a_row = 0

    def results(self, items: Iterable[Item]) -> Generator[Result | Lost[Item], None, None]:
        source = iter(items)
        under_way: collections.deque[_Task[Item]] = collections.deque()
        is_more = True
        while True:
            # One is taken for one that is given: a slow source does not hold results back.
            if is_more and self._free_slots:
                item = next(source, _END)
                is_more = item is not _END
                if is_more:
                    under_way.append(self._take(item))  # type: ignore[arg-type]
            if not under_way:
                return
            self._hand_out()
            may_wait = under_way[0].outcome is None and not (is_more and self._free_slots)
            self._receive(None if may_wait else 0)
            outcome = under_way[0].outcome
            if outcome is not None:
                self._hand_out()
                task = under_way.popleft()
                yield self._result(outcome, task.slot)
                self._free_slots.append(task.slot)

    def close(self) -> None:
        """Ends all workers at once."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.end(grace_s=_EXIT_GRACE_S)
        self._selector.close()
        self._slots_file.close()

    def _take(self, item: Item) -> _Task[Item]:
        slot = self._free_slots.pop()
        task = _Task(item, slot)
        self._waiting.append(task)
        return task

    def _hand_out(self) -> None:
        """Gives waiting items to workers with room, and starts workers for those that stay."""
        ready = [worker for worker in self._workers if worker.is_ready]
        while self._waiting and ready:
            idlest = min(ready, key=lambda worker: len(worker.unanswered))
            if len(idlest.unanswered) == _UNANSWERED_PER_WORKER:
                break
            task = self._waiting.popleft()
            self._slot(task.slot)[0] = 0  # not begun
            idlest.hand(task)
        n_starting = len(self._workers) - len(ready)
        wanted = len(self._waiting) // _WAITING_PER_WORKER - n_starting
        if self._waiting and not self._workers:
            wanted = max(1, wanted)
        for _ in range(min(wanted, self._n_workers - len(self._workers))):
            self._start_worker()

    def _slot(self, number: int) -> memoryview:
        return self._slots[number * self._setup.slot_bytes :][: self._setup.slot_bytes]

    def _start_worker(self) -> None:
        items_out, items_in = os.pipe()
        results_out, results_in = os.pipe()
        theirs = (items_out, results_in, self._slots_file.fileno())
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, *map(str, theirs), *sys.path],
                stdin=subprocess.DEVNULL,
                env=os.environ | _ONE_THREAD | _KEPT_MEMORY,
                pass_fds=theirs,
            )
        finally:
            os.close(items_out)
            os.close(results_in)
        worker: _Worker[Item] = _Worker(
            process, Connection(items_in, readable=False), Connection(results_out, writable=False)
        )
        self._workers.append(worker)
        self._selector.register(results_out, selectors.EVENT_READ, worker)
        _send(worker.items, self._setup)

    def _receive(self, timeout_s: float | None) -> None:
        for key, _ in self._selector.select(timeout_s):
            worker: _Worker[Item] = key.data
            try:
                message: Message = pickle.loads(worker.messages.recv_bytes())
            except (EOFError, OSError):
                self._replace(worker)
            else:
                self._note(worker, message)

    def _note(self, worker: _Worker[Item], message: Message) -> None:
        if isinstance(message, CannotStart):
            raise WorkersFailedError(f"a worker process cannot start:\n{message.trace}")
        if isinstance(message, Ready):
            worker.is_ready = True
            return
        self._deaths_in_a_row = 0
        task = worker.unanswered.popleft()
        if isinstance(message, MemoryRanOut):
            task.outcome = Lost(task.item, self._memory_needed())
        else:
            task.outcome = message

    def _replace(self, worker: _Worker[Item]) -> None:
        """Gives a dead worker's item up, and puts what it had not begun back to the front."""
        self._selector.unregister(worker.messages.fileno())
        self._workers.remove(worker)
        reason = self._cause_of_death(worker, worker.end(grace_s=_EXIT_GRACE_S))
        if worker.unanswered and self._slot(worker.unanswered[0].slot)[0]:
            lost = worker.unanswered.popleft()
            lost.outcome = Lost(lost.item, reason)
        self._waiting.extendleft(reversed(worker.unanswered))
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row == _MOST_DEATHS_IN_A_ROW:
            raise WorkersFailedError(
                f"{_MOST_DEATHS_IN_A_ROW} worker processes in a row ended without a result; "
                f"of the last one: {reason}"
            )

    def _cause_of_death(self, worker: _Worker[Item], status: int) -> str:
        if status == -signal.SIGALRM and not worker.is_ready:
            return f"it did not start within {START_LIMIT_S} s"
        if status == -signal.SIGALRM:
            return f"took more than {self._setup.timeout_s:g} s"
        if status == -signal.SIGKILL:
            return "the process that worked on it was killed (signal 9): out of memory?"
        if status < 0:
            return f"the process that worked on it was killed (signal {-status})"
        return f"the process that worked on it ended with status {status}"

    def _memory_needed(self) -> str:
        limit = self._setup.max_memory_bytes
        most = "there is" if limit is None else f"{limit / 2**20:,.0f} MiB"
        return f"needs more memory than {most}"

    def _result(self, outcome: Answer | Raised | Lost[Item], slot: int) -> Result | Lost[Item]:
        if isinstance(outcome, Lost):
            return outcome
        if isinstance(outcome, Raised):
            raise outcome.error
        shared = self._slot(slot).toreadonly()
        arrays = [shared[place] for place in array_places(outcome.array_bytes)]
        result: Result = pickle.loads(outcome.pickled, buffers=arrays)
        return result


def _shared_file(n_bytes: int) -> BinaryIO:
    """A file without a name, so that nothing can be left behind.

    Not in /dev/shm: containers have 64 MB of that.
    """
    if sys.platform == "linux":
        file: BinaryIO = os.fdopen(os.memfd_create("edgedistill"), "w+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    file.truncate(n_bytes)
    return file
