"""Documents of artifacts.py as a run may have written them, for tests that only read them."""

from typing import Any

from edgedistill.artifacts import MODEL_FILE, TASKS_FILE


def history(*accuracies: float) -> list[dict[str, Any]]:
    """A training's rows, one an epoch, whose validation accuracies were these."""
    return [
        {"stage": "network", "epoch": i, "loss": 1 / i, "train_accuracy": a, "val_loss": 1 - a,
         "hard_loss": 0.5, "distillation_loss": 0.0, "images_per_s": 20.0, "input_wait_share": 0.0,
         "photos_at_once": 32,
         "val_accuracy": a, "lr": 1e-3, "seconds": 2.0}
        for i, a in enumerate(accuracies, start=1)
    ]  # fmt: skip


def quantization(**changes: Any) -> dict[str, Any]:
    """quantization.json: quantisation-aware training ships, 0.9 points below the float student."""
    return {
        "method": "quantisation-aware training",
        "candidates": {
            "float student": 0.925,
            "post-training quantisation": 0.9,
            "quantisation-aware training": 0.916,
        },
        "history": [],
        "agreement": 0.995,
        "layers": [
            {"layer": "stem", "operator": "CONV_2D", "sqnr_db": 41.25, "own_sqnr_db": 41.25},
            {"layer": "body", "operator": "CONV_2D", "sqnr_db": 18.5, "own_sqnr_db": 20.0},
            {"layer": "pool", "operator": "MEAN", "sqnr_db": 18.5, "own_sqnr_db": None},
        ],
        "tensor_dtypes": {"int8": 150},
        "operators": {"CONV_2D": 50},
        "student_arch": "efficientnet_lite1",
        "student_weights": "imagenet",
        "data_digest": "d",
        **changes,
    }


def performance(**changes: Any) -> dict[str, Any]:
    """performance.json of two files that take 7 and 7.5 ms with one thread."""
    return {
        "n_cores": 2,
        "latency_ms": {
            MODEL_FILE: {"1": {"median": 7.0, "p95": 9.0}, "2": {"median": 4.0, "p95": 5.0}},
            TASKS_FILE: {"1": {"median": 7.5, "p95": 9.5}, "2": {"median": 4.5, "p95": 5.5}},
        },
        "peak_memory_mb": {MODEL_FILE: 12.5, TASKS_FILE: None},
        "size_bytes": {MODEL_FILE: 4_512_344, TASKS_FILE: 4_513_000},
        "multiply_adds": 631_000_000,
        "estimated_latency": {
            "device": "Pixel 4 class CPU", "threads": 4, "milliseconds": 9.1,
            "source": "An estimate from published figures.",
        },
        **changes,
    }  # fmt: skip
