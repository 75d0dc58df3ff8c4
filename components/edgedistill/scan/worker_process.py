"""What runs in a worker process: items come in, results go out; `workers` is the other side."""

import contextlib
import mmap
import os
import pickle
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

ALIGNMENT_BYTES = 64
BEGUN_BYTES = ALIGNMENT_BYTES
"""How a slot begins: its first byte is not 0 once a worker has begun on the item."""

START_LIMIT_S = 60
_LONGEST_NOTE = 100_000


@dataclass(frozen=True, slots=True)
class Setup:
    """The first message to a worker: what it does with items, and within which bounds."""

    function: bytes
    timeout_s: float
    max_memory_bytes: int | None
    slot_bytes: int
    n_slots: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has loaded the function and waits for items."""


@dataclass(frozen=True, slots=True)
class CannotStart:
    """The worker could not load the function: the traceback."""

    trace: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, pickled; the arrays in it lie in the item's slot, one after the other.

    `array_bytes`: their lengths; each begins at a multiple of `ALIGNMENT_BYTES`.
    """

    pickled: bytes
    array_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised: a bug."""

    error: Exception


@dataclass(frozen=True, slots=True)
class MemoryRanOut:
    """The function needed more memory than the worker may have."""


Message = Ready | CannotStart | Answer | Raised | MemoryRanOut


def array_places(array_bytes: Sequence[int]) -> list[slice]:
    """Where arrays of these lengths lie in a slot."""
    places = []
    start = BEGUN_BYTES
    for length in array_bytes:
        places.append(slice(start, start + length))
        start += -(-length // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    return places


def serve(items_fd: int, results_fd: int, slots_fd: int) -> None:
    """Answers items until the parent closes its end of their pipe, or is gone.

    Args:
        items_fd: pipe that the setup and then the items come from.
        results_fd: pipe that messages go to.
        slots_fd: file of shared memory.
    """
    # The kernel ends this process at the alarm, even in a decoder that never comes back.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    items = Connection(items_fd, writable=False)
    threading.Thread(target=_receive, args=(items, received), daemon=True).start()
    results = Connection(results_fd, readable=False)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        _serve(received, results, slots_fd)


def _receive(items: Connection, received: queue.SimpleQueue[bytes]) -> None:
    """Takes what comes, also while an item is worked on; ends the process when the pipe closes.

    So the parent never waits to hand over, and its end, of whatever kind, is seen at any time.
    """
    with contextlib.suppress(EOFError, OSError):
        while True:
            received.put(items.recv_bytes())
    os._exit(1)


def _serve(received: queue.SimpleQueue[bytes], results: Connection, slots_fd: int) -> None:
    setup: Setup = pickle.loads(received.get())
    try:
        with _alarm_after(START_LIMIT_S):
            function: Callable[[Any], object] = pickle.loads(setup.function)
            slots = memoryview(mmap.mmap(slots_fd, setup.n_slots * setup.slot_bytes))
            _limit_memory(setup.max_memory_bytes)
    # Whatever keeps a worker from starting is told to the parent, which raises it.
    except Exception:  # noqa: BLE001
        _send(results, CannotStart(traceback.format_exc()))
        return
    _send(results, Ready())
    _silence_libraries()
    while True:
        number, item = pickle.loads(received.get())
        start = number * setup.slot_bytes
        slot = slots[start : start + setup.slot_bytes]
        slot[0] = 1
        with _alarm_after(setup.timeout_s):
            message = _answer(function, item, slot)
        _send(results, message)
        del item, message  # large ones are not kept while the next item comes


def _silence_libraries() -> None:
    """Decoders write to stderr what they think of damaged files; what matters comes back."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)


def _send(results: Connection, message: Message) -> None:
    results.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


@contextlib.contextmanager
def _alarm_after(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(max_memory_bytes: int | None) -> None:
    """Bounds what may be mapped beyond what is now: code, libraries and the shared slots.

    Only Linux: macOS has the limit by name but does not heed it.
    """
    if max_memory_bytes is None or sys.platform != "linux":
        return
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        mapped_bytes = int(file.read().split()[0]) * resource.getpagesize()
    limit = mapped_bytes + max_memory_bytes
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _answer(function: Callable[[Any], object], item: object, slot: memoryview) -> Message:
    try:
        return _packed(function(item), slot)
    except MemoryError:
        return MemoryRanOut()
    # The parent raises it in its turn.
    except Exception as error:  # noqa: BLE001
        return Raised(_portable(error))


def _packed(result: object, slot: memoryview) -> Answer:
    """The result with its arrays copied into the slot, or all in one where they do not fit."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(result, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    array_bytes = tuple(array.nbytes for array in arrays)
    places = array_places(array_bytes)
    if places and places[-1].stop > len(slot):
        return Answer(pickle.dumps(result, pickle.HIGHEST_PROTOCOL), ())
    for place, array in zip(places, arrays, strict=True):
        slot[place] = array
    return Answer(pickled, array_bytes)


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or what it says where it cannot be sent."""
    trace = "".join(traceback.format_exception(error))[-_LONGEST_NOTE:]
    try:
        sent: Exception = pickle.loads(pickle.dumps(error))
    # An error may refuse to be pickled, or to be made again, with any error of its own.
    except Exception:  # noqa: BLE001
        sent = RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note(f"in a worker process:\n{trace}")
    return sent
