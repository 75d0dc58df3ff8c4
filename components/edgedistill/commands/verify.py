"""The command `verify`: a finished run again, held against the first."""

import contextlib
import sys
from collections.abc import Sequence

from edgedistill import logs
from edgedistill.arguments import read_verify_arguments
from edgedistill.console import Console
from edgedistill.steps import StepFailedError, StepStoppedError


def command(words: Sequence[str]) -> int:
    """Repeats a run beside it, as far as it agrees; gives 0 where all of it does, 1 elsewhere."""
    wanted = read_verify_arguments(words)
    logs.configure("WARNING")

    from edgedistill.before_run import check_data, check_pretrained
    from edgedistill.verification import Comparison, Judged, RecordedRun, work_beside

    recorded = RecordedRun.read(wanted.output_dir)
    settings = recorded.settings_again(wanted.data_dir)
    check_data(settings)
    check_pretrained(settings)

    from edgedistill.graph import build
    from edgedistill.local_run import run_pipeline

    console, comparison = Console(sys.stdout), Comparison(recorded.digests)
    with work_beside(wanted.output_dir, keep=wanted.keep) as work:
        console.text("\n".join(recorded.heading(work)))
        try:
            with contextlib.suppress(Judged):
                run_pipeline(
                    build("local"),
                    settings,
                    work_dir=work,
                    console=console,
                    step_keys={},
                    step_done=comparison.step_done,
                )
        except StepFailedError as error:
            raise recorded.not_judged(str(error), error.log if wanted.keep else None) from None
        except StepStoppedError as error:
            failure, log = "a step was ended by SIGTERM.", error.log
            raise recorded.not_judged(failure, log if wanted.keep else None) from None
    console.text("\n" + "\n".join(comparison.lines(wanted.output_dir)))
    return 0 if comparison.agrees else 1
