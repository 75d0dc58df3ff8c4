"""The command line of edgedistill. The pipeline itself is wired in `edgedistill.graph`."""

import importlib
import sys
from collections.abc import Sequence

from edgedistill.errors import USER_ERROR_STATUS, EdgedistillError, SettingError
from edgedistill.interruption import STOPPED_STATUS
from edgedistill.processes import Interrupted, stop_signals_raise
from edgedistill.steps import StepFailedError, StepStoppedError
from edgedistill.usage import EXAMPLES, usage

COMMANDS = ("run", "verify", "compare", "compile", "publish", "submit", "recurring")
"""Each a module of `edgedistill.commands`, with a function `command`."""


_AFTER_STOP = {
    "run": "the same command goes on after the last finished step, in a training after its last "
    "finished epoch.",
    "verify": "the run's folder is as it was.",
    "compare": "no page was written or replaced.",
    "compile": "the files may be of before and after.",
    "publish": "the same command does nothing twice.",
    "submit": "a run that was started goes on, and its page in the dashboard can end it.",
    "recurring": "the same command does nothing twice.",
}


def main(words: Sequence[str]) -> int:
    """Does what the command line says; gives the exit status."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(f"{EXAMPLES}\n")
        return 0
    if "-h" in words or "--help" in words:
        sys.stdout.write(f"{usage(words[0])}\n")
        return 0
    try:
        if words[0] not in COMMANDS:
            raise SettingError(f"{words[0]} is no command; there are {', '.join(COMMANDS)}.")
        with stop_signals_raise():
            # Here and not above: what one command needs another need not wait for.
            module = importlib.import_module(f"edgedistill.commands.{words[0]}")
            status: int = module.command(words[1:])
            return status
    except EdgedistillError as error:
        return _fail(USER_ERROR_STATUS, str(error))
    except StepFailedError as error:
        status = USER_ERROR_STATUS if error.user_can_mend else 1
        return _fail(status, f"{error}\nIts log: {error.log}")
    except StepStoppedError as stopped_step:
        return _fail(STOPPED_STATUS, str(stopped_step))
    except Interrupted as stopped:
        return _fail(128 + stopped.signum, f"Stopped by {stopped}; {_AFTER_STOP[words[0]]}")


def _fail(status: int, sentence: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"{sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
