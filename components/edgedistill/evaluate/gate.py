"""Whether the model may ship: its accuracy, and what it loses against an earlier one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.bounds import wilson_interval
from edgedistill.core.paired import compare_paired
from edgedistill.settings import EvaluateSettings

# Shares of whole photos are compared with a decimal: what rounding adds is no photo.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class BaselineAnswers:
    """On which test photos an earlier model is right, shape (n,), and where it lies."""

    uri: str
    right: NDArray[np.bool_]


def gate_document(
    right: NDArray[np.bool_], baseline: BaselineAnswers | None, settings: EvaluateSettings
) -> dict[str, Any]:
    """The content of gate.json. Limits are held against what was counted, not against intervals.

    The interval and McNemar's p stand beside it in the sentence, so that a reader sees how much
    of it may be chance.

    Args:
        right: shape (n,), on which test photos the file is right.
        baseline: the same of the earlier model; None where none is given.
        settings: the limits.
    """
    n_photos = len(right)
    top1 = float(right.mean())
    low, high = wilson_interval(int(right.sum()), n_photos)
    reasons = []
    if top1 < settings.min_top1 - _ROUNDING:
        reasons.append(
            f"The file is right on {top1:.2%} of {n_photos:,} test photos (95 % interval "
            f"{low:.2%} to {high:.2%}), less than min_top1 asks for, {settings.min_top1:.2%}."
        )
    compared = None if baseline is None else _compared(right, baseline)
    if compared and compared["difference"] < -settings.max_regression - _ROUNDING:
        reasons.append(_regression(compared, n_photos, settings.max_regression))
    return {
        "ship": not reasons,
        "reasons": reasons,
        "min_top1": settings.min_top1,
        "max_regression": settings.max_regression,
        "baseline": compared,
    }


def _compared(right: NDArray[np.bool_], baseline: BaselineAnswers) -> dict[str, Any]:
    n_right = int(baseline.right.sum())
    paired = compare_paired(baseline.right, right)
    return {
        "uri": baseline.uri,
        "top1": float(baseline.right.mean()),
        "top1_interval": list(wilson_interval(n_right, len(right))),
        "difference": paired.difference,
        "difference_interval": list(paired.difference_interval),
        "p_value": paired.p_value,
    }


def _regression(compared: dict[str, Any], n_photos: int, allowed: float) -> str:
    low, high = (100 * end for end in compared["difference_interval"])
    return (
        f"The file's top-1 is {-100 * compared['difference']:.2f} points below that of the bundle "
        f"of baseline_uri on the same {n_photos:,} test photos (95 % interval of the difference "
        f"{low:+.2f} to {high:+.2f} points; McNemar's exact test: p = {compared['p_value']:.2g}), "
        f"more than max_regression allows, {100 * allowed:.2f} points."
    )
