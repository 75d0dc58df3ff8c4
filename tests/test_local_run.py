"""Local runs of a small real pipeline: real processes, real signals, real paths."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from kfp import dsl
from kfp.dsl import Model, Output

from edgedistill.checkpoints import Checkpoints
from edgedistill.console import Console
from edgedistill.errors import EdgedistillError, StorageError
from edgedistill.local_run import locked, run_pipeline
from edgedistill.runs import FinishedRun
from edgedistill.steps import StepFailedError, StepStoppedError
from tests.toy_pipeline import toy
from tests.toy_training import IDENTITY

REPOSITORY = Path(__file__).parents[1]
RUN_TOY = """
import sys
from pathlib import Path
from edgedistill.console import Console
from edgedistill.local_run import run_pipeline
from edgedistill.processes import Interrupted, stop_signals_raise
from tests.toy_pipeline import toy
work, how = sys.argv[1:]
try:
    with stop_signals_raise():
        run = run_pipeline(toy, {"text": "photo", "how": how}, work_dir=Path(work),
                           console=Console(sys.stdout), step_keys={})
        print(run.artifacts["done"].read_text())
except Interrupted as stopped:
    sys.exit(128 + stopped.signum)
"""


def run_toy(
    work: Path, how: str = "well", *, text: str = "photo", keys: Mapping[str, str] | None = None
) -> tuple[FinishedRun, str]:
    shown = io.StringIO()
    run = run_pipeline(
        toy,
        {"text": text, "how": how},
        work_dir=work,
        console=Console(shown),
        step_keys=keys or {},
    )
    return run, shown.getvalue()


def reused(run: FinishedRun) -> list[str]:
    return [step.name for step in run.steps if step.reused]


@dsl.component(base_image="toy:1", install_kfp_package=False)
def calibrate(bundle: Output[Model]) -> None:
    from pathlib import Path

    from edgedistill import logs

    logs.configure("WARNING")
    Path(bundle.path).mkdir()
    bundle.metadata["exported_to"] = "gs://shelf/größe.zip"


class Bundle(NamedTuple):
    bundle: Model


@dsl.pipeline(name="shelf")
def shelf() -> Bundle:
    return Bundle(calibrate().outputs["bundle"])


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "out.work"


def test_every_step_shows_its_number_its_lines_and_its_seconds(work: Path) -> None:
    _, shown = run_toy(work)
    assert re.fullmatch(
        r"\[1/3\] make\n +made photo\n +done in \d+\.\d s\n"
        r"\[2/3\] misbehave\n +done in \d+\.\d s\n"
        r"\[3/3\] finish\n +done in \d+\.\d s\n",
        shown,
    )


def test_a_second_run_reuses_every_step_and_keeps_the_seconds_of_the_first(work: Path) -> None:
    first, _ = run_toy(work)
    second, shown = run_toy(work)
    assert reused(first) == []
    assert reused(second) == ["make", "misbehave", "finish"]
    assert shown.count("reused from an earlier run") == 3
    assert [s.seconds for s in second.steps] == [s.seconds for s in first.steps]
    assert second.steps[0].log == "made photo\n"


def test_a_changed_key_redoes_its_step_and_those_behind_it(work: Path) -> None:
    run_toy(work, keys={"misbehave": "old weights"})
    run, _ = run_toy(work, keys={"misbehave": "new weights"})
    assert reused(run) == ["make"]


def test_what_a_step_says_of_its_artifact_lies_beside_it_also_when_reused(work: Path) -> None:
    for is_reused in (False, True):
        run = run_pipeline(shelf, {}, work_dir=work, console=Console(io.StringIO()), step_keys={})
        assert (reused(run) == ["calibrate"]) is is_reused
        assert run.metadata("bundle") == {"exported_to": "gs://shelf/größe.zip"}


def test_a_changed_setting_redoes_its_step_and_those_behind_it(work: Path) -> None:
    run_toy(work)
    run, _ = run_toy(work, how="well, too")
    assert reused(run) == ["make"]


def test_a_step_whose_folder_was_deleted_is_redone(work: Path) -> None:
    first, _ = run_toy(work)
    first.artifacts["kept"].unlink()
    second, _ = run_toy(work)
    assert reused(second) == ["make"]
    assert second.artifacts["done"].read_text(encoding="utf-8") == "PHOTO"


def test_a_failed_run_goes_on_after_its_finished_steps_and_leaves_no_rest(work: Path) -> None:
    with pytest.raises(StepFailedError) as failed:
        run_toy(work, "crash")
    run, _ = run_toy(work)
    assert reused(run) == ["make"]
    assert not failed.value.log.parent.exists()


def test_work_is_kept_until_a_run_succeeds_without_it(work: Path) -> None:
    first, _ = run_toy(work)
    with pytest.raises(StepFailedError):
        run_toy(work, "crash", text="another photo")
    assert reused(run_toy(work)[0]) == ["make", "misbehave", "finish"]
    second, _ = run_toy(work, text="another photo")
    assert not any(path.exists() for path in first.artifacts.values())
    assert all(path.exists() for path in second.artifacts.values())
    assert len(list(work.glob("toy-*"))) == 1


def test_an_error_to_mend_is_one_sentence_and_told_from_a_crash(work: Path) -> None:
    with pytest.raises(StepFailedError) as failed:
        run_toy(work, "refuse")
    sentence = "class 'cup' has 2 images; a split needs at least 3."
    assert str(failed.value) == f"misbehave failed: {sentence}"
    assert failed.value.user_can_mend
    assert failed.value.log.read_text(encoding="utf-8") == f"{sentence}\n"


def test_a_crash_keeps_its_traceback_in_the_log_and_off_the_console(work: Path) -> None:
    shown = io.StringIO()
    with pytest.raises(StepFailedError) as failed:
        run_pipeline(
            toy, {"text": "a", "how": "crash"}, work_dir=work, console=Console(shown), step_keys={}
        )
    assert str(failed.value) == "misbehave failed: ValueError: shapes (2,) and (3,) differ"
    assert not failed.value.user_can_mend
    assert "Traceback" in failed.value.log.read_text(encoding="utf-8")
    assert "Traceback" not in shown.getvalue()
    assert "ephemeral_component" not in shown.getvalue()


def test_a_message_of_many_lines_fails_with_its_first(work: Path) -> None:
    with pytest.raises(StepFailedError, match=r"misbehave failed: ValueError: Detected at node$"):
        run_toy(work, "crash long")


def test_a_killed_step_names_the_signal(work: Path) -> None:
    with pytest.raises(StepFailedError, match="ended by SIGKILL; the machine may have run out"):
        run_toy(work, "killed")


def test_a_parameter_without_effect_reaches_its_step_and_redoes_none(work: Path) -> None:
    def run(how: str) -> FinishedRun:
        return run_pipeline(
            toy,
            {"text": "photo", "how": how},
            work_dir=work,
            console=Console(io.StringIO()),
            step_keys={},
            without_effect={"how"},
        )

    with pytest.raises(StepFailedError, match="class 'cup' has 2 images"):
        run("refuse")
    assert reused(run("well, too")) == ["make"]
    assert reused(run("crash")) == ["make", "misbehave", "finish"]


@pytest.mark.parametrize("folder", ["python3-images", "two words", "größe"])
def test_awkward_paths_and_texts_arrive_unharmed(tmp_path: Path, folder: str) -> None:
    text = str(tmp_path / folder / "it's $HOME")
    run, _ = run_toy(tmp_path / folder / "out.work", text=text)
    assert (run.artifacts["made"] / "text.txt").read_text(encoding="utf-8") == text


def test_an_environment_with_a_space_in_its_path_runs_steps(tmp_path: Path) -> None:
    environment = tmp_path / "my python3 env"
    environment.symlink_to(sys.prefix)
    done = subprocess.run(
        [environment / "bin" / "python", "-c", RUN_TOY, tmp_path / "out.work", "well"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("PHOTO\n")


def test_console_lines_come_while_the_step_runs(work: Path, tmp_path: Path) -> None:
    with Asleep(work, tmp_path / "pid") as run:
        assert run.output_so_far.endswith("asleep\n")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_the_step_and_its_children(
    work: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    with Asleep(work, tmp_path / "pid") as run:
        start = time.monotonic()
        run.process.send_signal(signum)
        assert run.process.wait(timeout=20) == 128 + signum
        assert time.monotonic() - start < 4
        wait_until(lambda: not is_alive(run.child))


def test_a_stopped_run_goes_on_after_its_finished_steps(work: Path, tmp_path: Path) -> None:
    with Asleep(work, tmp_path / "pid") as run:
        run.process.terminate()
        run.process.wait(timeout=20)
    finished, _ = run_toy(work)
    assert reused(finished) == ["make"]


def test_a_child_left_behind_by_a_crashed_step_is_ended(work: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailedError, match="gone"):
        run_toy(work, f"abandon {tmp_path / 'pid'}")
    child = int((tmp_path / "pid").read_text(encoding="utf-8"))
    wait_until(lambda: not is_alive(child))


def test_two_runs_do_not_share_a_work_folder(work: Path) -> None:
    with (
        locked(work),
        pytest.raises(StorageError, match=re.escape(f"another run is at work in {work}")),
    ):
        run_toy(work)
    run_toy(work)


def test_a_folder_of_the_users_is_not_taken_for_work(work: Path) -> None:
    (work / "toy-photos" / "cats").mkdir(parents=True)
    with pytest.raises(StorageError, match="holds something else"):
        run_toy(work)
    assert (work / "toy-photos" / "cats").is_dir()


def test_another_kfp_is_refused_before_anything_runs(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kfp.__version__", "2.99.0")
    with pytest.raises(EdgedistillError, match=re.escape("need kfp 2.17.0; got 2.99.0")):
        run_toy(work)
    assert not work.exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_training_saves_and_the_same_command_goes_on(
    work: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    with Training(work, tmp_path / "pid") as run:
        run.process.send_signal(signum)
        run.process.send_signal(signum)  # a second one cuts nothing short
        out, _ = run.process.communicate(timeout=20)
    assert run.process.returncode == 128 + signum
    said = out.decode()
    assert "ending; a training saves its state first, 25 s at most" in said
    epoch = stopped_in(said)
    assert_goes_on(work, tmp_path / "pid", after=epoch)


def test_a_training_saves_when_its_run_is_killed(work: Path, tmp_path: Path) -> None:
    with Training(work, tmp_path / "pid") as run:
        run.process.kill()
        run.process.wait(timeout=20)
        assert is_alive(run.step)
        # Whatever it writes has no reader from now on.
        wait_until(lambda: not is_alive(run.step))
    assert_saved_and_goes_on(work, tmp_path / "pid")


def test_a_training_saves_when_its_terminal_is_closed(work: Path, tmp_path: Path) -> None:
    with Training(work, tmp_path / "pid") as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        run.process.send_signal(signal.SIGHUP)
        run.process.wait(timeout=20)  # its status tells of what could not be written, too
        assert not is_alive(run.step)
    assert_saved_and_goes_on(work, tmp_path / "pid")


def test_a_step_without_anything_to_save_ends_with_a_killed_run(work: Path, tmp_path: Path) -> None:
    with Asleep(work, tmp_path / "pid") as run:
        run.process.kill()
        wait_until(lambda: not is_alive(run.child))


@pytest.mark.parametrize("whole_group", [False, True], ids=["the step", "its group"])
def test_a_step_that_is_stopped_by_others_is_no_crash(
    work: Path, tmp_path: Path, whole_group: bool
) -> None:
    pid_file = tmp_path / "pid"

    def stop() -> None:
        wait_until(pid_file.exists, seconds=20)
        wait_until(lambda: any((work / "checkpoints").glob("*/*.ckpt")), seconds=20)
        step = int(pid_file.read_text(encoding="utf-8"))
        if whole_group:
            os.killpg(os.getpgid(step), signal.SIGTERM)
        else:
            os.kill(step, signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(StepStoppedError) as stopped:
        run_toy(work, f"train {pid_file}")
    stopper.join()
    assert re.fullmatch(
        r"misbehave: stopped by SIGTERM in epoch \d; the same command goes on", str(stopped.value)
    )
    assert_goes_on(work, pid_file, after=stopped_in(str(stopped.value)))


def test_a_step_that_is_stopped_and_has_nothing_to_say_is_no_crash_either(
    work: Path, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"

    def stop() -> None:
        wait_until(pid_file.exists, seconds=20)
        os.killpg(os.getpgid(int(pid_file.read_text(encoding="utf-8"))), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(StepStoppedError) as stopped:
        run_toy(work, f"sleep {pid_file}")
    stopper.join()
    assert str(stopped.value) == (
        "misbehave: stopped by SIGTERM; the same command goes on after the last finished step."
    )
    assert stopped.value.log.read_text(encoding="utf-8") == "asleep\n"


def test_a_step_that_does_not_listen_is_ended_in_the_end(work: Path, tmp_path: Path) -> None:
    hasty = RUN_TOY.replace(
        "work, how", "from edgedistill import processes\nprocesses.GRACE_S = 2\nwork, how"
    )
    pid_file = tmp_path / "pid"
    with Asleep(work, pid_file, how=f"deaf {pid_file}", script=hasty) as run:
        run.process.terminate()
        start = time.monotonic()
        assert run.process.wait(timeout=20) == 143
        assert 1.5 < time.monotonic() - start < 8
        wait_until(lambda: not is_alive(run.child))


def test_what_a_training_saved_is_kept_until_a_run_succeeds(work: Path, tmp_path: Path) -> None:
    with Training(work, tmp_path / "pid") as run:
        run.process.terminate()
        run.process.wait(timeout=20)
    with pytest.raises(StepFailedError):
        run_toy(work, "crash")
    assert any((work / "checkpoints").iterdir())
    run_toy(work)
    assert not (work / "checkpoints").exists()


def stopped_in(said: str) -> int:
    """The epoch in which the toy training says that it was stopped."""
    found = re.search(r"stopped by SIGTERM in epoch (\d)", said)
    assert found, said
    return int(found[1])


def assert_saved_and_goes_on(work: Path, pid_file: Path) -> None:
    """Whether the toy training saved when it was asked to end, and goes on from there."""
    (place,) = (work / "checkpoints").iterdir()
    found = Checkpoints(str(place), IDENTITY).latest()
    assert found is not None
    assert found.progress["stopped"]
    assert_goes_on(work, pid_file, after=found.progress["epoch"])


def assert_goes_on(work: Path, pid_file: Path, *, after: int) -> None:
    """Whether the same command trains the epochs that are left, and tidies up."""
    finished, shown = run_toy(work, f"train {pid_file}")
    assert reused(finished) == ["make"]
    assert re.findall(r"epoch (\d)", shown) == [str(e) for e in range(after + 1, 5)]
    assert not (work / "checkpoints").exists()


class Asleep:
    """A toy run in a process of its own whose second step sleeps, with a child that sleeps too."""

    last_line = "asleep\n"

    def __init__(self, work: Path, pid_file: Path, how: str = "", script: str = RUN_TOY):
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(work), how or f"sleep {pid_file}"],
            cwd=REPOSITORY,
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.output_so_far = ""
        self._pid_file = pid_file
        self.child = 0

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        while not self.output_so_far.endswith(self.last_line):
            self.output_so_far += self.process.stdout.readline().decode()
            assert self.process.poll() is None, self.output_so_far
        wait_until(self._pid_file.exists)  # the step tells it last
        self.child = int(self._pid_file.read_text(encoding="utf-8"))
        assert is_alive(self.child)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=20)


class Training(Asleep):
    """A toy run in a process of its own whose second step trains, in its second epoch."""

    last_line = "epoch 1\n"

    def __init__(self, work: Path, pid_file: Path):
        super().__init__(work, pid_file, how=f"train {pid_file}")

    @property
    def step(self) -> int:
        """Its process."""
        return self.child


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(holds: Callable[[], bool], *, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
