"""What the trainings and the quantisation came to, and what to change in them."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgedistill.artifacts import POST_TRAINING, QUANTISATION_AWARE
from edgedistill.core.best_epoch import best_epoch
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import is_noise, p_equals, points, span

_DROP = 0.01
"""A point: less than that, between two models, is not worth an advice."""
_STUDENT_GAP = 0.03
_TRAININGS = {
    "teacher": "the teacher's training",
    "student": "the student's training",
    "qat": "the quantisation-aware fine-tuning",
}
_CANDIDATES = {POST_TRAINING: "post_training", QUANTISATION_AWARE: "quantisation_aware"}
"""By way of quantising, the name in evaluation.json of the file that ships then."""


def about_quantisation(facts: RunFacts) -> Iterator[str]:
    """A loss that matters, told from one that chance explains where a test says so."""
    settings = facts.config["settings"]
    loss = facts.metrics["top1_student"] - facts.metrics["top1"]
    if loss <= _DROP:
        return
    chance = _chance(facts)
    if chance:
        yield (
            f"The file is {points(loss)} below the float student, which may be chance ({chance}): "
            "more test photos would tell; see that before you change the quantisation."
        )
        return
    remedy = (
        f"give it more photos, raise epochs_qat (now {settings['epochs_qat']}) or change "
        f"lr_qat (now {settings['lr_qat']:g})"
        if settings["qat"]
        else "set qat to true"
    )
    yield f"Quantisation costs {points(loss)} of accuracy: {remedy}."


def _chance(facts: RunFacts) -> str:
    """Why the loss may be chance, in words; empty where it is not."""
    shipped = _CANDIDATES[facts.quantization["method"]]
    test = facts.comparison("student", "file") or facts.comparison("student", shipped)
    if test is not None:
        return p_equals(test["p_value"]) if is_noise(test["p_value"]) else ""
    low, high = facts.file["top1_interval"]
    inside = low <= facts.metrics["top1_student"] <= high
    return f"the file's interval, {span((low, high))}, holds the student's figure" if inside else ""


def about_teacher(facts: RunFacts) -> Iterator[str]:
    """A teacher that teaches little, a student far behind, a distillation that gained nothing."""
    gain = facts.teacher_gain
    if gain is not None and gain.teaches_little:
        yield gain.in_words
    elif not _is_chance(facts.comparison("teacher", "student")):
        yield from _about_gap(facts)
    taught = facts.comparison("student_without_teacher", "student")
    if taught is not None and not _is_chance(taught) and taught["difference"] < 0:
        yield (
            f"The student that never met a teacher is {points(-taught['difference'])} better "
            f"({p_equals(taught['p_value'])}): train without it, distill_alpha 1."
        )


def _about_gap(facts: RunFacts) -> Iterator[str]:
    settings = facts.config["settings"]
    teacher, student = facts.metrics["top1_teacher"], facts.metrics["top1_student"]
    alpha = settings["distill_alpha"]
    if student - teacher > _DROP and alpha < 1:
        yield (
            f"The teacher is {points(student - teacher)} worse than its student and teaches it "
            f"little: raise epochs_teacher (now {settings['epochs_teacher']}), choose another "
            f"teacher_arch, or raise distill_alpha (now {alpha:g})."
        )
    elif teacher - student > _STUDENT_GAP:
        yield (
            f"The student is {points(teacher - student)} behind its teacher: raise epochs_student "
            f"(now {settings['epochs_student']}) or student_img_size "
            f"(now {settings['student_img_size']})."
        )


def _is_chance(comparison: Mapping[str, Any] | None) -> bool:
    return comparison is not None and is_noise(comparison["p_value"])


def about_epochs(facts: RunFacts) -> Iterator[str]:
    """Trainings that did not improve on their start, and those that were best at their very end."""
    epochs = {name: facts.config["settings"][f"epochs_{name}"] for name in _TRAININGS}
    unfinished: dict[str, None] = {}  # each setting once, however many teachers it has
    for name, document in (
        *(("teacher", teacher) for teacher in facts.teachers),
        ("student", facts.student),
        ("qat", facts.quantization),
    ):
        history = document["history"]
        if _start_was_best(name, document):
            which = (
                f" ({document['arch']})" if name == "teacher" and len(facts.teachers) > 1 else ""
            )
            yield (
                f"No epoch of {_TRAININGS[name]}{which} improved on its start, which is what is "
                f"kept: raise epochs_{name} (now {epochs[name]})."
            )
        if len(history) > 1 and best_epoch(history) == len(history) - 1:
            unfinished[f"epochs_{name} (now {epochs[name]})"] = None
    if unfinished:
        more = ", ".join(unfinished)
        yield f"The validation loss was lowest at the very last epoch: raise {more}."


def _start_was_best(name: str, document: Mapping[str, Any]) -> bool:
    """Of teacher and student the first row is the start; the start of "qat" is a file by itself."""
    history = document["history"]
    if name == "qat":
        return bool(history) and document["method"] != QUANTISATION_AWARE
    return len(history) > 1 and best_epoch(history) == 0
