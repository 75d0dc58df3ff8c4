"""What the teacher knows more than a student that never met it: metric, words, advice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgedistill.core.best_epoch import best_epoch

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TeacherGain:
    """The teacher's validation accuracy less that of a plain student.

    Attributes:
        value: in [-1, 1].
        over_trained: whether that student was trained like the taught one, only without a teacher;
            else its head alone was fitted to the labels.
        distill_alpha: with which the taught one was trained.
    """

    value: float
    over_trained: bool
    distill_alpha: float

    @property
    def teaches_little(self) -> bool:
        """Whether a student was taught by a teacher that is worse than a plain student."""
        return self.value < 0 and self.distill_alpha < 1

    @property
    def in_words(self) -> str:
        """What it means, and what to do where the teacher taught little."""
        better = "better" if self.value >= 0 else "worse"
        plain = (
            "a plain student, which was trained alike but without it"
            if self.over_trained
            else "a plain student, whose head alone was fitted to the labels"
        )
        fact = (
            f"On the validation photos the teacher is {abs(100 * self.value):.1f} points {better} "
            f"than {plain}"
        )
        if self.distill_alpha == 1:
            return f"{fact}; this training did not ask it, as distill_alpha is 1."
        if self.teaches_little:
            return (
                f"{fact}: it teaches little. Raise epochs_teacher or teacher_img_size, choose "
                "another teacher_arch, or train without it: distill_alpha 1."
            )
        if self.over_trained:
            return f"{fact}: it has something to teach."
        return (
            f"{fact}: it has something to teach. Whether a student that is trained without it "
            "comes to less, measure_kd_gain tells."
        )


def teacher_gain(
    teachers: Mapping[str, Any],
    student: History,
    plain_student: History | None,
    distill_alpha: float,
) -> TeacherGain | None:
    """The gain over the student without a teacher, or over the head where there is none such.

    Args:
        teachers: the content of teachers.json.
        student: rows of the taught student's training; its row `head` is that of the head alone,
            fitted to the labels without the teacher.
        plain_student: rows of the student that was trained without a teacher; None: it was not.
        distill_alpha: weight of the hard loss in the taught student's training.

    Returns:
        None where there is neither: the student started from random weights, or with a random head.
    """
    if plain_student is not None:
        plain = [plain_student[best_epoch(plain_student)]]
    else:
        plain = [row for row in student if row["stage"] == "head"]
    if not plain:
        return None
    value = float(teachers["val_accuracy"]) - float(plain[0]["val_accuracy"])
    return TeacherGain(value, plain_student is not None, distill_alpha)
