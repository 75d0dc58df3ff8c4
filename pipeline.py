"""The edgedistill pipeline: its graph, wired once, and its command line."""

import functools
import importlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgedistill.errors import USER_ERROR_STATUS, EdgedistillError, SettingError
from edgedistill.interruption import STOPPED_STATUS
from edgedistill.processes import Interrupted, stop_signals_raise
from edgedistill.steps import StepFailedError, StepStoppedError
from edgedistill.usage import EXAMPLES, usage


@functools.cache
def build(variant: str) -> Any:
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
            status: int = module.command(words[1:], build)
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
