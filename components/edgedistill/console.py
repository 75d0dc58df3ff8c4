"""What a local run shows while it goes: a heading a step, its lines as they come, its seconds."""

import threading
from typing import TextIO

_INDENT = "      "
_CLEAR_LINE = "\r\x1b[K"


class Console:
    """Writes to one stream; a progress bar overwrites itself there, or is left out of a file.

    A step's output arrives in another thread than the headings.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self.is_terminal = stream.isatty()
        self._lock = threading.Lock()
        self._overwrite = False

    def heading(self, number: int, total: int, step: str) -> None:
        """Announces a step: "[2/7] split"."""
        self._write(f"[{number}/{total}] {step}\n")

    def line(self, text: str) -> None:
        """Shows a line of the step's log."""
        self._write(f"{_INDENT}{text}\n")

    def progress(self, text: str) -> None:
        """Shows the state of a bar, until the next line takes its place."""
        if self.is_terminal:
            self._write(f"{_INDENT}{text}", stays=False)

    def text(self, text: str) -> None:
        """Shows a line of the run itself."""
        self._write(f"{text}\n")

    def _write(self, text: str, *, stays: bool = True) -> None:
        shown = text.encode(self._encoding, "replace").decode(self._encoding)
        with self._lock:
            self._stream.write(f"{_CLEAR_LINE if self._overwrite else ''}{shown}")
            self._stream.flush()
            self._overwrite = not stays
