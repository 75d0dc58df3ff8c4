"""What the file makes of photos that show none of its classes."""

from edgedistill.report.page import Section, Table
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.wording import decimals, percent, span

_SCORES = {
    "max_probability": "largest probability",
    "max_logit": "largest logit",
    "energy": "energy (log of the sum of exponentials of the logits)",
}


def unknown_section(facts: RunFacts) -> Section:
    """How many of them the app answers, and which score tells them best from the others."""
    title = "Photos of no class"
    unknown = facts.threshold.get("unknown")
    if unknown is None:
        return Section(
            title,
            [
                "None were given, so this report cannot say what the app does with them. Put some "
                "into a folder _unknown beside the classes, or give unknown_uri: no network is "
                "trained on them."
            ],
        )
    best, level = unknown["best_score"], facts.threshold["confidence_level"]
    accepted, known = unknown["best_score_unknown_accepted"], unknown["best_score_known_accepted"]
    return Section(
        title,
        [
            f"{unknown['n_photos']:,} photos that show none of the classes. At the recommended "
            f"threshold the app would still name a class on {percent(unknown['accepted_share'])} "
            f"of them (with {level:.0%} confidence {span(unknown['accepted_share_interval'])}).",
            f"The best score to tell them from the others is the {_SCORES[best]}: accepting from "
            f"{unknown['best_score_threshold']:.6g} on keeps {percent(known)} of the known photos "
            f"and lets in {percent(accepted)} of these (with {level:.0%} confidence "
            f"{span(unknown['best_score_unknown_accepted_interval'])}). The phone can compute "
            "every score from the same logits.",
        ],
        table=Table(
            ["score", "AUROC"],
            [[_SCORES[name], decimals(area)] for name, area in unknown["auroc"].items()],
            title="Known against unknown; 0.5 is a coin, 1 is perfect",
        ),
    )
