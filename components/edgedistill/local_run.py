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
from typing import Any, NamedTuple, Protocol

import kfp
from kfp import local
from kfp.local import cache, graph_utils, pipeline_orchestrator, subprocess_task_handler

from edgedistill.checkpoints import PLACE_VARIABLE
from edgedistill.console import Console
from edgedistill.errors import EdgedistillError, StorageError
from edgedistill.inner_inputs import declare_inner_inputs
from edgedistill.runs import STEP_RECORD, FinishedRun
from edgedistill.steps import StepDone, Steps

KFP_VERSION = "2.17.0"

_STARTS_STEP = "kfp.dsl.executor_main"
_KEY_VARIABLE = "EDGEDISTILL_REUSE_KEY"
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


class Source(NamedTuple):
    """Where an output of a pipeline comes from: a step, and what that calls it."""

    step: str
    output: str


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
    spec = _for_this_machine(pipeline.pipeline_spec, step_keys)
    name = spec.pipeline_info.name
    place = place or _Processes()
    with locked(work_dir):
        _remove_steps(work_dir, name, keep=_is_finished)  # the rest of runs that failed
        states = work_dir.absolute() / _CHECKPOINTS
        steps = Steps(
            _order(spec, spec.root.dag),
            console,
            environment={PLACE_VARIABLE: str(states)},
            parameters={name: v for name, v in arguments.items() if name in without_effect},
            step_done=step_done,
        )
        compared = {name: v for name, v in arguments.items() if name not in without_effect}
        local.init(place.runner(), pipeline_root=str(work_dir), enable_caching=True)
        with place.starting(steps), _reused_folders() as reused, _silent():
            pipeline_orchestrator.run_local_pipeline(spec, compared)
        folders = {**reused, **steps.folders}
        used = set(folders.values())
        _remove_steps(work_dir, name, keep=used.__contains__)  # a disk would fill unseen
        shutil.rmtree(states, ignore_errors=True)  # all trainings have ended
    wanted = sources_of(pipeline) if sources is None else sources
    artifacts = {name: folders[s.step] / s.output for name, s in wanted.items()}
    return FinishedRun(artifacts, steps.finish(folders))


def sources_of(pipeline: Any) -> dict[str, Source]:
    """Where the outputs of a pipeline come from, by name."""
    found = {}
    for name, output in pipeline.pipeline_spec.root.dag.outputs.artifacts.items():
        (selector,) = output.artifact_selectors
        found[name] = Source(_step_name(selector.producer_subtask), selector.output_artifact_key)
    return found


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
def _reused_folders() -> Iterator[dict[str, Path]]:
    """Fills, by step that KFP's cache spares, the folder that its outputs lie in."""
    folders: dict[str, Path] = {}
    before = cache.LocalCache.get

    def get(self: Any, key: str) -> Any:
        outputs = before(self, key)
        for artifact in (outputs or {}).values():
            folder = Path(artifact.uri).parent
            folders[_step_name(folder.name)] = folder
        return outputs

    cache.LocalCache.get = get
    try:
        yield folders
    finally:
        cache.LocalCache.get = before


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Swallows what KFP itself prints, logs and warns of; our console keeps the real stdout."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _for_this_machine(spec: Any, step_keys: Mapping[str, str]) -> Any:
    """A copy of the pipeline in which each step's key is part of what KFP's cache compares.

    Retries are left out, as KFP obeys them here, waiting included, and so are exit tasks.
    """
    fitted = type(spec)()
    fitted.CopyFrom(spec)
    declare_inner_inputs(fitted)
    components = fitted.components
    for dag in (fitted.root.dag, *(c.dag for c in components.values() if c.HasField("dag"))):
        for name, task in list(dag.tasks.items()):
            task.ClearField("retry_policy")
            if any(p.HasField("task_final_status") for p in task.inputs.parameters.values()):
                del dag.tasks[name]
    for component in components.values():
        if component.HasField("dag"):
            continue
        container = fitted.deployment_spec["executors"][component.executor_label]["container"]
        step = _step_name(component.executor_label.removeprefix("exec-"))
        key = {"name": _KEY_VARIABLE, "value": step_keys.get(step, "")}
        container["env"] = [*(dict(v) for v in container.get_or_create_list("env")), key]
    return fitted


def _order(spec: Any, dag: Any) -> list[str]:
    """The steps in the order in which KFP runs them, those of graphs inside graphs in line."""
    order = []
    for name in graph_utils.topological_sort_tasks(dag.tasks)[::-1]:
        inner = spec.components[dag.tasks[name].component_ref.name]
        order += _order(spec, inner.dag) if inner.HasField("dag") else [_step_name(name)]
    return order


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
