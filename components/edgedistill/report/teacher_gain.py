"""What the teacher knows more than a student that never met it: metric, words, advice."""

from collections.abc import Mapping, Sequence
from typing import Any


def teacher_gain(
    teachers: Mapping[str, Any], student_history: Sequence[Mapping[str, Any]]
) -> float | None:
    """The teacher's validation accuracy less that of a plain student, in [-1, 1].

    The plain student is the row `head`: its head alone, fitted to the labels without the teacher.

    Args:
        teachers: the content of teachers.json.
        student_history: of the student's network.json.

    Returns:
        None where the student started from random weights, which give no head to compare with.
    """
    plain = [row["val_accuracy"] for row in student_history if row["stage"] == "head"]
    return float(teachers["val_accuracy"]) - float(plain[0]) if plain else None


def teaches_little(gain: float | None, distill_alpha: float) -> bool:
    """Whether a student was taught by a teacher that is worse than a plain student."""
    return gain is not None and gain < 0 and distill_alpha < 1


def gain_in_words(gain: float, distill_alpha: float) -> str:
    """What a gain means, and what to do where the teacher taught little."""
    better = "better" if gain >= 0 else "worse"
    fact = (
        f"On the validation photos the teacher is {abs(100 * gain):.1f} points {better} than a "
        "plain student, whose head alone was fitted to the labels"
    )
    if distill_alpha == 1:
        return f"{fact}; this training did not ask it, as distill_alpha is 1."
    if teaches_little(gain, distill_alpha):
        return (
            f"{fact}: it teaches little. Raise epochs_teacher or teacher_img_size, choose another "
            "teacher_arch, or train without it: distill_alpha 1."
        )
    return f"{fact}: it has something to teach."
