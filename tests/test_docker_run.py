"""Local runs in containers: what is refused without an engine, and real containers of our image."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from kfp.compiler import Compiler
from kfp.dsl import Artifact, Dataset, Input, Output, PipelineTaskFinalStatus

from edgedistill.commands.run import misses_gpus
from edgedistill.console import Console
from edgedistill.container_places import ContainerPlaces
from edgedistill.contract import BASE_IMAGE
from edgedistill.docker_run import Containers, Engine, compiled_pipeline, images_of
from edgedistill.errors import ArtifactError, EdgedistillError
from edgedistill.local_graph import Source
from edgedistill.local_run import run_pipeline
from edgedistill.runs import FinishedRun
from edgedistill.steps import StepFailedError

REPOSITORY = Path(__file__).parents[1]
COMPILED = REPOSITORY / "manifests" / "pipeline.yaml"


def run_command(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", "--runner", "docker",
         "--data_dir", "sample", "--output_dir", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **variables},
    )  # fmt: skip


def test_without_an_engine_the_command_says_so_and_makes_nothing(tmp_path: Path) -> None:
    done = run_command(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert done.returncode == 2
    assert re.fullmatch(
        r"no Docker engine answers on unix:\S+/none\.sock \(.+\): start it, name another by "
        r"DOCKER_HOST, or leave out --runner docker\.\n",
        done.stderr,
    )
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_docker_the_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['docker'] = None\n"
        "from edgedistill.docker_run import Engine\n"
        "from edgedistill.errors import EdgedistillError\n"
        "try: Engine()\n"
        "except EdgedistillError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == (
        "--runner docker needs the Python package docker: pip install 'docker>=7'.\n"
    )


def test_without_the_compiled_file_the_sentence_says_how_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"pipeline\.yaml is missing: .* compile writes it"):
        compiled_pipeline(tmp_path / "pipeline.yaml")


@pytest.mark.parametrize(
    ("gpu_count", "n_gpus", "in_reach", "misses"),
    [
        ("auto", 2, False, True),
        ("auto", 2, True, False),
        ("auto", 0, False, False),
        ("0", 2, False, False),
        ("2", 2, False, False),  # the training refuses to begin
    ],
)
def test_gpus_are_missed_where_a_run_takes_what_there_is_and_the_engine_shows_none(
    gpu_count: str, n_gpus: int, in_reach: bool, misses: bool
) -> None:
    assert misses_gpus(gpu_count, n_gpus, in_reach=in_reach) is misses


def test_the_compiled_pipeline_runs_in_the_image_of_this_version_alone() -> None:
    assert images_of(compiled_pipeline(COMPILED)) == [BASE_IMAGE]


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def read(folder: str, made: Output[Dataset]) -> None:
    import os
    import sys
    from pathlib import Path

    Path(made.path).mkdir()
    (Path(made.path) / "text.txt").write_text((Path(folder) / "in.txt").read_text())
    for place in ("/", "/opt/venv", folder):
        try:
            Path(place, "written").touch()
        except OSError as error:
            sys.stdout.write(f"{place}: {error.strerror}\n")
    capabilities = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line
    ]
    sys.stdout.write(f"user {os.getuid()} {capabilities[0].split()[1]}\n")


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def misbehave(made: Input[Dataset], how: str, kept: Output[Artifact]) -> None:
    import os
    import signal
    import sys
    import time
    from pathlib import Path

    from edgedistill import logs
    from edgedistill.errors import DatasetError

    logs.configure("INFO")
    if how == "refuse":
        raise DatasetError("class 'cup' has 2 images; a split needs at least 3.")
    if how == "crash":
        raise ValueError("shapes (2,) and (3,) differ")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how.startswith("sleep"):

        def save(signum: int, frame: object) -> None:
            Path(os.environ["EDGEDISTILL_CHECKPOINTS"]).mkdir()
            Path(os.environ["EDGEDISTILL_CHECKPOINTS"], "saved").touch()
            os._exit(143)

        signal.signal(signal.SIGTERM, save)
        sys.stdout.write("asleep\n")
        time.sleep(120)
    Path(kept.path).write_text((Path(made.path) / "text.txt").read_text().upper())


@dsl.component(base_image=BASE_IMAGE, install_kfp_package=False)
def tell(status: PipelineTaskFinalStatus) -> None:
    raise RuntimeError("asks a cluster")


@dsl.pipeline(name="contained")
def contained(folder: str, how: str = "well", memory: str = "1Gi") -> None:
    with dsl.ExitHandler(tell()):
        first = read(folder=folder).set_memory_limit(memory)
        misbehave(made=first.outputs["made"], how=how).set_retry(2, backoff_duration="60s")


RUN_CONTAINED = """
import sys
from pathlib import Path
from edgedistill.processes import Interrupted, stop_signals_raise
from tests.test_docker_run import run
compiled, folder, work, how = sys.argv[1:]
try:
    with stop_signals_raise():
        run(Path(compiled), Path(folder), Path(work), how, sys.stdout)
