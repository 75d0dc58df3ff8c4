"""The teacher against a plain student: the figure, and its words for both signs."""

import pytest

from edgedistill.report.teacher_gain import TeacherGain, teacher_gain

HEAD = {"stage": "head", "epoch": 0, "val_accuracy": 0.75, "val_loss": 0.8}
EPOCH = {"stage": "network", "epoch": 1, "val_accuracy": 0.875, "val_loss": 0.4}
WORSE = {"stage": "network", "epoch": 2, "val_accuracy": 0.5, "val_loss": 0.9}
DO = "Raise epochs_teacher or teacher_img_size, choose another teacher_arch, or train without it"
HEAD_ALONE = "a plain student, whose head alone was fitted to the labels"
TRAINED = "a plain student, which was trained alike but without it"


@pytest.mark.parametrize(("teacher", "gain"), [(1.0, 0.25), (0.75, 0.0), (0.5, -0.25)])
def test_the_gain_is_over_the_head_alone_whatever_the_epochs_came_to(
    teacher: float, gain: float
) -> None:
    found = teacher_gain({"val_accuracy": teacher}, [HEAD, EPOCH], None, 0.5)
    assert found == TeacherGain(gain, over_trained=False, distill_alpha=0.5)


def test_the_gain_is_over_the_kept_epoch_of_a_student_without_teacher_where_one_was_trained() -> (
    None
):
    # Better than the head, 0.75, and worse than what a student comes to by itself, 0.875.
    found = teacher_gain({"val_accuracy": 0.8125}, [HEAD, EPOCH], [HEAD, EPOCH, WORSE], 0.5)
    assert found == TeacherGain(-0.0625, over_trained=True, distill_alpha=0.5)
    assert found.teaches_little


def test_a_student_that_began_at_random_has_no_plain_one_beside_it() -> None:
    assert teacher_gain({"val_accuracy": 0.5}, [EPOCH], None, 0.5) is None
    assert teacher_gain({"val_accuracy": 0.5}, [EPOCH], [EPOCH], 0.5) is not None


@pytest.mark.parametrize("over_trained", [False, True])
@pytest.mark.parametrize(
    ("gain", "alpha", "fact", "end"),
    [
        (0.031, 0.5, "3.1 points better", "it has something to teach"),
        (-0.031, 0.5, "3.1 points worse", f"it teaches little. {DO}: distill_alpha 1."),
        (0.031, 1.0, "3.1 points better", "did not ask it, as distill_alpha is 1."),
        (-0.031, 1.0, "3.1 points worse", "did not ask it, as distill_alpha is 1."),
    ],
)
def test_words_name_the_difference_and_what_to_do(
    gain: float, alpha: float, fact: str, end: str, over_trained: bool
) -> None:
    found = TeacherGain(gain, over_trained, alpha)
    plain = TRAINED if over_trained else HEAD_ALONE
    assert f"the teacher is {fact} than {plain}" in found.in_words
    assert end in found.in_words
    assert found.teaches_little == (DO in found.in_words)


def test_a_gain_over_a_head_says_what_would_tell_more() -> None:
    asks = "measure_kd_gain tells"
    assert asks in TeacherGain(0.1, over_trained=False, distill_alpha=0.5).in_words
    assert asks not in TeacherGain(0.1, over_trained=True, distill_alpha=0.5).in_words
