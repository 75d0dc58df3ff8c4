"""Whether the file's confidence means what it says: curves and counts as plain rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.reliability import ReliabilityCurve, equal_mass_curve, reliability_curve

N_HISTOGRAM_BINS = 20


def calibration_document(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> dict[str, Any]:
    """The content of `calibration` in evaluation.json.

    Args:
        confidence: shape (n,), in [0, 1], n at least 1.
        right: shape (n,).
    """
    return {
        "equal_width": _rows(reliability_curve(confidence, right)),
        "equal_mass": _rows(equal_mass_curve(confidence, right)),
        "histogram": _histogram(confidence, right),
    }


def _rows(curve: ReliabilityCurve) -> list[dict[str, Any]]:
    intervals = curve.accuracy_intervals()
    rows = []
    for i, count in enumerate(curve.count.tolist()):
        rows.append(
            {
                "low": float(curve.edges[i]),
                "high": float(curve.edges[i + 1]),
                "count": count,
                "mean_confidence": float(curve.mean_confidence[i]) if count else None,
                "accuracy": float(curve.accuracy[i]) if count else None,
                "accuracy_interval": [float(end) for end in intervals[i]] if count else None,
            }
        )
    return rows


def _histogram(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Any]:
    """Photos by confidence, in bins of equal width [low, high), the last one closed."""
    edges = np.arange(N_HISTOGRAM_BINS + 1) / N_HISTOGRAM_BINS
    return {
        "edges": edges.tolist(),
        "right": np.histogram(confidence[right], edges)[0].tolist(),
        "wrong": np.histogram(confidence[~right], edges)[0].tolist(),
    }
