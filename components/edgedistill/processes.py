"""A child process whose output is seen as it comes, and which leaves nothing behind.

The child leads a process group of its own: whatever it starts ends with it, also when this process
is told to stop, and also when it is killed.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

GRACE_S = 25.0
"""How long a group may take to end after SIGTERM, to save its state, before it is killed."""

_TOLD_AFTER_S = 1.0
# A shell: it costs a millisecond, and is neither of the group nor of the terminal's.
_GUARDIAN = """\
read -r _ <&1  # ends when nobody holds the other end any more
kill -s TERM -- "-$1"
{ sleep "$2"; kill -s KILL -- "-$1"; } <&- &
cat >/dev/null  # what the group still says: it must not fail to write before it has saved
kill "$!"
"""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\n|$)")


class Interrupted(BaseException):
    """The user or the system asked this process to stop; the exit status is 128 + `signum`."""

    def __init__(self, signum: int):
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class _StopSignals:
    """Raises `Interrupted` on the first stop signal, but never while a child is being started.

    Between the fork and the return of Popen nobody could end the child. Later signals are ignored,
    so that they do not cut short what the first one set off.
    """

    def __init__(self) -> None:
        self._held = False
        self._received: int | None = None

    def receive(self, signum: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received = signum
            if not self._held:
                raise Interrupted(signum)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Puts a signal that arrives in the block off until `deliver`."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def deliver(self) -> None:
        """Raises for a signal that arrived while they were held."""
        if self._received is not None:
            raise Interrupted(self._received)

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Takes the stop signals over for the length of the block."""
        self._received = None
        # One that is ignored already stays so: nohup lets a run outlive its terminal.
        heeded = [s for s in _STOP_SIGNALS if signal.getsignal(s) is not signal.SIG_IGN]
        before = {s: signal.signal(s, self.receive) for s in heeded}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            self._received = None


_stop_signals = _StopSignals()
stop_signals_raise = _stop_signals.caught
stop_signals_held = _stop_signals.held
deliver_stop_signals = _stop_signals.deliver


class Lines:
    """Cuts raw output into lines, and tells a line from a progress bar that overwrites itself.

    `on_line` gets every line that ends in a line feed; `on_progress` the state of a bar, which
    ends in a carriage return and is never kept.
    """

    def __init__(self, on_line: Callable[[str], None], on_progress: Callable[[str], None]):
        self._on_line = on_line
        self._on_progress = on_progress
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes, cut anywhere."""
        text = self._rest + chunk
        start = 0
        for end in _LINE_END.finditer(text):
            line = text[start : end.start()].decode("utf-8", errors="replace")
            if end.group() == b"\r":
                self._show(line)
            else:
                self._on_line(line)
            start = end.end()
        self._rest = text[start:]
        self._show(self._rest.decode("utf-8", errors="replace").rstrip("\r"))

    def close(self) -> None:
        """Hands on what is left, a line without an end."""
        if self._rest.strip():
            self._on_line(self._rest.decode("utf-8", errors="replace").rstrip("\r"))
        self._rest = b""

    def _show(self, state: str) -> None:
        if state.strip():
            self._on_progress(state)


def run_logged(
    command: Sequence[str],
    environment: Mapping[str, str],
    lines: Lines,
    on_wait: Callable[[], None] = lambda: None,
) -> int:
    """Runs `command` in a group of its own and hands its output to `lines`; gives its exit status.

    However this call ends, nothing of the group is left running; where this process is killed,
    the group is asked to end, as by a stop signal.

    Args:
        command: program and arguments.
        environment: all variables of the child.
        lines: gets the output, in another thread.
        on_wait: called where the group, asked to end, takes its time.

    Raises:
        Interrupted: a stop signal came (where `stop_signals_raise` is in force).
        OSError: the command cannot be started, or its output cannot be written on.
    """
    with _stop_signals.held():
        process, guardian = _start(command, environment)
    reader = _Reader(process, lines)
    try:
        reader.start()
        _stop_signals.deliver()
        status = process.wait()
    finally:
        with _stop_signals.held():
            _end_group(process, reader, on_wait)
            guardian.dismiss()
    _stop_signals.deliver()
    if reader.error is not None:
        raise reader.error
    return status


class _Reader(threading.Thread):
    """Reads a child's output while the main thread waits, where signals arrive."""

    def __init__(self, process: subprocess.Popen[bytes], lines: Lines):
        super().__init__(daemon=True)
        self._process = process
        self._lines = lines
        self.error: Exception | None = None

    def run(self) -> None:
        output = self._process.stdout
        if output is None:  # Popen was asked for a pipe
            return
        with output:
            try:
                while chunk := output.read(65536):
                    self._lines.feed(chunk)
                self._lines.close()
            except (OSError, ValueError) as error:  # a full disk, a closed terminal: end the child
                self.error = error
                _signal_group(self._process, signal.SIGTERM)
                while output.read(65536):  # or it could not say, and so not save, anything more
                    pass


class _Guardian:
    """A process that ends the group should this one be killed, which could not do so itself.

    It holds our end of the group's output too, and the end of a pipe that nobody ever writes to.
    """

    def __init__(self, process: subprocess.Popen[bytes]):
        its_end, self._our_end = os.pipe()
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDIAN, "guardian", str(process.pid), f"{GRACE_S:.0f}"],
                stdin=process.stdout,
                stdout=its_end,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._our_end)
            raise
        finally:
            os.close(its_end)

    def dismiss(self) -> None:
        """Ends it, its task done."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._our_end)


def _start(
    command: Sequence[str], environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], _Guardian]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
        bufsize=0,
    )
    try:
        return process, _Guardian(process)
    except BaseException:
        _signal_group(process, signal.SIGKILL)
        process.wait()
        raise


def _end_group(
    process: subprocess.Popen[bytes], reader: _Reader, on_wait: Callable[[], None]
) -> None:
    """Ends what is left of the group: asked first, then killed; returns when its output ended."""
    _signal_group(process, signal.SIGTERM)
    if not _has_ended(process, reader, _TOLD_AFTER_S):
        with contextlib.suppress(OSError, ValueError):  # a closed terminal
            on_wait()
        _has_ended(process, reader, GRACE_S - _TOLD_AFTER_S)
    _signal_group(process, signal.SIGKILL)
    _has_ended(process, reader, GRACE_S)


def _has_ended(process: subprocess.Popen[bytes], reader: _Reader, within_s: float) -> bool:
    """Whether the child has, and whoever of its group holds the pipe: a shell does not wait."""
    until = time.monotonic() + within_s
    try:
        process.wait(timeout=within_s)
    except subprocess.TimeoutExpired:
        return False
    if reader.ident is not None:
        reader.join(timeout=max(0.0, until - time.monotonic()))
    return not reader.is_alive()


def _signal_group(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signum)
