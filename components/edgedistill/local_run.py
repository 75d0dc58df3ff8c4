"""The pipeline on this machine: kfp.local, mended where it would corrupt paths or leave orphans.

KFP runs a step as a subprocess and decides by its cache whether it must run at all. Two functions
of its subprocess runner are replaced while a pipeline runs, which is why kfp is pinned:

- `replace_python_executable` puts the interpreter in place of every "python3" it meets, also in
  the paths of a user's folders; ours does so in the one argument that starts the step.
- `run_local_subprocess` prints a step's output when its pipe is full, leaves the step running when
  this process is stopped, and forgets why it failed; ours does none of that.
"""

import contextlib
import fcntl
import io
import shlex
import shutil
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import kfp
from kfp import local
from kfp.local import graph_utils, pipeline_orchestrator, subprocess_task_handler

from edgedistill.checkpoints import PLACE_VARIABLE
from edgedistill.console import Console
from edgedistill.errors import EdgedistillError, StorageError
from edgedistill.runs import STEP_RECORD, FinishedRun
from edgedistill.steps import StepDone, Steps

KFP_VERSION = "2.17.0"

_STARTS_STEP = "kfp.dsl.executor_main"
_KEY_VARIABLE = "EDGEDISTILL_REUSE_KEY"
_LOCK_FILE = ".edgedistill.lock"
_CHECKPOINTS = "checkpoints"


def run_pipeline(
    pipeline: Any,
    arguments: Mapping[str, Any],
    *,
    work_dir: Path,
    console: Console,
    step_keys: Mapping[str, str],
    without_effect: Collection[str] = (),
    step_done: StepDone | None = None,
) -> FinishedRun:
    """Runs a KFP pipeline here, reusing finished steps of earlier runs in `work_dir`.

    After success `work_dir` holds the steps of this run alone, whichever run did them; before, it
    holds the states of trainings too, from which the same run goes on.

    Args:
        pipeline: what `@dsl.pipeline` makes; each of its steps must be among its outputs.
        arguments: a value for each parameter without a default.
        work_dir: where the steps' folders and the cache are kept; made if it is not there.
        step_keys: by step, a text that changes when the step must be redone though its settings
            and its inputs are the same.
        without_effect: parameters, with a default, on which no result depends: they reach the
            steps beside KFP, so that another value of theirs redoes none.
        step_done: called after each step that is not reused; what it raises ends the run.

    Raises:
        StepFailedError: a step failed; what it finished with is in its log.
        StepStoppedError: a step was ended by SIGTERM, though this run was not.
        EdgedistillError: another version of kfp is installed, or `work_dir` is in use.
    """
    if kfp.__version__ != KFP_VERSION:
        raise EdgedistillError(
            f"local runs need kfp {KFP_VERSION}; got {kfp.__version__}: "
            f"pip install kfp=={KFP_VERSION}"
        )
    spec = _with_keys(pipeline.pipeline_spec, step_keys)
    name = spec.pipeline_info.name
    with locked(work_dir):
        _remove_steps(work_dir, name, keep=_is_finished)  # the rest of runs that failed
        order = [_step_name(t) for t in graph_utils.topological_sort_tasks(spec.root.dag.tasks)]
        states = work_dir.absolute() / _CHECKPOINTS
        steps = Steps(
            order[::-1],
            console,
            environment={PLACE_VARIABLE: str(states)},
            parameters={name: v for name, v in arguments.items() if name in without_effect},
            step_done=step_done,
        )
        compared = {name: v for name, v in arguments.items() if name not in without_effect}
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(work_dir),
            enable_caching=True,
        )
        with _mended(steps), _silent():
            outputs = pipeline_orchestrator.run_local_pipeline(spec, compared)
        artifacts = {output: Path(artifact.uri) for output, artifact in outputs.items()}
        folders = {step: artifacts[output].parent for output, step in _producers(spec).items()}
        used = set(folders.values())
        _remove_steps(work_dir, name, keep=used.__contains__)  # a disk would fill unseen
        shutil.rmtree(states, ignore_errors=True)  # all trainings have ended
    return FinishedRun(artifacts, steps.finish(folders))


@contextlib.contextmanager
def locked(work_dir: Path) -> Iterator[None]:
    """Keeps a second run out of `work_dir`, which is made; ends with the process at the latest.

    Raises:
        StorageError: another run is at work there, it holds something else, or it cannot be made.
    """
    if work_dir.exists() and not work_dir.is_dir():
        raise StorageError(
            f"{work_dir} is wanted as a folder for the steps but is a file; move it away."
        )
    if work_dir.exists() and not (work_dir / _LOCK_FILE).is_file() and any(work_dir.iterdir()):
        raise StorageError(
            f"{work_dir} is wanted for the steps' folders but holds something else; "
            "move it away, or choose another --output_dir."
        )
    try:
        work_dir.mkdir(parents=True, exist_ok=True)
        opened = (work_dir / _LOCK_FILE).open("w")
    except OSError as error:
        raise StorageError(f"{work_dir} cannot be written: {error.strerror}.") from None
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another run is at work in {work_dir}; wait for it, or choose another "
                "--output_dir."
            ) from None
        yield


def _interpreter_in_place(full_command: list[str], new_executable: str) -> list[str]:
    """The command with the interpreter in the one argument that starts the step, quoted."""
    place = next(i for i, argument in enumerate(full_command) if _STARTS_STEP in argument)
    command = list(full_command)
    command[place] = command[place].replace("python3", shlex.quote(new_executable))
    return command


@contextlib.contextmanager
def _mended(steps: Steps) -> Iterator[None]:
    """Replaces the two functions of KFP for the length of the block."""
    handler = subprocess_task_handler
    before = handler.replace_python_executable, handler.run_local_subprocess
    handler.replace_python_executable = _interpreter_in_place
    handler.run_local_subprocess = steps.run
    try:
        yield
    finally:
        handler.replace_python_executable, handler.run_local_subprocess = before


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Swallows what KFP itself prints, logs and warns of; our console keeps the real stdout."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _with_keys(spec: Any, step_keys: Mapping[str, str]) -> Any:
    """A copy of the pipeline in which each step's key is part of what KFP's cache compares."""
    keyed = type(spec)()
    keyed.CopyFrom(spec)
    for component in keyed.components.values():
        executor = keyed.deployment_spec["executors"][component.executor_label]
        step = _step_name(component.executor_label.removeprefix("exec-"))
        executor["container"]["env"] = [{"name": _KEY_VARIABLE, "value": step_keys.get(step, "")}]
    return keyed


def _producers(spec: Any) -> dict[str, str]:
    """For each output of the pipeline, the step that gives it."""
    return {
        name: _step_name(output.artifact_selectors[0].producer_subtask)
        for name, output in spec.root.dag.outputs.artifacts.items()
    }


def _step_name(task_name: str) -> str:
    return task_name.replace("-", "_")


def _remove_steps(work_dir: Path, pipeline_name: str, keep: Callable[[Path], bool]) -> None:
    """Removes the folders of steps of earlier runs, but those to keep."""
    for folder in work_dir.glob(f"{pipeline_name}-*/*/"):
        if not keep(folder):
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # not empty: it holds steps that are kept
            folder.parent.rmdir()


def _is_finished(step_folder: Path) -> bool:
    return (step_folder / STEP_RECORD.name).is_file()
