"""The evidence as files: the curve as a table, and three pictures."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgedistill.artifacts import (
    CONFIDENCE_PNG,
    RELIABILITY_PNG,
    THRESHOLD_CURVE_CSV,
    THRESHOLD_PNG,
)
from edgedistill.calibrate.answers import Answers
from edgedistill.core.reliability import expected_calibration_error, reliability_curve
from edgedistill.core.threshold import ThresholdCurve
from edgedistill.report import plots


def write_evidence(
    out: Path, curve: ThresholdCurve, on_test: Answers, document: Mapping[str, Any]
) -> None:
    """Writes the curve of the photos that the threshold is chosen on, and draws it.

    Args:
        out: an existing folder.
        curve: of those photos.
        on_test: answers to photos that had no part in it, for the other two pictures.
        document: threshold_recommendation.json.
    """
    _write_curve(out / THRESHOLD_CURVE_CSV, curve)
    recommended = document["recommended_threshold"]
    reliability = reliability_curve(on_test.confidence, on_test.correct)
    pictures = {
        THRESHOLD_PNG: plots.threshold_plot(
            curve.threshold,
            curve.coverage,
            curve.accept_accuracy,
            recommended=recommended,
            target=document["target_accept_accuracy"],
            min_coverage=document["min_coverage"],
            photos=document["chosen_on"],
        ),
        RELIABILITY_PNG: plots.reliability_plot(
            reliability.edges,
            reliability.mean_confidence,
            reliability.accuracy,
            reliability.count,
            ece=expected_calibration_error(on_test.confidence, on_test.correct),
            photos="test",
        ),
        CONFIDENCE_PNG: plots.confidence_plot(
            on_test.confidence, on_test.correct, recommended=recommended, photos="test"
        ),
    }
    for name, data in pictures.items():
        (out / name).write_bytes(data)


def _write_curve(path: Path, curve: ThresholdCurve) -> None:
    """One row a threshold; accept_accuracy is empty where no photo is accepted."""
    columns = {
        "threshold": [f"{t:.2f}" for t in curve.threshold],
        "coverage": curve.coverage.tolist(),
        "accept_accuracy": ["" if np.isnan(a) else float(a) for a in curve.accept_accuracy],
        "correct_accepted_rate": curve.correct_accepted_rate.tolist(),
        "incorrect_accepted_rate": curve.incorrect_accepted_rate.tolist(),
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
