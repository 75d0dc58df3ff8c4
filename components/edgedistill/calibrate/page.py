"""The step's report: the thresholds, what they promise, and the test photos' word on it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgedistill.artifacts import CONFIDENCE_PNG, RELIABILITY_PNG, THRESHOLD_PNG
from edgedistill.core.unknown_scores import ENERGY, MAX_LOGIT, MAX_PROBABILITY
from edgedistill.report.page import Headline, Picture, Section, Table, render_page

_SCORE_WORDS = {
    MAX_PROBABILITY: "largest probability",
    MAX_LOGIT: "largest logit",
    ENERGY: "energy (log of the sum of exp of the logits)",
}


def render_calibration_page(
    bundle: Path, document: Mapping[str, Any], gate: Mapping[str, Any]
) -> str:
    """The step's report as one self-contained HTML page.

    Args:
        bundle: the folder with the pictures.
        document: threshold_recommendation.json.
        gate: gate.json.
    """
    lead = document["calibration_notes"]
    if not gate["ship"]:
        lead = f"Do not ship: {' '.join(gate['reasons'])} {lead}"
    sections = [_promise(document), *_beside(document), _pictures(bundle)]
    return render_page("Threshold", lead, sections, list(_headlines(document)))


def _headlines(document: Mapping[str, Any]) -> Iterator[Headline]:
    yield Headline(f"{document['recommended_threshold']:.2f}", "threshold")
    yield Headline(f"{document['test_coverage']:.1%}", "answered", "of the test photos")
    right = _share(document["test_accept_accuracy"])
    yield Headline(right, "right", "of the answered test photos")
    promised = document["guaranteed_threshold"]
    yield Headline(
        "–" if promised is None else f"{promised:.2f}",
        "promised threshold",
        f"for {document['target_accept_accuracy']:.1%} right",
    )


def _promise(document: Mapping[str, Any]) -> Section:
    bound, level = document["accept_accuracy_lower_bound"], document["confidence_level"]
    paragraphs = [document["guarantee"]["note"]]
    if bound is not None:
        paragraphs.append(
            f"At the recommended threshold at least {bound:.1%} of the shown answers are right on "
            f"all photos of this kind, with {level:.0%} confidence: an exact binomial bound on the "
            f"{document['n_val']:,} {document['chosen_on']} photos, corrected for the choice among "
            "100 thresholds."
        )
    header = ("threshold", "at", "answered", "of those right", "95% interval", "target reached")
    rows = [(kind, *_check(check)) for kind, check in document["test"].items() if check]
    title = f"On {document['n_test']:,} test photos, which had no part in the choice"
    return Section("What can be promised", paragraphs, table=Table(header, rows, title))


def _check(check: Mapping[str, Any]) -> tuple[str, ...]:
    answered = f"{check['n_accepted']:,} ({check['coverage']:.1%})"
    if check["accept_accuracy"] is None:
        return f"{check['threshold']:.2f}", answered, "–", "–", "–"
    return (
        f"{check['threshold']:.2f}",
        answered,
        f"{check['n_correct']:,} ({check['accept_accuracy']:.1%})",
        _range(check["accept_accuracy_interval"]),
        "yes" if check["kept"] else "no",
    )


def _beside(document: Mapping[str, Any]) -> Iterator[Section]:
    if "unknown" in document:
        yield _unknown(document["unknown"], document["recommended_threshold"])
    if "temperature" in document:
        yield _temperature(document["temperature"])
    if "per_class" in document:
        yield _classes(document["per_class"])


def _unknown(found: Mapping[str, Any], recommended: float) -> Section:
    best = _SCORE_WORDS[found["best_score"]]
    paragraphs = (
        f"Of {found['n_photos']:,} photos of none of the classes {found['accepted_share']:.1%} "
        f"({_range(found['accepted_share_interval'])}) reach {recommended:.2f} and are answered "
        "all the same.",
        f"The {best} tells them best. Accepting what has at least "
        f"{found['best_score_threshold']:.4g}, which 95% of the photos that it is chosen on have, "
        f"accepts {found['best_score_known_accepted']:.1%} of the test photos and "
        f"{found['best_score_unknown_accepted']:.1%} "
        f"({_range(found['best_score_unknown_accepted_interval'])}) of these.",
    )
    rows = [(_SCORE_WORDS[name], f"{area:.1%}") for name, area in found["auroc"].items()]
    table = Table(("figure of a photo", "AUROC, known against unknown"), rows)
    return Section("Photos of no class", paragraphs, table=table)


def _temperature(found: Mapping[str, float]) -> Section:
    text = (
        f"Dividing the logits by {found['value']:.3f} before softmax would bring confidence nearer "
        "to the chance of being right. It changes no answer, and is not in any threshold here."
    )
    rows = [
        ("expected calibration error", _share(found["ece_before"]), _share(found["ece_after"])),
        (
            "negative log-likelihood, nats",
            f"{found['nll_before']:.4f}",
            f"{found['nll_after']:.4f}",
        ),
    ]
    table = Table(("on the test photos", "as it is", "divided"), rows)
    return Section("Temperature", (text,), table=table)


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> Section:
    text = (
        "The target class by class, among the photos that were named so. A class without a "
        "threshold reaches it at none; a figure on few photos says little."
    )
    rows = [
        (
            name,
            "–" if row["threshold"] is None else f"{row['threshold']:.2f}",
            _share(row["coverage"]),
            _share(row["accept_accuracy"]),
            f"{row['n_accepted']:,}",
        )
        for name, row in per_class.items()
    ]
    header = ("class", "threshold", "answered", "of those right", "photos answered")
    return Section("Thresholds by class", (text,), table=Table(header, rows))


def _pictures(bundle: Path) -> Section:
    pictures = [
        Picture((bundle / name).read_bytes(), alt)
        for name, alt in (
            (THRESHOLD_PNG, "Accuracy and coverage over the threshold"),
            (RELIABILITY_PNG, "Accuracy against confidence"),
            (CONFIDENCE_PNG, "Confidence of right and of wrong answers"),
        )
    ]
    return Section("Evidence", images=pictures)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.1%} to {high:.1%}"
