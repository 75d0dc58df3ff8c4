"""What the photos lack: labels, numbers, and the damages that phones do."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgedistill.artifacts import CONFLICT, OTHER_LABEL
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_sections.robustness import damage_name
from edgedistill.report.wording import counted, named, percent

_FEW_TEST_PHOTOS = 10
_WEAK_F1 = 0.7
_IMBALANCE = 10
_RESIZE = "plain resize"
"""What the step evaluate calls photos that were resized by another filter than ours."""
_FRAGILE = 0.1
"""Points of top-1 (a share) that a damage may cost before it is worth an advice."""


def about_robustness(facts: RunFacts) -> Iterator[str]:
    """The damage that costs most, where chance does not explain it."""
    robustness = facts.evaluation["robustness"]
    if robustness is None or not robustness["damages"]:
        return
    worst = min(robustness["damages"], key=lambda d: d["top1"] - d["clean_top1"])
    lost = worst["clean_top1"] - worst["top1"]
    if lost > _FRAGILE and worst["top1_interval"][1] < worst["clean_top1"]:
        augment, is_resize = facts.config["settings"]["augment"], worst["name"] == _RESIZE
        remedy = (
            "have the app use the letterbox of the bundle, to the pixel"
            if is_resize
            else "give photos taken so"
            if augment == "phone"
            else f"set augment to phone (now {augment}), or give photos taken so"
        )
        yield (
            f"Damage costs most as '{damage_name(worst)}' ({worst['setting']}): "
            f"{percent(worst['top1'])} right in place of {percent(worst['clean_top1'])}; {remedy}."
        )


def about_labels(facts: RunFacts) -> Iterator[str]:
    """Labels that the models contradict, and pictures that lie under two labels."""
    n_suspects = sum(facts.together["label_review"]["n_suspects"].values())
    if n_suspects:
        yield (
            f"{counted(n_suspects, 'photo')} may have a wrong label: look at the first of "
            "label_review.csv, mend label_name there, and give the file as data_dir."
        )
    found: Mapping[str, int] = facts.manifest["findings"]
    if found.get(CONFLICT) or found.get(OTHER_LABEL):
        yield (
            f"One picture lies under two labels: {counted(found.get(CONFLICT, 0), 'photo')} left "
            f"out, {counted(found.get(OTHER_LABEL, 0), 'pair')} nearly equal and kept. "
            "scan_report.html shows them side by side: mend their labels."
        )


def about_photos(facts: RunFacts) -> Iterator[str]:
    """Classes with few photos or weak figures, and files that took no part."""
    per_class: Mapping[str, Any] = facts.metrics["per_class"]
    few = [name for name, c in per_class.items() if c["support"] < _FEW_TEST_PHOTOS]
    if few:
        yield (
            f"Fewer than {_FEW_TEST_PHOTOS} test photos in {named(few)}: a single photo moves "
            "such a class by ten points or more. Add photos, or raise test_frac."
        )
    weak = sorted(
        (name for name, c in per_class.items() if c["support"] and c["f1"] < _WEAK_F1),
        key=lambda name: float(per_class[name]["f1"]),
    )
    if weak:
        yield (
            f"F1 is below {_WEAK_F1:g} in {named(weak)}: look in the confusion matrix for what "
            "they are taken for, check their labels, and add photos."
        )
    counts: Mapping[str, int] = facts.manifest["classes"]
    rare, common = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
    if counts[common] > _IMBALANCE * counts[rare]:
        yield (
            f"'{common}' has {counts[common]:,} photos and '{rare}' only {counts[rare]:,}: add "
            "photos of the rare one."
        )
    if facts.bad_files:
        files = counted(len(facts.bad_files), "file")
        yield f"{files} took no part: see the list below and scan_report.html."
