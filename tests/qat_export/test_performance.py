from pathlib import Path

import pytest

from edgedistill.artifacts import MODEL_FILE, PERFORMANCE, TASKS_FILE
from edgedistill.errors import ExportError
from edgedistill.qat_export import performance as performance_module
from edgedistill.qat_export.performance import (
    foreseen_performance,
    measure_performance,
    performance_metrics,
    require_budgets,
)
from tests.example_documents import performance
from tests.tflite_files import tiny_int8_model


def test_both_files_are_measured(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(tiny_int8_model(8, 5))
    (tmp_path / TASKS_FILE).write_bytes(tiny_int8_model(512, 7, "uint8"))
    document = measure_performance(tmp_path)
    PERFORMANCE.write(tmp_path, document)
    assert PERFORMANCE.read(tmp_path) == document
    latencies = document["latency_ms"]
    assert {(name, n) for name, times in latencies.items() for n in times} == {
        (MODEL_FILE, "1"), (MODEL_FILE, "2"), (TASKS_FILE, "1"), (TASKS_FILE, "2"),
    }  # fmt: skip
    for times in latencies.values():
        for figures in times.values():
            assert 0 < figures["median"] <= figures["p95"]
    # 4,096 times the pixels.
    assert latencies[TASKS_FILE]["1"]["median"] > 5 * latencies[MODEL_FILE]["1"]["median"]
    assert document["size_bytes"] == {
        name: len((tmp_path / name).read_bytes()) for name in (MODEL_FILE, TASKS_FILE)
    }
    # Of the int8 file: three means, each times a weight for each of 5 classes.
    assert document["multiply_adds"] == 15
    assert set(document["peak_memory_mb"]) == {MODEL_FILE, TASKS_FILE}


def test_the_estimate_is_for_the_phone_of_its_source(tmp_path: Path) -> None:
    # 96 classes: 3 * 96 multiply-adds, which no phone needs a tenth of a millisecond for.
    (tmp_path / MODEL_FILE).write_bytes(tiny_int8_model(8, 96))
    (tmp_path / TASKS_FILE).write_bytes(tiny_int8_model(8, 96))
    estimate = measure_performance(tmp_path)["estimated_latency"]
    assert estimate.pop("source").startswith("An estimate, not a measurement")
    assert estimate == {"device": "Pixel 4 class CPU", "threads": 4, "milliseconds": 0.0}


def test_metrics_are_the_int8_files_unless_their_name_says_otherwise() -> None:
    assert performance_metrics(performance()) == {
        "latency_ms": 7.0,
        "interpreter_mb": 12.5,
        "estimated_phone_ms": 9.1,
    }


def test_memory_that_is_not_known_is_no_metric() -> None:
    unknown = performance(peak_memory_mb={MODEL_FILE: None, TASKS_FILE: 12.5})
    assert "interpreter_mb" not in performance_metrics(unknown)


@pytest.mark.parametrize(
    ("latency_ms", "size_mb"),
    [(0, 0), (9.1, 4.513), (10, 5), (0, 4.513), (9.1, 0)],
)
def test_what_a_budget_allows_passes(latency_ms: float, size_mb: float) -> None:
    require_budgets(performance(), budget_latency_ms=latency_ms, budget_size_mb=size_mb)


def test_an_estimate_above_the_budget_is_refused() -> None:
    # This machine's own 7 ms would be within it.
    with pytest.raises(ExportError) as refused:
        require_budgets(performance(), budget_latency_ms=9.0, budget_size_mb=0)
    for part in ("at most 9 ms", "budget_latency_ms", "Pixel 4 class CPU is 9.1 ms",
                 "smaller student_img_size"):  # fmt: skip
        assert part in str(refused.value)


def test_the_larger_file_is_held_against_the_size() -> None:
    # The tasks file has 4.513000 MB, the int8 file 4.512344 MB, which would be within it.
    with pytest.raises(ExportError) as refused:
        require_budgets(performance(), budget_latency_ms=0, budget_size_mb=4.5125)
    for part in ("at most 4.5125 MB", "budget_size_mb", "model_tasks.tflite has 4.513 MB"):
        assert part in str(refused.value)


def test_a_megabyte_is_a_million_bytes() -> None:
    large = performance(size_bytes={MODEL_FILE: 5_100_000, TASKS_FILE: 5_000_000})
    # 5.1 million bytes are 4.86 times 2**20.
    with pytest.raises(ExportError, match=r"model_qat_int8\.tflite has 5\.100 MB"):
        require_budgets(large, budget_latency_ms=0, budget_size_mb=5)


def test_size_and_work_are_known_before_a_file_runs() -> None:
    foreseen = foreseen_performance(tiny_int8_model(8, 5))
    assert foreseen["multiply_adds"] == 15  # three means, each times a weight for each class
    require_budgets(foreseen, budget_latency_ms=1, budget_size_mb=1)
    with pytest.raises(ExportError, match="budget_size_mb"):
        require_budgets(foreseen, budget_latency_ms=0, budget_size_mb=1e-6)


def test_memory_that_cannot_be_measured_is_unknown_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken").write_bytes(b"no model")
    assert performance_module._memory_mb(tmp_path / "broken") is None
    assert "the interpreter's memory could not be measured" in caplog.text
