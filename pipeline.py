"""The edgedistill pipeline: its graph, wired once, and its command line."""

import contextlib
import functools
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from edgedistill import logs
from edgedistill.arguments import (
    read_compare_arguments,
    read_flags,
    read_run_arguments,
    read_verify_arguments,
)
from edgedistill.console import Console
from edgedistill.errors import USER_ERROR_STATUS, EdgedistillError, SettingError
from edgedistill.interruption import STOPPED_STATUS
from edgedistill.output_folder import folder_bytes, work_folder
from edgedistill.processes import Interrupted, stop_signals_raise
from edgedistill.steps import StepFailedError, StepStoppedError
from edgedistill.usage import EXAMPLES, usage

_REPOSITORY = Path(__file__).parent

DO_NOT_SHIP_STATUS = 3
"""Exit status of a run that is whole but for its bundle: the gate holds the model back."""


@functools.cache
def build() -> Any:
    """The pipeline as KFP's compiler and runner take it; kfp is imported here, not for --help."""
    from kfp.dsl import HTML, Dataset, Model

    from edgedistill.components import (
        calibrate,
        distiller,
        evaluate,
        qat_export,
        scan,
        split,
        teacher,
    )
    from edgedistill.contract import Parameters, pipeline

    class Outputs(NamedTuple):
        """What a local run collects its output folder from."""

        catalog: Dataset
        scan_report: HTML
        train: Dataset
        val: Dataset
        test: Dataset
        calib: Dataset
        teacher: Model
        student: Model
        tflite: Model
        predictions: Dataset
        bundle: Model

    @pipeline(name="edgedistill", display_name="edgedistill: photos to an int8 classifier")
    def edgedistill(given: Parameters) -> Outputs:
        """Turns folders of photos into an int8 TFLite image classifier for phones."""
        # KFP's compare table heads its columns "<display name> > metrics": nouns read well there.
        scanned = scan(**given.of("scan")).set_display_name("Photos")
        catalog = scanned.outputs["catalog"]

        parts = split(catalog=catalog, **given.of("split")).set_display_name("Split")
        train, val, test, calib = (
            parts.outputs[name] for name in ("train", "val", "test", "calib")
        )

        taught = teacher(train=train, val=val, **given.of("teacher"))
        taught.set_display_name("Teacher")
        teacher_model = taught.outputs["model"]

        distilled = distiller(
            train=train, val=val, teacher=teacher_model, **given.of("distiller")
        ).set_display_name("Student")
        student = distilled.outputs["model"]

        exported = qat_export(
            train=train, val=val, student=student, teacher=teacher_model, **given.of("qat_export")
        ).set_display_name("Quantised file")
        tflite = exported.outputs["tflite"]

        evaluated = evaluate(
            test=test, tflite=tflite, student=student, teacher=teacher_model, **given.of("evaluate")
        ).set_display_name("Test of the file")
        predictions = evaluated.outputs["predictions"]

        calibrated = calibrate(
            calib=calib, predictions=predictions, tflite=tflite, **given.of("calibrate")
        ).set_display_name("Threshold and bundle")

        return Outputs(
            catalog, scanned.outputs["report"], train, val, test, calib,
            teacher_model, student, tflite, predictions, calibrated.outputs["bundle"],
        )  # fmt: skip

    return edgedistill


def run(words: Sequence[str]) -> int:
    """Runs the pipeline on this machine and leaves its files in --output_dir.

    Gives 0, or `DO_NOT_SHIP_STATUS` where min_top1 or max_regression was not met.
    """
    started = datetime.now(UTC)
    wanted = read_run_arguments(words)
    logs.configure("WARNING")

    from edgedistill import reuse
    from edgedistill.before_run import check_before_run

    keys = check_before_run(wanted.settings, wanted.output_dir, overwrite=wanted.overwrite)

    from edgedistill.local_run import run_pipeline
    from edgedistill.outputs import collect, may_ship

    console = Console(sys.stdout)
    work = work_folder(wanted.output_dir)
    finished = run_pipeline(
        build(),
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


def verify(words: Sequence[str]) -> int:
    """Repeats a run beside it, as far as it agrees; gives 0 where all of it does, 1 elsewhere."""
    wanted = read_verify_arguments(words)
    logs.configure("WARNING")

    from edgedistill.before_run import check_data, check_pretrained
    from edgedistill.verification import Comparison, Judged, RecordedRun, work_beside

    recorded = RecordedRun.read(wanted.output_dir)
    settings = recorded.settings_again(wanted.data_dir)
    check_data(settings)
    check_pretrained(settings)

    from edgedistill.local_run import run_pipeline

    console, comparison = Console(sys.stdout), Comparison(recorded.digests)
    with work_beside(wanted.output_dir, keep=wanted.keep) as work:
        console.text("\n".join(recorded.heading(work)))
        try:
            with contextlib.suppress(Judged):
                run_pipeline(
                    build(),
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


def compare(words: Sequence[str]) -> int:
    """Writes a page that holds finished runs against the first of them; gives 0."""
    wanted = read_compare_arguments(words)

    from edgedistill.compare_command import write_comparison

    Console(sys.stdout).text("\n".join(write_comparison(wanted)))
    return 0


def compile_files(words: Sequence[str]) -> int:
    """Writes component.yaml of each step, manifests/pipeline.yaml, generated tables; gives 0."""
    read_flags(words, ())
    for path in compile_into(_REPOSITORY):
        sys.stdout.write(f"{path.relative_to(_REPOSITORY)}\n")
    return 0


def compile_into(repository: Path) -> list[Path]:
    """Compiles into a tree that has this repository's layout and documents; gives the files."""
    from kfp.compiler import Compiler

    from edgedistill import components, documents
    from edgedistill.settings import STEP_SETTINGS

    seven = {step: getattr(components, step) for step in STEP_SETTINGS}
    package = repository / "components" / "edgedistill"
    compiled = {repository / "manifests" / "pipeline.yaml": build()}
    compiled |= {package / step / "component.yaml": seven[step] for step in seven}
    for path, what in compiled.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Compiler().compile(what, str(path))
    return [*compiled, *documents.refresh(repository, seven)]


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run,
    "verify": verify,
    "compare": compare,
    "compile": compile_files,
}


_AFTER_STOP = {
    "run": "the same command goes on after the last finished step, in a training after its last "
    "finished epoch.",
    "verify": "the run's folder is as it was.",
    "compare": "no page was written or replaced.",
    "compile": "the files may be of before and after.",
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
            return COMMANDS[words[0]](words[1:])
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
