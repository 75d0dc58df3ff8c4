"""performance.json: how fast and how large the phone's files are; the budgets they must keep."""

import logging
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgedistill.artifacts import MODEL_FILE, TASKS_FILE
from edgedistill.core.phone_estimate import (
    ESTIMATE_DEVICE,
    ESTIMATE_SOURCE,
    ESTIMATE_THREADS,
    estimate_pixel4_ms,
)
from edgedistill.errors import ExportError
from edgedistill.machine import available_cores
from edgedistill.tf.latency import measure_latency, peak_memory_mb
from edgedistill.tf.multiply_adds import count_multiply_adds

_log = logging.getLogger(__name__)

_FILES = (MODEL_FILE, TASKS_FILE)
_THREADS = (1, 2)
_MB = 10**6


def measure_performance(folder: Path) -> dict[str, Any]:
    """The content of performance.json, measured on this machine; some ten seconds.

    Args:
        folder: holds both of the phone's files.

    Returns:
        `n_cores` of this machine that may be used. By file: `latency_ms` {threads: {median, p95}},
        `peak_memory_mb` (None where it could not be measured) and `size_bytes`; of the int8 file
        `multiply_adds` and, from these, `estimated_latency`, what a phone may need.
    """
    model = (folder / MODEL_FILE).read_bytes()
    sizes = {name: (folder / name).stat().st_size for name in _FILES}
    return {
        "n_cores": available_cores(),
        "latency_ms": {name: _latencies(folder / name) for name in _FILES},
        "peak_memory_mb": {name: _memory_mb(folder / name) for name in _FILES},
        **foreseen_performance(model),
        "size_bytes": sizes,
    }


def foreseen_performance(model: bytes) -> dict[str, Any]:
    """What is known of the int8 file without running it: a part of performance.json.

    Raises:
        ExportError: it holds an operator whose work is not known.
    """
    multiply_adds = count_multiply_adds(model)
    return {
        "size_bytes": {MODEL_FILE: len(model)},
        "multiply_adds": multiply_adds,
        "estimated_latency": {
            "device": ESTIMATE_DEVICE,
            "threads": ESTIMATE_THREADS,
            # As many decimals as the published figure has.
            "milliseconds": round(estimate_pixel4_ms(multiply_adds), 1),
            "source": ESTIMATE_SOURCE,
        },
    }


def _latencies(model_path: Path) -> dict[str, dict[str, float]]:
    by_threads = {}
    for n_threads in _THREADS:
        latency = measure_latency(model_path, n_threads=n_threads)
        by_threads[str(n_threads)] = {
            "median": round(latency.median_ms, 3),
            "p95": round(latency.p95_ms, 3),
        }
    return by_threads


def _memory_mb(model_path: Path) -> float | None:
    try:
        memory_mb = peak_memory_mb(model_path)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        # One figure of many, and not worth a finished training; it shows as unknown.
        _log.warning("the interpreter's memory could not be measured: %s", error)
        return None
    return None if memory_mb is None else round(memory_mb, 1)


def performance_metrics(document: Mapping[str, Any]) -> dict[str, float]:
    """The few figures that runs are compared by; of the int8 file unless the name says otherwise.

    Args:
        document: the content of performance.json.

    Returns:
        latency_ms: of one image on this machine with one thread, the median; interpreter_mb:
        growth of the memory's peak, left out where the system does not tell; estimated_phone_ms.
        KFP shows 20 metrics a task well: the other figures stand in performance.json.
    """
    memory_mb = document["peak_memory_mb"][MODEL_FILE]
    return {
        "latency_ms": document["latency_ms"][MODEL_FILE]["1"]["median"],
        **({} if memory_mb is None else {"interpreter_mb": memory_mb}),
        "estimated_phone_ms": document["estimated_latency"]["milliseconds"],
    }


def require_budgets(
    document: Mapping[str, Any], *, budget_latency_ms: float, budget_size_mb: float
) -> None:
    """Refuses files that are slower or larger than the app can afford.

    The latency's budget is held against the estimate for the phone: the app's team has that
    phone's time to spend, and this machine's depends on what else runs on it.

    Args:
        document: the content of performance.json, or `foreseen_performance` of it.
        budget_latency_ms: most milliseconds for an image on the phone; 0: no limit.
        budget_size_mb: most MB (10**6 bytes) of the larger file; 0: no limit.

    Raises:
        ExportError: a budget is exceeded; which one, by what, and what to do.
    """
    estimate = document["estimated_latency"]
    if 0 < budget_latency_ms < estimate["milliseconds"]:
        raise ExportError(
            f"an image must take at most {budget_latency_ms:g} ms on a phone (budget_latency_ms); "
            f"the estimate for a {estimate['device']} is {estimate['milliseconds']:g} ms: choose a "
            "smaller student_img_size, or raise the budget."
        )
    name, size_bytes = max(document["size_bytes"].items(), key=lambda item: item[1])
    if 0 < budget_size_mb * _MB < size_bytes:
        raise ExportError(
            f"a file must have at most {budget_size_mb:g} MB (budget_size_mb); {name} has "
            f"{size_bytes / _MB:.3f} MB: raise the budget or train fewer classes; a smaller "
            "student_img_size would not make it smaller."
        )
