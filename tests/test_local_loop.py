"""Local runs of a pipeline with a loop over a fixed list: its rounds are steps like the others."""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgedistill.console import Console
from edgedistill.local_run import run_pipeline
from edgedistill.runs import FinishedRun
from edgedistill.steps import StepFailedError
from tests.test_local_run import RUN_TOY, Asleep, is_alive, wait_until
from tests.toy_pipeline import toy_loop

NAMES = ["part 1 of 3", "part 2 of 3", "part 3 of 3", "join"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "out.work"


def run_loop(
    work: Path, how: str = "well", keys: Mapping[str, str] | None = None
) -> tuple[FinishedRun, str]:
    shown = io.StringIO()
    run = run_pipeline(
        toy_loop,
        {"text": "p", "how": how},
        work_dir=work,
        console=Console(shown),
        step_keys=keys or {},
        without_effect={"how"},
    )
    return run, shown.getvalue()


def reused(run: FinishedRun) -> list[str]:
    return [step.name for step in run.steps if step.reused]


def test_rounds_are_shown_one_by_one_and_collected_in_their_order(work: Path) -> None:
    run, shown = run_loop(work)
    done = r" +done in \d+\.\d s\n"
    headings = [rf"\[{number}/4\] {name}\n" for number, name in enumerate(NAMES, start=1)]
    assert re.fullmatch(done.join(headings) + done, shown)
    assert run.artifacts["joined"].read_text(encoding="utf-8") == "p0 p1 p2"
    assert [step.name for step in run.steps] == NAMES
    assert len({step.folder for step in run.steps}) == 4
    assert set(run.artifacts) == {"joined"}


def test_rounds_are_reused_and_a_changed_key_redoes_them_all(work: Path) -> None:
    run_loop(work, keys={"part": "old code"})
    assert reused(run_loop(work, keys={"part": "old code"})[0]) == NAMES
    assert reused(run_loop(work, keys={"part": "new code"})[0]) == []
    assert len(list(work.glob("toy-loop-*/"))) == 1
    assert len(list(work.glob("toy-loop-*/*-iteration-*/part/parted"))) == 3


def test_a_round_whose_folder_was_deleted_is_redone_and_what_is_behind_it(work: Path) -> None:
    run_loop(work)
    next(work.glob("toy-loop-*/*-iteration-1/part/parted")).unlink()
    second, _ = run_loop(work)
    assert reused(second) == ["part 1 of 3", "part 3 of 3"]
    assert second.artifacts["joined"].read_text(encoding="utf-8") == "p0 p1 p2"


def test_a_round_that_fails_says_why_and_no_other_is_begun(work: Path) -> None:
    shown = io.StringIO()
    with pytest.raises(StepFailedError) as failed:
        run_pipeline(
            toy_loop, {"text": "p", "how": "refuse 1"}, work_dir=work, console=Console(shown),
            step_keys={}, without_effect={"how"},
        )  # fmt: skip
    assert str(failed.value) == "part 2 of 3 failed: part 1 has no photos."
    assert failed.value.user_can_mend
    assert "part 3 of 3" not in shown.getvalue()
    run, _ = run_loop(work)
    assert reused(run) == ["part 1 of 3"]
    assert not failed.value.log.exists()


def test_a_stop_ends_the_round_and_its_children(work: Path, tmp_path: Path) -> None:
    script = RUN_TOY.replace("import toy\n", "import toy_loop\n").replace(
        "run_pipeline(toy,", "run_pipeline(toy_loop,"
    )
    with Asleep(work, tmp_path / "pid", script=script) as run:
        run.process.terminate()
        assert run.process.wait(timeout=20) == 143
        wait_until(lambda: not is_alive(run.child))
