"""model_card.md of the bundle: what the model is for, how good it is, and where it fails."""

from collections.abc import Iterable, Mapping
from typing import Any

from edgedistill.artifacts import MODEL_FILE
from edgedistill.calibrate.bundle.facts import BundleFacts
from edgedistill.calibrate.bundle.markdown import escaped, paragraph, table
from edgedistill.calibrate.bundle.thresholds import threshold_card
from edgedistill.calibrate.bundle.warning import do_not_ship
from edgedistill.settings import IMAGENET, RANDOM

_FIGURES = {
    "top1": "top-1 accuracy",
    "macro_f1": "macro F1",
    "ece": "expected calibration error",
}
_OTHER_LIMITS = """\
- The figures hold for photos like those it was trained and tested on: the same kinds of camera,
  light, distance and background. Elsewhere expect less, and collect photos there to see how much.
- It judges the whole photo and gives one name. Of several things in one photo it names one.
- Confidence is a figure of the network, and not the chance of being right; the threshold was chosen
  by what was right on photos.
- Nothing here was tested for decisions about people, their health or safety. Do not use it there.
"""


def model_card(facts: BundleFacts) -> str:
    """The text of model_card.md.

    Args:
        facts: of the model.
    """
    parts = (
        _head(facts),
        _figures(facts.scores),
        threshold_card(facts.threshold),
        _classes(facts),
        _limits(facts),
        _making(facts),
    )
    return do_not_ship(facts.do_not_ship) + "\n".join(parts)


def _head(facts: BundleFacts) -> str:
    entry, estimate = facts.metadata["input"], facts.metadata["estimated_latency"]
    n = len(facts.label_names)
    items = (
        f"**For**: naming which of {n} classes a photo shows, on a phone, without a network; "
        f"{_unsure(facts)}.",
        f"**Input**: one photo, letterboxed to {entry['width']} × {entry['height']} RGB, "
        f"{entry['dtype']}.",
        f"**Output**: a raw score for each class ({facts.metadata['output']['dtype']}); softmax "
        "makes confidences of them.",
        f"**Size**: {facts.sizes[MODEL_FILE] / 1e6:.2f} MB, "
        f"{facts.metadata['multiply_adds'] / 1e6:,.0f} million multiply-adds.",
        f"**Speed**: about {estimate['milliseconds']:.1f} ms on a {estimate['device']} with "
        f"{estimate['threads']} threads. {estimate['source']}",
        "**Licence**: Apache-2.0 for the code; of the weights see NOTICE.txt.",
    )
    return f"# Model card: {n} classes, version {facts.version}\n\n{_listed(items)}"


def _unsure(facts: BundleFacts) -> str:
    """What it says of a photo that it is not sure of."""
    if facts.answers_all:
        return "every photo is answered, also where it is not sure"
    return 'saying "unknown" where it is not sure'


def _limits(facts: BundleFacts) -> str:
    caught = (
        "its threshold of 0 catches none of those"
        if facts.answers_all
        else ("the threshold catches some of those, not all")
    )
    first = (
        "It knows these classes and no others. Of a photo of something else it names the class "
        f"that looks most like it; {caught}. {_tested(facts.threshold)}"
    )
    return f"## Limits\n\n{_listed((first,))}{_OTHER_LIMITS}"


def _tested(threshold: Mapping[str, Any]) -> str:
    if "unknown" in threshold:
        n_photos = threshold["unknown"]["n_photos"]
        return f"{n_photos:,} photos of other things were tested: see Threshold."
    return "No photo of other things was tested."


def _figures(scores: Mapping[str, Any]) -> str:
    n = scores["n_test"]
    change = (scores["top1"] - scores["top1_student"]) * 100
    rows = [
        (title, _with_interval(scores, name), _percent(scores[f"{name}_student"]))
        for name, title in _FIGURES.items()
    ]
    before = paragraph(
        f"On {n:,} test photos, which had no part in training or in the choice of the threshold, "
        "each of them answered:"
    )
    behind = paragraph(
        f"In brackets {scores['confidence_level']:.0%} intervals of the figure on all photos of "
        "this kind: Wilson's of the accuracy, by drawing the photos again of the others. Against "
        f"the float network the int8 file changes top-1 accuracy by {change:+.1f} points. Macro F1 "
        "counts each class alike; the calibration error is the mean gap between confidence and "
        f"accuracy.{_damaged(scores)}"
    )
    figures = table(("figure", "int8 file", "float network that it came from"), rows)
    return f"## How good it is\n\n{before}\n{figures}\n\n{behind}"


def _with_interval(scores: Mapping[str, Any], name: str) -> str:
    low, high = scores["intervals"][name]
    return f"{_percent(scores[name])} ({_percent(low)} to {_percent(high)})"


def _damaged(scores: Mapping[str, Any]) -> str:
    if "robustness_mean_top1" not in scores:
        return ""
    return (
        " On photos that were damaged as phones do (blur, darkness, noise, compression, tilt, "
        f"crop) it is right on {_percent(scores['robustness_mean_top1'])} on average."
    )


def _classes(facts: BundleFacts) -> str:
    rows = []
    for name in facts.label_names:
        score = facts.scores["per_class"][name]
        figures = _percent(score["recall"]), _percent(score["precision"])
        rows.append((escaped(name), f"{score['support']:,}", *figures))
    before = paragraph(
        "In the order of the model's outputs. \"Found\" is the share of the class's photos that it "
        'names so (recall), "right when named" the share of right ones among those that it names '
        "so (precision); 0% also where there was none. A figure on few photos says little."
    )
    listed = table(("class", "test photos", "found", "right when named"), rows)
    return f"## Classes\n\n{before}\n{listed}\n"


def _making(facts: BundleFacts) -> str:
    made = facts.quantization
    items = (
        f"**Data**: validation photos chose among the ways below, {facts.threshold['n_val']:,} "
        f"{facts.threshold['chosen_on']} photos chose the threshold, {facts.scores['n_test']:,} "
        "test photos gave the figures; it was trained on none of them. "
        f"Digest of the photos and their split: `{made['data_digest']}`.",
        f"**Network**: {escaped(made['student_arch'])}, taught by a larger network (distillation); "
        f"it began with {_beginning(made['student_weights'])}.",
        f"**Quantisation**: {escaped(made['method'])}. All weights and values in between are "
        "integers. On the validation photos:",
    )
    tried = [(escaped(way), _percent(share)) for way, share in made["candidates"].items()]
    return "\n".join(
        (
            f"## How it was made\n\n{_listed(items)}",
            f"{table(('way', 'top-1 accuracy'), tried)}\n",
            paragraph(f"SHA-256 of `{MODEL_FILE}`: `{facts.metadata['sha256']}`."),
        )
    )


def _beginning(weights: str) -> str:
    if weights == RANDOM:
        return "random weights"
    return "ImageNet weights" if weights == IMAGENET else f"weights from {escaped(weights)}"


def _listed(items: Iterable[str]) -> str:
    return "".join(paragraph(f"- {item}", indent=2) for item in items)


def _percent(share: float) -> str:
    return f"{share:.1%}"
