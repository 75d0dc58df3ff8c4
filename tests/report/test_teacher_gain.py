"""The teacher against a plain student: the figure, and its words for both signs."""

import pytest

from edgedistill.report.teacher_gain import gain_in_words, teacher_gain, teaches_little

HEAD = {"stage": "head", "epoch": 0, "val_accuracy": 0.75}
EPOCH = {"stage": "network", "epoch": 1, "val_accuracy": 0.875}
DO = "Raise epochs_teacher or teacher_img_size, choose another teacher_arch, or train without it"


@pytest.mark.parametrize(("teacher", "gain"), [(1.0, 0.25), (0.75, 0.0), (0.5, -0.25)])
def test_the_gain_is_over_the_head_alone_whatever_the_epochs_came_to(
    teacher: float, gain: float
) -> None:
    assert teacher_gain({"val_accuracy": teacher}, [HEAD, EPOCH]) == gain


def test_a_student_that_began_at_random_has_no_plain_one_beside_it() -> None:
    assert teacher_gain({"val_accuracy": 0.5}, [EPOCH]) is None
    assert not teaches_little(None, 0.5)


@pytest.mark.parametrize(
    ("gain", "alpha", "fact", "end"),
    [
        (0.031, 0.5, "3.1 points better", "it has something to teach."),
        (-0.031, 0.5, "3.1 points worse", f"it teaches little. {DO}: distill_alpha 1."),
        (0.031, 1.0, "3.1 points better", "did not ask it, as distill_alpha is 1."),
        (-0.031, 1.0, "3.1 points worse", "did not ask it, as distill_alpha is 1."),
    ],
)
def test_words_name_the_difference_and_what_to_do(
    gain: float, alpha: float, fact: str, end: str
) -> None:
    words = gain_in_words(gain, alpha)
    assert f"the teacher is {fact} than a plain student" in words
    assert words.endswith(end)
    assert teaches_little(gain, alpha) == (DO in words)
