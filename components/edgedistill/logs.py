"""Logging of a step, and how it ends on an error.

Configured once, first thing in a component's body or in a command. Everything else only asks for
`logging.getLogger(__name__)`.
"""

import logging
import sys
from types import TracebackType

from edgedistill.errors import USER_ERROR_STATUS, EdgedistillError

PROGRESS_VARIABLE = "EDGEDISTILL_PROGRESS"
"""Set by a local run that shows its steps on a terminal: a step may draw a progress bar."""


def configure(log_level: str) -> None:
    """Sends our messages from `log_level` on to stdout, other packages' from WARNING on.

    From here on an `EdgedistillError` that nobody catches ends the process with its one sentence
    and exit status 2; any other error keeps its traceback and status 1.
    """
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.WARNING,
        format="%(asctime)s %(message)s"
        if log_level == "INFO"
        else "%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    logging.getLogger("edgedistill").setLevel(log_level)
    logging.captureWarnings(True)
    sys.excepthook = _end_on_error


def _end_on_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stdout.flush()
    if isinstance(error, EdgedistillError):
        print(error, flush=True)  # noqa: T201 - the last line of the step's log, as it stands
        raise SystemExit(USER_ERROR_STATUS)  # Python takes the exit status from a hook too
    sys.__excepthook__(kind, error, trace)
    first, *more = str(error).strip().splitlines() or [""]
    if more:  # TensorFlow's run over pages; who asks for the last line wants the reason
        sys.stderr.write(f"{kind.__name__}: {first}\n")
