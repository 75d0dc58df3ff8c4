import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import edgedistill.tf.latency
from edgedistill.tf.latency import measure_latency, peak_memory_mb
from tests.tflite_files import tiny_int8_model

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")


def write_model(folder: Path, size_px: int, input_type: str = "int8") -> Path:
    path = folder / f"{size_px}_{input_type}.tflite"
    path.write_bytes(tiny_int8_model(size_px, input_type=input_type))
    return path


def float_model() -> bytes:
    """Four floats, of which those below 0 become 0."""
    model: Any = schema.ModelT()
    graph: Any = schema.SubGraphT()
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    operator.inputs, operator.outputs = [0], [1]
    graph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor in graph.tensors:
        tensor.shape = np.array([1, 4], "<i4")
    graph.operators, graph.inputs, graph.outputs = [operator], [0], [1]
    model.version, model.operatorCodes = 3, [code]
    model.buffers, model.subgraphs = [schema.BufferT()], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("input_type", ["int8", "uint8"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_quick_file_is_run_500_times(tmp_path: Path, input_type: str, n_threads: int) -> None:
    path = write_model(tmp_path, 8, input_type)
    latency = measure_latency(path, n_threads=n_threads, seconds=60)
    assert latency.n_runs == 500
    # 192 pixels and 9 products: far below a millisecond on anything that runs Python.
    assert 0 < latency.median_ms < 1
    assert latency.median_ms <= latency.p95_ms


def test_a_slow_file_is_run_5_times_however_little_time_there_is(tmp_path: Path) -> None:
    assert measure_latency(write_model(tmp_path, 512), n_threads=1, seconds=0).n_runs == 5


def test_runs_end_when_the_time_is_over(tmp_path: Path) -> None:
    latency = measure_latency(write_model(tmp_path, 1024), n_threads=1, seconds=0.2)
    assert 5 < latency.n_runs < 500
    # The runs fill the time, as far as a median tells; a busy machine makes some runs far longer.
    assert 0.02 < latency.n_runs * latency.median_ms / 1000 < 0.4


def test_more_pixels_take_longer(tmp_path: Path) -> None:
    # 1024 px are 16,384 times the pixels of 8 px; LiteRT adds some microseconds to any.
    small, large = (
        measure_latency(write_model(tmp_path, size_px), n_threads=1, seconds=0.1)
        for size_px in (8, 1024)
    )
    assert large.median_ms > 20 * small.median_ms


def test_an_input_that_is_no_image_of_8_bits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(float_model())
    with pytest.raises(ValueError, match="must be of type int8 or uint8; got float32"):
        measure_latency(path, n_threads=1)


def test_no_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n_threads must be at least 1; got 0"):
        measure_latency(write_model(tmp_path, 8), n_threads=0)


@LINUX_ONLY
def test_memory_holds_the_input_tensor_once(tmp_path: Path) -> None:
    small, large = (peak_memory_mb(write_model(tmp_path, size_px)) for size_px in (8, 2048))
    assert small is not None
    assert large is not None
    # 3 channels of 2048 x 2048 px are 12.58 MB, of 8 x 8 px nothing beside it.
    assert large - small == pytest.approx(12.58, abs=0.15)
    # The network itself has 1 kB; what is left is the code of LiteRT that is read in.
    assert 0 < small < 15


@LINUX_ONLY
def test_the_memory_of_the_process_that_asks_is_not_counted(tmp_path: Path) -> None:
    path = write_model(tmp_path, 8)
    before = peak_memory_mb(path)
    ours = np.ones(200_000_000, np.uint8)  # resident: ones are written
    assert peak_memory_mb(path) == pytest.approx(before, abs=1)
    assert ours.sum() == 200_000_000


def test_what_the_process_says_is_told_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "noise.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(
        RuntimeError, match=r"noise\.tflite ended with status 1; it said last: ValueError: "
    ):
        peak_memory_mb(path)


def test_the_process_imports_the_package_from_where_this_one_did(tmp_path: Path) -> None:
    # A copy that only sys.path leads to, as under KFP's executor, and that says 7 MB of any file.
    ours = Path(edgedistill.tf.latency.__file__).parents[1]
    copy = tmp_path / "modules" / "edgedistill"
    shutil.copytree(ours, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "tf" / "latency.py").open("a", encoding="utf-8") as module:
        module.write(
            "\n\ndef print_memory_growth(model_path: str) -> None:\n    print(7_000_000)\n"
        )
    program = (
        f"import sys; sys.path.insert(0, {str(copy.parent)!r}); from pathlib import Path; "
        "from edgedistill.tf.latency import peak_memory_mb; print(peak_memory_mb(Path('any')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["7.0"]


def test_tensorflow_is_not_loaded() -> None:
    code = "import edgedistill.tf.latency, edgedistill.tf.multiply_adds, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "ai_edge_litert" in loaded
    assert not loaded & {"tensorflow", "tf_keras", "keras", "kfp"}
