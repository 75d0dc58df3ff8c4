"""What the numbers of a run mean, in sentences: the verdict, and what to do next."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgedistill.artifacts import CONFLICT, OTHER_LABEL, QUANTISATION_AWARE
from edgedistill.core.best_epoch import best_epoch
from edgedistill.core.bounds import wilson_interval
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.teacher_gain import gain_in_words, teacher_gain, teaches_little

_DROP = 0.01
"""A point: less than that, between two models, is not worth an advice."""
_STUDENT_GAP = 0.03
_FEW_TEST_PHOTOS = 10
_WEAK_F1 = 0.7
_MAX_NAMED_CLASSES = 6
_IMBALANCE = 10
_TRAININGS = {
    "teacher": "the teacher's training",
    "student": "the student's training",
    "qat": "the quantisation-aware fine-tuning",
}


def verdict(facts: RunFacts) -> str:
    """The sentence that a hurried reader reads: how good the file is, and what the app gets."""
    metrics, threshold = facts.metrics, facts.threshold
    first = (
        f"The int8 file is right on {metrics['top1']:.1%} of {metrics['n_test']:,} test photos "
        "that it had never seen."
    )
    t, right = threshold["recommended_threshold"], threshold["test_accept_accuracy"]
    if right is None:
        return f"{first} At the threshold {t:.2f} it would answer none of them."
    target = threshold["target_accept_accuracy"]
    meets = "meets" if right >= target else "is short of"
    if t == 0:
        return (
            f"{first} At the threshold 0.00 the app answers every photo, never 'unknown', which "
            f"{meets} the wanted {target:.1%}."
        )
    return (
        f"{first} Answering only from a confidence of {t:.2f} on, the app answers "
        f"{threshold['test_coverage']:.1%} of them and is right on {right:.1%} of its answers, "
        f"which {meets} the wanted {target:.1%}."
    )


def next_steps(facts: RunFacts) -> list[str]:
    """What to do next, the most telling first; never empty."""
    steps = [
        *_about_quantisation(facts.metrics, facts.config["settings"]),
        *_about_teacher(facts),
        *_about_epochs(facts),
        *_about_threshold(facts.threshold),
        *_about_photos(facts),
    ]
    if not steps:
        steps = ["Nothing stands out: try the file on photos that the phone itself took."]
    return [
        *steps,
        "Give bundle.zip to the app's team, and have them run its parity_check.py on what the app "
        "feeds the model: other pixels cost accuracy that no test here can see.",
    ]


def _about_quantisation(metrics: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    student, file = metrics["top1_student"], metrics["top1"]
    if student - file > _DROP:
        remedy = (
            f"give it more photos, raise epochs_qat (now {settings['epochs_qat']}) or change "
            f"lr_qat (now {settings['lr_qat']:g})"
            if settings["qat"]
            else "set qat to true"
        )
        yield f"Quantisation costs {_points(student - file)} of accuracy: {remedy}."


def _about_teacher(facts: RunFacts) -> Iterator[str]:
    settings = facts.config["settings"]
    teacher, student = facts.metrics["top1_teacher"], facts.metrics["top1_student"]
    alpha, gain = settings["distill_alpha"], teacher_gain(facts.together, facts.student["history"])
    if gain is not None and teaches_little(gain, alpha):
        yield gain_in_words(gain, alpha)
    elif student - teacher > _DROP and alpha < 1:
        yield (
            f"The teacher is {_points(student - teacher)} worse than its student and teaches it "
            f"little: raise epochs_teacher (now {settings['epochs_teacher']}), choose another "
            f"teacher_arch, or raise distill_alpha (now {alpha:g})."
        )
    elif teacher - student > _STUDENT_GAP:
        yield (
            f"The student is {_points(teacher - student)} behind its teacher: raise epochs_student "
            f"(now {settings['epochs_student']}) or student_img_size "
            f"(now {settings['student_img_size']})."
        )


def _about_epochs(facts: RunFacts) -> Iterator[str]:
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


def _about_threshold(threshold: Mapping[str, Any]) -> Iterator[str]:
    target, right = threshold["target_accept_accuracy"], threshold["test_accept_accuracy"]
    if threshold["selection_method"] == "utility_maximization":
        yield (
            f"No threshold reaches {target:.1%} right with {threshold['min_coverage']:.1%} "
            "answered; the recommended one is a compromise (utility_maximization). Train a better "
            "model, or lower threshold_target_accept_accuracy or threshold_min_coverage."
        )
    elif right is not None and right < target:
        n_answered = max(1, round(threshold["test_coverage"] * threshold["n_test"]))
        low, high = wilson_interval(right * n_answered, n_answered)
        chance = "within" if low <= target <= high else "beyond"
        yield (
            f"The threshold's {target:.1%} on validation photos became {right:.1%} on test photos, "
            f"{chance} what chance explains ({low:.1%} to {high:.1%}): for a margin, raise "
            "threshold_target_accept_accuracy."
        )


def _about_photos(facts: RunFacts) -> Iterator[str]:
    per_class: Mapping[str, Any] = facts.metrics["per_class"]
    few = [name for name, c in per_class.items() if c["support"] < _FEW_TEST_PHOTOS]
    if few:
        yield (
            f"Fewer than {_FEW_TEST_PHOTOS} test photos in {_named(few)}: a single photo moves "
            "such a class by ten points or more. Add photos, or raise test_frac."
        )
    weak = sorted(
        (name for name, c in per_class.items() if c["support"] and c["f1"] < _WEAK_F1),
        key=lambda name: float(per_class[name]["f1"]),
    )
    if weak:
        yield (
            f"F1 is below {_WEAK_F1:g} in {_named(weak)}: look in the confusion matrix for what "
            "they are taken for, check their labels, and add photos."
        )
    counts: Mapping[str, int] = facts.manifest["classes"]
    rare, common = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
    if counts[common] > _IMBALANCE * counts[rare]:
        yield (
            f"'{common}' has {counts[common]:,} photos and '{rare}' only {counts[rare]:,}: add "
            "photos of the rare one."
        )
    found: Mapping[str, int] = facts.manifest["findings"]
    if found.get(CONFLICT) or found.get(OTHER_LABEL):
        yield (
            f"One picture lies under two labels: {_counted(found.get(CONFLICT, 0), 'photo')} left "
            f"out, {_counted(found.get(OTHER_LABEL, 0), 'pair')} nearly equal and kept. "
            "scan_report.html shows them side by side: mend their labels."
        )
    if facts.bad_files:
        files = _counted(len(facts.bad_files), "file")
        yield f"{files} took no part: see the list below and scan_report.html."


def _counted(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"


def _named(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_MAX_NAMED_CLASSES])
    more = len(names) - _MAX_NAMED_CLASSES
    return f"{shown} and {more} more" if more > 0 else shown
