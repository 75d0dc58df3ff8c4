"""The step teacher as a pod of KFP runs it: what it says, what is left of a pod that is taken."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.launched_step import LaunchedStep
from tests.teacher.test_step import SIZE_PX, write_splits

pytestmark = pytest.mark.slow

LAUNCHER_ENDED_OF_SIGTERM = -15


class Teacher:
    """Starts of one teacher on a few photos of 32 px, from random weights."""

    def __init__(self, folder: Path):
        write_splits(folder, SIZE_PX)
        self._folder, self._started = folder, list[LaunchedStep]()
        self.states = folder / "states"

    def start(self, **settings: Any) -> LaunchedStep:
        attempt = self._folder / f"attempt{len(self._started)}"
        attempt.mkdir()
        folder = self._folder
        step = LaunchedStep(
            "teacher",
            {name: folder / name for name in ("train", "val")},
            {name: attempt / name for name in ("model", "metrics", "report")},
            {
                "teacher_arch": "efficientnet_lite2", "teacher_weights": "none",
                "epochs_teacher": 1, "batch_size": 4, "save_tensorboard": False,
                "checkpoint_uri": str(self.states), "checkpoint_steps": 1, **settings,
            },
            attempt / "log",
        )  # fmt: skip
        self._started.append(step)
        return step

    def log(self) -> str:
        """Of the last start."""
        return (self._folder / f"attempt{len(self._started) - 1}" / "log").read_text()

    def end(self) -> None:
        for step in self._started:
            step.kill()


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[Teacher]:
    teacher = Teacher(tmp_path)
    try:
        yield teacher
    finally:
        teacher.end()


def test_a_gpu_that_is_not_there_ends_the_step_with_a_sentence_and_status_2(
    teacher: Teacher,
) -> None:
    step = teacher.start(gpu_count="2")
    assert step.wait() == 2
    last = teacher.log().strip().splitlines()[-1]
    assert re.search(
        r"gpu_count must be at most the number of GPUs that TensorFlow sees here, which is \d; got "
        r"2: .*; or set gpu_count to auto, which takes what there is, or to 0, the CPU\.$",
        last,
    ), last
    assert not teacher.states.exists()


def test_a_pod_that_is_taken_loses_what_came_after_the_last_saved_state_and_a_retry_goes_on(
    teacher: Teacher,
) -> None:
    step = teacher.start()
    while len(list(teacher.states.rglob("checkpoint-*.ckpt"))) < 2:  # of 6 steps
        assert step.is_running(), teacher.log()
        time.sleep(0.05)
    assert step.preempt() == LAUNCHER_ENDED_OF_SIGTERM
    assert not (teacher.states.parent / "attempt0" / "model").exists()
    retry = teacher.start()
    assert retry.wait() == 0, teacher.log()
    assert re.search(r"network goes on after epoch 0, step \d", teacher.log())
    assert (teacher.states.parent / "attempt1" / "model" / "teachers.json").exists()
