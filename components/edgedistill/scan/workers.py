"""A function mapped over many items by processes on all cores, in order and in flat memory."""

import math
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from edgedistill.machine import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

_IN_FLIGHT_PER_WORKER = 4
_LEAST_ITEMS_PER_WORKER = 16


class WorkerDiedError(RuntimeError):
    """A worker process was killed; `item` is the first one without a result."""

    def __init__(self, item: object):
        super().__init__(f"a worker process died at or after {item!r}")
        self.item = item


def map_in_order(
    function: Callable[[Item], Result], items: Sequence[Item], *, n_workers: int | None = None
) -> Generator[Result, None, None]:
    """Yields results in the order of the items, with only a few items a worker under way.

    Args:
        function: can be pickled.
        items: can be pickled.
        n_workers: None: one a core that this process may use.

    Raises:
        WorkerDiedError: a worker ended without a result, such as for want of memory.
    """
    wanted = n_workers or min(available_cores(), math.ceil(len(items) / _LEAST_ITEMS_PER_WORKER))
    # Never a plain fork: this process may hold threads, and a fork copies their locks.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    pool = ProcessPoolExecutor(max(1, wanted), mp_context=context, initializer=_prepare_worker)
    under_way: deque[Future[Result]] = deque()
    n_done = 0
    try:
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) >= wanted * _IN_FLIGHT_PER_WORKER:
                yield under_way.popleft().result()
                n_done += 1
        while under_way:
            yield under_way.popleft().result()
            n_done += 1
    except BrokenProcessPool:
        raise WorkerDiedError(items[n_done]) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    """Leaves Ctrl-C to the parent, and ends this process when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
