"""The pipeline on this machine: kfp.local, mended where it would corrupt paths or leave orphans.

KFP runs a step as a subprocess and decides by its cache whether it must run at all. Four functions
of it are replaced while a pipeline runs, which is why kfp is pinned:

- `replace_python_executable` puts the interpreter in place of every "python3" it meets, also in
  the paths of a user's folders; ours does so in the one argument that starts the step.
- `run_local_subprocess` prints a step's output when its pipe is full, leaves the step running when
  this process is stopped, and forgets why it failed; ours does none of that.
- `execute_parallel_tasks` runs a loop's steps in threads: two at once, each of which would take all
  cores; a stop reaches neither, and a failure's reason is lost. Ours runs one after the other.
- `LocalCache.get` tells nobody which folders it takes outputs from; ours notes them.
"""

import contextlib
import fcntl
import shlex
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import kfp
from kfp import local
from kfp.local import cache, pipeline_orchestrator, subprocess_task_handler
from kfp.local.orchestrator import enhanced_dag_orchestrator
from kfp.local.status import Status

from edgedistill.checkpoints import PLACE_VARIABLE
from edgedistill.console import Console
from edgedistill.errors import EdgedistillError, StorageError
from edgedistill.local_graph import ROUND, Source, for_this_machine, planned_steps, sources_of
from edgedistill.quiet_kfp import kfp_silenced
from edgedistill.runs import STEP_RECORD, FinishedRun
from edgedistill.steps import StepDone, Steps

KFP_VERSION = "2.17.0"

_STARTS_STEP = "kfp.dsl.executor_main"
_LOCK_FILE = ".edgedistill.lock"
_CHECKPOINTS = "checkpoints"


class Place(Protocol):
    """Where the steps of a run are started."""

    def runner(self) -> Any:
        """KFP's own description of it."""
        ...

    def starting(self, steps: Steps) -> contextlib.AbstractContextManager[None]:
        """Lets `steps` start them, for the length of the block, in place of functions of KFP."""
        ...


class _Processes:
    """The steps as processes of this Python."""

    def runner(self) -> Any:
        return local.SubprocessRunner(use_venv=False)

    @contextlib.contextmanager
    def starting(self, steps: Steps) -> Iterator[None]:
        handler = subprocess_task_handler
        before = handler.replace_python_executable, handler.run_local_subprocess
        handler.replace_python_executable = _interpreter_in_place
        handler.run_local_subprocess = steps.run
        try:
            yield
        finally:
            handler.replace_python_executable, handler.run_local_subprocess = before


def run_pipeline(
    pipeline: Any,
    arguments: Mapping[str, Any],
    *,
    work_dir: Path,
    console: Console,
    step_keys: Mapping[str, str],
    without_effect: Collection[str] = (),
    step_done: StepDone | None = None,
    sources: Mapping[str, Source] | None = None,
    place: Place | None = None,
) -> FinishedRun:
    """Runs a KFP pipeline here, reusing finished steps of earlier runs in `work_dir`.

    After success `work_dir` holds the steps of this run alone, whichever run did them; before, it
    holds the states of trainings too, from which the same run goes on.

    Args:
        pipeline: what `@dsl.pipeline` makes, or a compiled file as KFP loads it. What serves a
            cluster alone is left out: retries, and exit tasks, which ask Kubernetes.
        arguments: a value for each parameter without a default.
        work_dir: where the steps' folders and the cache are kept; made if it is not there.
        step_keys: by step, a text that changes when the step must be redone though its settings
            and its inputs are the same.
        without_effect: parameters, with a default, on which no result depends: they reach the
            steps beside KFP, so that another value of theirs redoes none.
        step_done: called after each step that is not reused; what it raises ends the run.
        sources: the artifacts of the finished run, by name; None: the pipeline's own outputs.
        place: where the steps run; None: in this Python.

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
    spec = for_this_machine(pipeline.pipeline_spec, step_keys)
    name = spec.pipeline_info.name
    place = place or _Processes()
    with locked(work_dir):
        _remove_steps(work_dir, name, keep=_is_finished)  # the rest of runs that failed
        states = work_dir.absolute() / _CHECKPOINTS
        steps = Steps(
            dict(planned_steps(spec, spec.root.dag.tasks)),
            console,
            environment={PLACE_VARIABLE: str(states)},
            parameters={name: v for name, v in arguments.items() if name in without_effect},
            step_done=step_done,
        )
        compared = {name: v for name, v in arguments.items() if name not in without_effect}
        local.init(place.runner(), pipeline_root=str(work_dir), enable_caching=True)
        with (
            place.starting(steps),
            _rounds_in_order(),
            _reused_folders() as reused,
            kfp_silenced(),
        ):
            pipeline_orchestrator.run_local_pipeline(spec, compared)
        finished = steps.finish(reused)
        folders = {step.name: step.folder for step in finished}
        used = set(folders.values())
        _remove_steps(work_dir, name, keep=used.__contains__)  # a disk would fill unseen
        shutil.rmtree(states, ignore_errors=True)  # all trainings have ended
    wanted = sources_of(pipeline.pipeline_spec) if sources is None else sources
    artifacts = {name: folders[s.step] / s.output for name, s in wanted.items()}
    return FinishedRun(artifacts, finished)


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
def _rounds_in_order() -> Iterator[None]:
    """Has KFP run the rounds of a loop one after another: side by side they share all cores."""
    loops = enhanced_dag_orchestrator.ParallelExecutor
    before = loops.execute_parallel_tasks
    loops.execute_parallel_tasks = _one_after_another
    try:
        yield
    finally:
        loops.execute_parallel_tasks = before


def _one_after_another(
    _executor: Any, tasks: list[tuple[str, Any]], parallelism_limit: int = 0, **context: Any
) -> tuple[dict[str, Any], Any]:
    """Runs the rounds of a loop in order. Has the signature of the function that it replaces."""
    outputs = {}
    for name, task in tasks:
        # A step that fails raises.
        outputs[name], _ = enhanced_dag_orchestrator.execute_task(
            task_name=name, task_spec=task, **context
        )
        for key, output in outputs[name].items():
            context["io_store"].put_task_output(name, key, output)
    return outputs, Status.SUCCESS


@contextlib.contextmanager
def _reused_folders() -> Iterator[set[Path]]:
    """Fills with the folders that the outputs of steps lie in which KFP's cache spares."""
    folders: set[Path] = set()
    before = cache.LocalCache.get

    def get(self: Any, key: str) -> Any:
        outputs = before(self, key)
        folders.update(Path(artifact.uri).parent for artifact in (outputs or {}).values())
        return outputs

    cache.LocalCache.get = get
    try:
        yield folders
    finally:
        cache.LocalCache.get = before


def _remove_steps(work_dir: Path, pipeline_name: str, keep: Callable[[Path], bool]) -> None:
    """Removes the folders of steps of earlier runs, but those to keep."""
    for run in work_dir.glob(f"{pipeline_name}-*/"):
        _remove_steps_below(run, keep)


def _remove_steps_below(folder: Path, keep: Callable[[Path], bool]) -> None:
    for inner in folder.glob("*/"):
        if ROUND in inner.name:
            _remove_steps_below(inner, keep)
        elif not keep(inner):
            shutil.rmtree(inner)
    with contextlib.suppress(OSError):  # not empty: it holds steps that are kept
        folder.rmdir()


def _is_finished(step_folder: Path) -> bool:
    return (step_folder / STEP_RECORD.name).is_file()
