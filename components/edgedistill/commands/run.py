"""The command `run`: the pipeline on this machine, and its files in one folder."""

import dataclasses
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edgedistill import logs
from edgedistill.arguments import DOCKER, RunArguments, read_run_arguments
from edgedistill.console import Console
from edgedistill.machine import gpu_names
from edgedistill.output_folder import folder_bytes, work_folder
from edgedistill.runs import FinishedRun

DO_NOT_SHIP_STATUS = 3
"""Exit status of a run that is whole but for its bundle: the gate holds the model back."""

_COMPILED = Path(__file__).parents[3] / "manifests" / "pipeline.yaml"


def command(words: Sequence[str]) -> int:
    """Runs the pipeline on this machine and leaves its files in --output_dir.

    Gives 0, or `DO_NOT_SHIP_STATUS` where min_top1 or max_regression was not met.
    """
    started = datetime.now(UTC)
    wanted = read_run_arguments(words)
    logs.configure("WARNING")

    console = Console(sys.stdout)
    run = run_in_containers if wanted.runner == DOCKER else run_here
    finished = run(wanted, console)

    from edgedistill.outputs import collect, may_ship

    work = work_folder(wanted.output_dir)
    summary = collect(finished, wanted.output_dir, wanted.settings, started)
    console.text("\n" + "\n".join(summary))
    console.text(f"\nReport: {wanted.output_dir / 'report.html'}")
    console.text(
        f"The steps' folders ({folder_bytes(work) / 1e6:.0f} MB) stay in {work} "
        "for the next run; delete them as you like."
    )
    return 0 if may_ship(wanted.output_dir) else DO_NOT_SHIP_STATUS


def run_here(wanted: RunArguments, console: Console) -> FinishedRun:
    """Runs the steps as processes of this Python."""
    from edgedistill import reuse
    from edgedistill.before_run import check_before_run

    keys = check_before_run(wanted.settings, wanted.output_dir, overwrite=wanted.overwrite)

    from edgedistill.graph import LOCAL, build
    from edgedistill.local_run import run_pipeline

    return run_pipeline(
        build(LOCAL),
        wanted.settings,
        work_dir=work_folder(wanted.output_dir),
        console=console,
        step_keys=keys,
        without_effect=reuse.WITHOUT_EFFECT,
    )


def misses_gpus(gpu_count: object, n_gpus: int, *, in_reach: bool) -> bool:
    """Whether trainings in containers compute on the CPU though the machine has GPUs.

    With another `gpu_count` than auto they have none to miss, or refuse to begin.
    """
    return gpu_count == "auto" and n_gpus > 0 and not in_reach


def run_in_containers(wanted: RunArguments, console: Console) -> FinishedRun:
    """Runs the compiled pipeline in containers of its image.

    Raises:
        EdgedistillError: there is no engine, or no image in it.
    """
    from edgedistill.docker_run import Containers, Engine, compiled_pipeline, images_of

    pipeline = compiled_pipeline(_COMPILED)
    engine = Engine()
    (image,) = (engine.image(name) for name in images_of(pipeline))

    from edgedistill import reuse
    from edgedistill.before_run import check_before_run
    from edgedistill.container_places import container_places

    keys = check_before_run(
        wanted.settings, wanted.output_dir, overwrite=wanted.overwrite, downloads=False
    )

    from edgedistill.graph import LOCAL, build
    from edgedistill.local_graph import sources_of
    from edgedistill.local_run import run_pipeline

    work = work_folder(wanted.output_dir)
    places = container_places(wanted.settings)
    if misses_gpus(wanted.settings["gpu_count"], len(gpu_names()), in_reach=engine.gives_gpus):
        console.text(
            "Trainings compute on the CPU: the Docker engine has no runtime called nvidia."
        )
    finished = run_pipeline(
        pipeline,
        wanted.settings,
        work_dir=work,
        console=console,
        step_keys={step: f"{key} {image.digest}" for step, key in keys.items()},
        without_effect=reuse.WITHOUT_EFFECT,
        sources=sources_of(build(LOCAL).pipeline_spec),
        place=Containers(engine, image, places, work),
    )
    return dataclasses.replace(finished, environment=image.environment)
