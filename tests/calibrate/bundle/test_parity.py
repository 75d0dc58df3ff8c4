import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image, ImageOps

from edgedistill.calibrate.bundle.parity import PARITY, write_parity
from edgedistill.core.letterbox import scaled_size
from edgedistill.core.parity_images import parity_images
from edgedistill.errors import ArtifactError, ExportError
from tests import tflite_files
from tests.tflite_files import LOGIT_SCALE, LOGIT_ZERO_POINT, tiny_int8_model

SIDE = 33
KINDS = {"source", "upright", "letterbox", "input_npy", "input_raw", "logits_npy", "logits_raw"}


def written(folder: Path, side: int = SIDE, **model: Any) -> tuple[Path, dict[str, Any]]:
    path = folder / "model_qat_int8.tflite"
    path.write_bytes(tiny_int8_model(side, n_classes=5, **model))
    write_parity(folder, path)
    return folder / "parity", PARITY.read(folder / "parity")


@pytest.fixture(scope="module")
def parity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    return written(tmp_path_factory.mktemp("bundle"))


def content(folder: Path, row: dict[str, Any], kind: str) -> bytes:
    path: Path = folder / row["files"][kind]["file"]
    return path.read_bytes()


def pixels(folder: Path, row: dict[str, Any], kind: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content(folder, row, kind))))


def test_every_file_is_listed_with_its_size_and_digest(parity: Any) -> None:
    folder, document = parity
    listed = {"parity.json"}
    for row in document["images"]:
        assert set(row["files"]) == KINDS
        for file in row["files"].values():
            data = (folder / file["file"]).read_bytes()
            assert file["size_bytes"] == len(data)
            assert file["sha256"] == hashlib.sha256(data).hexdigest()
            listed.add(file["file"])
    assert {path.name for path in folder.iterdir()} == listed


def test_the_document_says_what_model_and_ends_it_is_about(parity: Any) -> None:
    folder, document = parity
    model = (folder.parent / "model_qat_int8.tflite").read_bytes()
    assert document["model_file"] == "model_qat_int8.tflite"
    assert document["model_sha256"] == hashlib.sha256(model).hexdigest()
    assert document["size_px"] == SIDE
    assert document["input"] == {
        "dtype": "int8",
        "shape": [SIDE, SIDE, 3],
        "quantization": {"scale": 1.0, "zero_point": -128},
    }
    assert document["output"] == {
        "dtype": "int8",
        "shape": [5],
        "quantization": {"scale": LOGIT_SCALE, "zero_point": LOGIT_ZERO_POINT},
    }
    # One dense layer: both kinds of kernels round alike.
    assert document["kernel_gap"]["steps"] == 0
    assert document["logits_tolerance_steps"] == 2
    assert [(row["name"], row["checks"], row["orientation"]) for row in document["images"]] == [
        (image.name, image.checks, image.orientation) for image in parity_images()
    ]


def test_upright_pictures_are_what_pillow_makes_of_the_sources(parity: Any) -> None:
    folder, document = parity
    for row in document["images"]:
        source = Image.open(io.BytesIO(content(folder, row, "source")))
        opaque = source.convert("RGBA").convert("RGB") if source.mode == "P" else source
        wanted = np.asarray(ImageOps.exif_transpose(opaque).convert("RGB"))
        np.testing.assert_array_equal(pixels(folder, row, "upright"), wanted)
        assert wanted.shape == (row["height"], row["width"], 3)


