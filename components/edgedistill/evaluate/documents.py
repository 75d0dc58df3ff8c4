"""metrics.json and evaluation.json: every figure of the step, in plain data."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import confused_pairs
from edgedistill.evaluate.calibration import calibration_document
from edgedistill.evaluate.judged import CONFIDENCE_LEVEL, Judged, comparisons


def metrics_document(
    models: Sequence[Judged], label_names: Sequence[str], robustness: dict[str, Any] | None
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        models: in the order of the waterfall, the shipped file last.
        label_names: in the order of the model's outputs.
        robustness: what `measure_robustness` gave.
    """
    file = models[-1]
    figures, intervals = {}, {}
    for model in (file, *models[:-1]):
        for name, value in model.headline.items():
            figures[f"{name}{model.suffix}"] = value
            intervals[f"{name}{model.suffix}"] = model.intervals[name]
    return {
        "n_test": len(file.right),
        **figures,
        "confidence_level": CONFIDENCE_LEVEL,
        "intervals": intervals,
        "ece_equal_mass": file.ece_equal_mass,
        "brier": file.brier,
        "nll": file.nll,
        **({"robustness_mean_top1": robustness["mean_top1"]} if robustness else {}),
        "macro_precision": file.scores.macro_precision,
        "macro_recall": file.scores.macro_recall,
        "per_class": {
            name: {
                "precision": score.precision,
                "recall": score.recall,
                "f1": score.f1,
                "support": score.support,
            }
            for name, score in zip(label_names, file.scores.per_class, strict=True)
        },
    }


def evaluation_document(
    models: Sequence[Judged],
    matrix: NDArray[np.int64],
    label_names: Sequence[str],
    *,
    slices: dict[str, Any],
    robustness: dict[str, Any] | None,
    mistakes: list[dict[str, Any]],
    n_unknown: int,
) -> dict[str, Any]:
    """The content of evaluation.json.

    Args:
        models: in the order of the waterfall, the shipped file last.
        matrix: of the file, rows the truth.
        label_names: in the order of the model's outputs.
        slices: what `slices_document` gave.
        robustness: what `measure_robustness` gave.
        mistakes: what `write_mistakes` gave.
        n_unknown: photos of no class that the file was asked about.
    """
    file = models[-1]
    return {
        "confidence_level": CONFIDENCE_LEVEL,
        "models": [model.document() for model in models],
        "comparisons": comparisons(models),
        "calibration": calibration_document(file.confidence, file.right),
        "confused_pairs": [
            {"true": label_names[true], "predicted": label_names[predicted], "count": count}
            for true, predicted, count in confused_pairs(matrix)
        ],
        "slices": slices,
        "robustness": robustness,
        "mistakes": mistakes,
        "n_unknown": n_unknown,
    }