except Interrupted as stopped:
    sys.exit(128 + stopped.signum)
"""


def run(
    compiled: Path, folder: Path, work: Path, how: str = "well", shown: Any = None
) -> FinishedRun:
    engine = Engine()
    places = ContainerPlaces((folder,), (), {})
    return run_pipeline(
        compiled_pipeline(compiled), {"folder": str(folder), "how": how}, work_dir=work,
        console=Console(shown or io.StringIO()), step_keys={},
        sources={"made": Source("read", "made"), "kept": Source("misbehave", "kept")},
        place=Containers(engine, engine.image(BASE_IMAGE), places, work),
    )  # fmt: skip


def left_over(work: Path) -> list[Any]:
    found = {"label": f"edgedistill.work_dir={work}"}
    left: list[Any] = Engine().client.containers.list(all=True, filters=found)
    return left


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "contained.yaml"
    Compiler().compile(contained, str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "python3 ünïcode"
    folder.mkdir()
    (folder / "in.txt").write_text("photo")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    work = tmp_path / "out.work"
    yield work
    assert left_over(work) == []


@pytest.mark.container
def test_steps_run_hardened_as_this_user_and_are_reused(
    compiled: Path, folder: Path, work: Path
) -> None:
    shown = io.StringIO()
    first = run(compiled, folder, work, shown=shown)
    assert first.artifacts["kept"].read_text() == "PHOTO"
    lines = [line.strip() for line in shown.getvalue().splitlines()]
    assert lines[0] == "[1/2] read"
    assert [line for line in lines if line.endswith("Read-only file system")] == [
        f"{place}: Read-only file system" for place in ("/", "/opt/venv", folder)
    ]
    assert f"user {os.getuid()} 0000000000000000" in lines  # no capability is in force
    for path in work.rglob("*"):
        assert path.stat().st_uid == os.getuid()
    again = run(compiled, folder, work)
    assert [step.reused for step in again.steps] == [True, True]
    assert again.artifacts == first.artifacts


@pytest.mark.container
@pytest.mark.parametrize(
    ("how", "sentence", "user_can_mend"),
    [
        ("refuse", "class 'cup' has 2 images; a split needs at least 3.", True),
        ("crash", "ValueError: shapes (2,) and (3,) differ", False),
        ("killed", "it was ended by SIGKILL; the machine may have run out of memory.", False),
    ],
)
def test_a_failure_is_one_line_with_the_reason_and_not_retried(
    how: str, sentence: str, user_can_mend: bool, compiled: Path, folder: Path, work: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(StepFailedError) as caught:
        run(compiled, folder, work, how)
    assert str(caught.value) == f"misbehave failed: {sentence}"
    assert caught.value.user_can_mend is user_can_mend
    assert ("Traceback" in caught.value.log.read_text()) is (how == "crash")
    assert time.monotonic() - start < 60


@pytest.mark.container
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_lets_its_step_save_and_leaves_no_container(
    signum: signal.Signals, compiled: Path, folder: Path, work: Path
) -> None:
    words = [str(compiled), str(folder), str(work), f"sleep {signum}"]
    with subprocess.Popen(
        [sys.executable, "-c", RUN_CONTAINED, *words], stdout=subprocess.PIPE, text=True,
        cwd=REPOSITORY,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert any("asleep" in line for line in process.stdout)
        process.send_signal(signum)
        start = time.monotonic()
        rest = process.stdout.read()
    assert process.returncode == 128 + signum
    assert time.monotonic() - start < 20
    assert "ending; a training saves its state first" in rest
    assert (work / "checkpoints" / "saved").is_file()


@pytest.mark.container
def test_what_a_killed_run_left_is_ended_by_the_next(
    compiled: Path, folder: Path, work: Path
) -> None:
    words = [str(compiled), str(folder), str(work), "sleep on"]
    with subprocess.Popen(
        [sys.executable, "-c", RUN_CONTAINED, *words], stdout=subprocess.PIPE, text=True,
        cwd=REPOSITORY,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert any("asleep" in line for line in process.stdout)
        process.kill()
    assert len(left_over(work)) == 1
    finished = run(compiled, folder, work)
    assert finished.artifacts["kept"].read_text() == "PHOTO"


@pytest.mark.container
def test_an_image_that_is_not_there_is_told_with_the_command_that_builds_it() -> None:
    with pytest.raises(EdgedistillError) as caught:
        Engine().image("edgedistill-train:none")
    assert str(caught.value) == (
        "the Docker engine holds no image edgedistill-train:none; build it: docker build "
        "-f images/train/Dockerfile -t edgedistill-train:none ."
    )


@pytest.mark.container
def test_an_image_tells_what_is_in_it() -> None:
    image = Engine().image(BASE_IMAGE)
    assert image.digest.startswith("sha256:")
    assert image.environment["packages"]["tensorflow"].startswith("2.")
    assert image.environment["python"].startswith("3.11.")
