"""The command `run`: the pipeline on this machine, and its files in one folder."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from edgedistill import logs
from edgedistill.arguments import read_run_arguments
from edgedistill.console import Console
from edgedistill.output_folder import folder_bytes, work_folder

DO_NOT_SHIP_STATUS = 3
"""Exit status of a run that is whole but for its bundle: the gate holds the model back."""


def command(words: Sequence[str]) -> int:
    """Runs the pipeline on this machine and leaves its files in --output_dir.

    Gives 0, or `DO_NOT_SHIP_STATUS` where min_top1 or max_regression was not met.
    """
    started = datetime.now(UTC)
    wanted = read_run_arguments(words)
    logs.configure("WARNING")

    from edgedistill import reuse
    from edgedistill.before_run import check_before_run

    keys = check_before_run(wanted.settings, wanted.output_dir, overwrite=wanted.overwrite)

    from edgedistill.graph import build
    from edgedistill.local_run import run_pipeline
    from edgedistill.outputs import collect, may_ship

    console = Console(sys.stdout)
    work = work_folder(wanted.output_dir)
    finished = run_pipeline(
        build("local"),
        wanted.settings,
        work_dir=work,
        console=console,
        step_keys=keys,
        without_effect=reuse.WITHOUT_EFFECT,
    )
    summary = collect(finished, wanted.output_dir, wanted.settings, started)
    console.text("\n" + "\n".join(summary))
    console.text(f"\nReport: {wanted.output_dir / 'report.html'}")
    console.text(
        f"The steps' folders ({folder_bytes(work) / 1e6:.0f} MB) stay in {work} "
        "for the next run; delete them as you like."
    )
    return 0 if may_ship(wanted.output_dir) else DO_NOT_SHIP_STATUS
