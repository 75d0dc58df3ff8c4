"""A folder as qat_export writes it, around a network made by hand, and other steps' documents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgedistill.artifacts import (
    MODEL_FILE,
    MODEL_METADATA,
    QUANTIZATION,
    TASKS_FILE,
    write_labels,
)
from edgedistill.qat_export.description import describe_model
from edgedistill.tf.flatbuffer import read_facts
from edgedistill.tf.tasks_file import tasks_model
from tests.tflite_files import tiny_int8_model

SIDE_PX = 16
# What Markdown, JSON, shells and CSV give a meaning to, and letters beyond ASCII.
ODD_NAMES = (
    "T-shirt | *large*",
    '"quoted", `back` \\ticks\\',
    "杯子 <b>&amp;</b>",
    "🦊 _fox_  [x](y)  #1 $a^2$ ~~s~~",
    "Schlüssel: it's 100 %",
)


def write_model_folder(
    folder: Path,
    label_names: Sequence[str] = ODD_NAMES,
    *,
    input_type: str = "int8",
    student_weights: str = "imagenet",
    model: bytes | None = None,
) -> Path:
    """A model of 16 px for these classes; None: that of tests/tflite_files.py, told there."""
    folder.mkdir(parents=True)
    model = model or tiny_int8_model(SIDE_PX, len(label_names), input_type)
    tasks = tasks_model(model)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / TASKS_FILE).write_bytes(tasks)
    write_labels(folder, list(label_names))
    performance = {
        "multiply_adds": 631_000_000,
        "estimated_latency": {
            "device": "Pixel 4 class CPU",
            "threads": 4,
            "milliseconds": 9.14,
            "source": "An estimate, not a measurement: from the published figures.",
        },
    }
    method = "quantisation-aware training"
    described = describe_model(read_facts(model), model, method, read_facts(tasks), performance)
    MODEL_METADATA.write(folder, described)
    QUANTIZATION.write(
        folder,
        {
            "method": method,
            "candidates": {"float student": 0.92, method: 0.915},
            "history": [],
            "agreement": 0.99,
            "layers": [],
            "tensor_dtypes": {"int8": 5},
            "operators": {"MEAN": 1},
            "student_arch": "efficientnet_lite1",
            "student_weights": student_weights,
            "data_digest": "0123456789abcdef",
        },
    )
    return folder


def threshold_document(**changed: Any) -> dict[str, Any]:
    """threshold_recommendation.json: at 0.51, 60 % of 10 photos are answered, all right.

    Of the 20 test photos 16 are answered then, 14 of them right.
    """
    return {
        "recommended_threshold": 0.51,
        "calibration_notes": "Show the answer where its confidence is at least 0.51.",
        "target_accept_accuracy": 0.95,
        "min_coverage": 0.6,
        "penalty_incorrect": 3.0,
        "achieved_accept_accuracy": 1.0,
        "achieved_coverage": 0.6,
        "accept_accuracy_lower_bound": 0.28,
        "confidence_level": 0.95,
        "guaranteed_threshold": None,
        "guarantee": {
            "procedure": "fixed-sequence testing", "lower_bound": None, "accept_accuracy": None,
            "coverage": None, "n_accepted": None, "photos_missing": 53, "note": "Too few photos.",
        },
        "selection_method": "constraint_feasible",
        "grid_step": 0.01,
        "chosen_on": "validation",
        "n_val": 10,
        "test": {"recommended": check_document(), "guaranteed": None},
        "test_accept_accuracy": 0.875,
        "test_coverage": 0.8,
        "n_test": 20,
        **changed,
    }  # fmt: skip


def full_threshold_document() -> dict[str, Any]:
    """The same with all that may be there: a promise at 0.83, and every optional key."""
    return threshold_document(
        guaranteed_threshold=0.83,
        guarantee={
            "procedure": "fixed-sequence testing", "lower_bound": 0.953, "accept_accuracy": 0.98,
            "coverage": 0.5, "n_accepted": 200, "photos_missing": None, "note": "Promised at 0.83.",
        },
        test={
            "recommended": check_document(),
            "guaranteed": check_document(
                threshold=0.83, n_accepted=12, n_correct=12, accept_accuracy=1.0,
                accept_accuracy_interval=[0.758, 1.0], coverage=0.6, kept=True,
            ),
        },
        temperature={
            "value": 1.4375, "ece_before": 0.082, "ece_after": 0.031, "nll_before": 0.45,
            "nll_after": 0.41,
        },
        unknown={
            "n_photos": 50, "accepted_share": 0.34, "accepted_share_interval": [0.224, 0.478],
            "auroc": {"max_probability": 0.81, "max_logit": 0.86, "energy": 0.87},
            "best_score": "energy", "best_score_threshold": 3.25,
            "best_score_known_accepted": 0.95, "best_score_unknown_accepted": 0.42,
            "best_score_unknown_accepted_interval": [0.294, 0.558],
        },
        per_class={
            name: {"threshold": 0.4, "coverage": 0.75, "accept_accuracy": 1.0, "n_accepted": 3}
            for name in ODD_NAMES
        },
    )  # fmt: skip


def check_document(**changed: Any) -> dict[str, Any]:
    """What the recommended threshold does on the test photos: 14 of 16 right, of 20."""
    return {
        "threshold": 0.51,
        "n_accepted": 16,
        "n_correct": 14,
        "accept_accuracy": 0.875,
        "accept_accuracy_interval": [0.64, 0.965],
        "coverage": 0.8,
        "coverage_interval": [0.584, 0.919],
        "kept": False,
        **changed,
    }


def gate_document(*reasons: str) -> dict[str, Any]:
    """gate.json: the model may ship unless there are reasons."""
    return {
        "ship": not reasons,
        "reasons": list(reasons),
        "min_top1": 0.0,
        "max_regression": 1.0,
        "baseline": None,
    }


def scores_document(label_names: Sequence[str] = ODD_NAMES) -> dict[str, Any]:
    """metrics.json: 17 of 20 test photos right, 18 by the float network."""
    per_class = {"precision": 0.75, "recall": 0.5, "f1": 0.6, "support": 4}
    return {
        "n_test": 20,
        "top1": 0.85,
        "macro_f1": 0.83,
        "macro_precision": 0.84,
        "macro_recall": 0.82,
        "ece": 0.04,
        "top1_student": 0.9,
        "macro_f1_student": 0.88,
        "ece_student": 0.03,
        "top1_teacher": 0.95,
        "macro_f1_teacher": 0.94,
        "ece_teacher": 0.02,
        "confidence_level": 0.95,
        "intervals": {"top1": [0.640, 0.948], "macro_f1": [0.64, 0.95], "ece": [0.0, 0.2]},
        "ece_equal_mass": 0.05,
        "brier": 0.2,
        "nll": 0.4,
        "per_class": {name: dict(per_class) for name in label_names},
    }