def test_letterboxed_pictures_are_pillows_resize_pasted_in_the_middle(parity: Any) -> None:
    folder, document = parity
    for row in document["images"]:
        height, width = scaled_size(row["height"], row["width"], SIDE)
        upright = Image.fromarray(pixels(folder, row, "upright"))
        across = upright.resize((width, upright.height), Image.Resampling.BILINEAR)
        square = Image.new("RGB", (SIDE, SIDE))
        corner = ((SIDE - width) // 2, (SIDE - height) // 2)
        square.paste(across.resize((width, height), Image.Resampling.BILINEAR), corner)
        np.testing.assert_array_equal(pixels(folder, row, "letterbox"), np.asarray(square))


def test_inputs_are_the_pixels_less_128(parity: Any) -> None:
    folder, document = parity
    for row in document["images"]:
        wanted = (pixels(folder, row, "letterbox").astype(int) - 128).astype(np.int8)
        loaded = np.load(io.BytesIO(content(folder, row, "input_npy")))
        assert loaded.dtype == np.int8
        np.testing.assert_array_equal(loaded, wanted)
        assert content(folder, row, "input_raw") == wanted.tobytes()


def test_logits_are_the_means_arithmetic_and_the_top_class_their_largest(parity: Any) -> None:
    folder, document = parity
    for row in document["images"]:
        logits = np.load(io.BytesIO(content(folder, row, "logits_npy")))
        assert (logits.dtype, logits.shape) == (np.int8, (5,))
        assert content(folder, row, "logits_raw") == logits.tobytes()
        assert row["top_class"] == logits.tolist().index(max(logits.tolist()))
        # round(m * (32 - k) / 128) + c % 3 - 20 with m the channel's mean: tests/tflite_files.py.
        # Two roundings, of m and of the product, and halves may fall either way.
        means = pixels(folder, row, "letterbox").reshape(-1, 3).mean(axis=0)
        wanted = [means[c % 3] * (32 - c // 3) / 128 + c % 3 - 20 for c in range(5)]
        assert np.abs(logits - wanted).max() <= 0.5 + 0.5 * 32 / 128 + 1e-6


def test_a_file_that_takes_uint8_gets_the_pixels_themselves(tmp_path: Path) -> None:
    folder, document = written(tmp_path, 9, input_type="uint8")
    assert document["input"]["dtype"] == "uint8"
    assert document["input"]["quantization"] == {"scale": 1.0, "zero_point": 0}
    for row in document["images"]:
        loaded = np.load(io.BytesIO(content(folder, row, "input_npy")))
        assert loaded.dtype == np.uint8
        np.testing.assert_array_equal(loaded, pixels(folder, row, "letterbox"))


def test_litert_gives_the_logits_for_the_raw_input(parity: Any) -> None:
    folder, document = parity
    interpreter = Interpreter(str(folder.parent / "model_qat_int8.tflite"))
    interpreter.allocate_tensors()
    for row in document["images"]:
        tensor = np.frombuffer(content(folder, row, "input_raw"), np.int8)
        (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(entry["index"], tensor.reshape(entry["shape"]))
        interpreter.invoke()
        got = interpreter.get_tensor(exit_["index"])[0].tobytes()
        assert got == content(folder, row, "logits_raw")


def deep_model(side: int, n_layers: int = 16, width: int = 64) -> bytes:
    """Dense layers one behind another, in each of which a step of rounding may grow."""
    draw, file = np.random.default_rng(0), tflite_files._File()
    entry = file.tensor("pixels", "INT8", (1, side, side, 3), (1.0, -128))
    axes = file.tensor("axes", "INT32", (2,), None, np.array([1, 2], "<i4"))
    last, n_last, scale = file.tensor("means", "INT8", (1, 3), (1.0, -128)), 3, 1.0
    file.operator("MEAN", 2, [entry, axes], last, schema.ReducerOptionsT())
    for layer in range(n_layers):
        # Powers of two give halves, which kernels round to either side.
        unit = 1 / 64
        weights = draw.integers(-127, 128, (width, n_last)).astype(np.int8)
        kernel = file.tensor(f"w{layer}", "INT8", weights.shape, (unit, 0), weights)
        bias = file.tensor(
            f"b{layer}", "INT32", (width,), (unit * scale, 0), np.zeros(width, "<i4")
        )
        next_scale = scale * unit * (128 if n_last == 3 else 512)
        end = file.tensor(f"t{layer}", "INT8", (1, width), (next_scale, 0))
        file.operator(
            "FULLY_CONNECTED", 4, [last, kernel, bias], end, schema.FullyConnectedOptionsT()
        )
        last, n_last, scale = end, width, next_scale
    return file.packed(entry, last)


def test_the_tolerance_grows_with_what_kernels_differ_by(tmp_path: Path) -> None:
    model = tmp_path / "model_qat_int8.tflite"
    model.write_bytes(deep_model(9))
    write_parity(tmp_path, model)
    document = PARITY.read(tmp_path / "parity")
    reference = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    reference.allocate_tensors()
    (entry,), (exit_,) = reference.get_input_details(), reference.get_output_details()
    gaps = {}
    for row in document["images"]:
        tensor = np.load(io.BytesIO(content(tmp_path / "parity", row, "input_npy")))
        reference.set_tensor(entry["index"], tensor[None])
        reference.invoke()
        ours = np.load(io.BytesIO(content(tmp_path / "parity", row, "logits_npy"))).astype(int)
        gaps[row["name"]] = int(np.abs(reference.get_tensor(exit_["index"])[0] - ours).max())
    gap = document["kernel_gap"]
    assert gap["steps"] == max(gaps[name] for name in gap["images"]) > 0
    assert document["logits_tolerance_steps"] == 2 + 2 * gap["steps"] >= max(gaps.values())


def test_the_same_model_gives_the_same_bytes(parity: Any, tmp_path: Path) -> None:
    folder, _ = parity
    again, _ = written(tmp_path)
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_folder_stays_small(parity: Any) -> None:
    _folder, document = parity
    # What does not grow with the model's input: sources and upright pictures.
    fixed = sum(
        row["files"][kind]["size_bytes"]
        for row in document["images"]
        for kind in ("source", "upright")
    )
    assert fixed < 2_600_000
    assert len(json.dumps(document)) < 40_000


def test_a_missing_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is missing; did the step before"):
        write_parity(tmp_path, tmp_path / "model.tflite")
    (tmp_path / "model.tflite").write_bytes(b"no model at all")
    with pytest.raises(ExportError, match="no TFLite model"):
        write_parity(tmp_path, tmp_path / "model.tflite")
