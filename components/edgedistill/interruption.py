"""SIGTERM in a step that has something to save: heeded by the step, but not for ever."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from types import FrameType

STOPPED_STATUS = 128 + signal.SIGTERM
"""How a process ends that SIGTERM stopped, as a shell tells it."""

STOPPED_MARK = "stopped by SIGTERM"
"""How the last line of its log begins."""

_OUTPUT = 1  # the descriptor of stdout


class Stopped(SystemExit):
    """Ends the process with status 143; the message becomes the last line of its log.

    It begins with `STOPPED_MARK`.
    """

    def __init__(self, message: str):
        super().__init__(STOPPED_STATUS)
        self.message = message

    def __str__(self) -> str:
        return self.message


class StopRequest:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        self._requested = False

    @property
    def requested(self) -> bool:
        """Whether SIGTERM came; stays so."""
        return self._requested

    def _receive(self, signum: int, frame: FrameType | None) -> None:
        self._requested = True


@contextlib.contextmanager
def heeded(saved_within_s: float = 15.0) -> Iterator[StopRequest]:
    """Leaves it to the block to end on SIGTERM: it looks at the request, saves, raises `Stopped`.

    A block that ends otherwise ends the process with it all the same. A process that is still
    there `saved_within_s` after the signal is ended hard, also while its main thread is in C++,
    where no handler of Python runs; the thread that sees to it learns of the signal by a socket.

    To be used in the main thread, and not within itself.

    Raises:
        Stopped: SIGTERM came, and the block did not raise.
    """
    request = StopRequest()
    receiver, sender = socket.socketpair()
    sender.setblocking(False)  # as set_wakeup_fd wants it
    watcher = threading.Thread(
        target=_end_late, args=(receiver, saved_within_s), name="stop", daemon=True
    )
    watcher.start()
    woken_before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    handled_before = signal.signal(signal.SIGTERM, request._receive)
    try:
        yield request
        signal.signal(signal.SIGTERM, handled_before)  # first, so that none comes in between
        if request.requested:
            raise Stopped(f"{STOPPED_MARK}; the same command goes on from the last saved state.")
    except Stopped as stopped:
        with contextlib.suppress(OSError):  # nobody may be left to read it
            print(stopped, flush=True)  # noqa: T201 - the last line of the step's log, as it stands
        raise
    finally:
        if not request.requested:  # a second one must not cut short what the first set off
            signal.signal(signal.SIGTERM, handled_before)
        signal.set_wakeup_fd(woken_before)
        sender.close()


def _end_late(receiver: socket.socket, saved_within_s: float) -> None:
    """Waits for SIGTERM or for the other end to close, and then for the process to end by itself.

    Each signal that has a handler in Python sends its number.
    """
    with receiver:  # to the end: a second signal still sends its number
        while signal.SIGTERM not in (received := receiver.recv(64)):
            if not received:
                return
        time.sleep(saved_within_s)
    os.set_blocking(_OUTPUT, False)  # nothing may hold this up
    with contextlib.suppress(OSError):
        line = (
            f"{STOPPED_MARK} and not ended by itself within {saved_within_s:g} s; the same "
            "command goes on from the last saved state.\n"
        )
        os.write(_OUTPUT, line.encode("ascii"))
    os._exit(STOPPED_STATUS)
