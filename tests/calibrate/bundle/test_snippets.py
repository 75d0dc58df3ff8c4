"""The snippets do what training did: Python and C++ are run, C for Java is compiled."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from PIL import Image, ImageCms

from edgedistill.artifacts import THRESHOLD
from edgedistill.core.decode import decode_photo
from edgedistill.core.letterbox import letterbox
from edgedistill.tf.interpreter import raw_outputs
from tests.calibrate.bundle.model_folder import (
    ODD_NAMES,
    SIDE_PX,
    threshold_document,
    write_model_folder,
)
from tests.tflite_files import LOGIT_SCALE, LOGIT_ZERO_POINT, _File

OWN_HEADERS = Path(__file__).parent
CPP_STRICT = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
LITERT_HEADERS = ("common", "compiled_model", "environment", "model", "options", "tensor_buffer")


def red_photo(path: Path, *, right_half: tuple[int, int, int] = (255, 0, 0)) -> Path:
    """Twice as wide as high: letterboxed, half of the square is black."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = (255, 0, 0)
    pixels[:, 20:] = right_half
    Image.fromarray(pixels).save(path)
    return path


# Red is 255 in the photo and 0 above and below it: mean 127.5, which becomes 127 or 128. The
# logits' integers are m * (32 - k) / 128 + c % 3 - 20 (tests/tflite_files.py): with 128, class 0
# has 32, class 3 (k = 1) has 31; 1 and 2 have 1 and 2, class 4 has 1; a step is 1/8.
RED_CONFIDENCES = np.exp(np.array([32, 1, 2, 31, 1]) / 8)
RED_CONFIDENCES /= RED_CONFIDENCES.sum()


def test_a_red_photo_is_the_class_that_looks_at_red():
    # So that what is expected below is not what both programs get wrong alike.
    assert RED_CONFIDENCES[0] == pytest.approx(0.513, abs=0.001)


def model_that_sees_each_pixel(n_classes: int) -> bytes:
    """A dense layer on all values of the image: no two of them have the same weights.

    The network of tests/tflite_files.py means each channel, and so would not mind pixels that
    change places.
    """
    file = _File()
    n_values = SIDE_PX * SIDE_PX * 3
    number = np.arange(n_classes * n_values).reshape(n_classes, n_values)
    weights = (number * 7919 % 255 - 127).astype(np.int8)  # a prime: no pattern of the image's size
    pixels = file.tensor("pixels", "INT8", (1, SIDE_PX, SIDE_PX, 3), (1.0, -128))
    scale = 2.0**-15
    dense = file.tensor("weights", "INT8", weights.shape, (scale, 0), weights)
    zeros = np.zeros(n_classes, "<i4")
    bias = file.tensor("bias", "INT32", zeros.shape, (scale, 0), zeros)
    logits = file.tensor("logits", "INT8", (1, n_classes), (LOGIT_SCALE, LOGIT_ZERO_POINT))
    options = schema.FullyConnectedOptionsT()
    file.operator("FULLY_CONNECTED", 4, [pixels, dense, bias], logits, options)
    return file.packed(pixels, logits)


@pytest.fixture(scope="session")
def seeing(made_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the snippets need of a bundle, around that model; and the photos of parity/."""
    bundle = tmp_path_factory.mktemp("seeing") / "bundle"
    write_model_folder(bundle, model=model_that_sees_each_pixel(len(ODD_NAMES)))
    THRESHOLD.write(bundle, threshold_document())
    for folder in ("snippets", "parity"):
        shutil.copytree(made_bundle / folder, bundle / folder)
    return bundle


def run_python(bundle: Path, photo: Path) -> str:
    command = [sys.executable, "-I", str(bundle / "snippets" / "classify.py"), str(photo)]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode("utf-8")


def expected_lines(photo: bytes, bundle: Path, threshold: float) -> str:
    """What decode, letterbox and interpreter of training and evaluation say, as the snippets do."""
    square = letterbox(decode_photo(photo), SIDE_PX)
    ((_entry, raw),) = raw_outputs(bundle / "model_qat_int8.tflite", [square])
    powers = np.exp((raw.astype(np.float64) - LOGIT_ZERO_POINT) * LOGIT_SCALE)
    shares = powers / powers.sum()
    name = ODD_NAMES[int(shares.argmax())] if shares.max() >= threshold else "unknown"
    return f"{name} {shares.max():.4f}\n"


def parity_sources(bundle: Path, *, most_bytes: int = 2**20) -> list[Path]:
    """The photos of parity/ that are no larger than that."""
    rows = json.loads((bundle / "parity" / "parity.json").read_text(encoding="utf-8"))["images"]
    paths = [bundle / "parity" / row["files"]["source"]["file"] for row in rows]
    return [path for path in paths if path.stat().st_size <= most_bytes]


def test_python_names_the_class_and_its_confidence(made_bundle, tmp_path):
    photo = red_photo(tmp_path / "red.png")
    name, _, confidence = run_python(made_bundle, photo).strip().rpartition(" ")
    assert name == ODD_NAMES[0]
    assert float(confidence) == pytest.approx(RED_CONFIDENCES[0], abs=0.02)


def test_python_says_unknown_below_the_threshold(made_bundle, tmp_path):
    # Red and green alike: two pairs of classes share the confidence, each below 0.51.
    photo = red_photo(tmp_path / "half.png", right_half=(0, 255, 0))
    assert run_python(made_bundle, photo).startswith("unknown 0.")


def loaded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("classify", bundle / "snippets" / "classify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_python_agrees_with_training_on_every_parity_image(seeing, monkeypatch):
    snippet = loaded(seeing, monkeypatch)
    model = snippet.Interpreter(str(seeing / "model_qat_int8.tflite"))
    model.allocate_tensors()
    paths = parity_sources(seeing)
    assert len(paths) >= 12
    for path in paths:
        name, confidence = snippet.classify(snippet.upright(str(path)), model)
        expected = expected_lines(path.read_bytes(), seeing, 0.51)
        assert f"{name} {confidence:.4f}\n" == expected, path.name


# A user would see what Pillow warns of, and it may come to raise it.
@pytest.mark.filterwarnings("error")
def test_python_makes_the_very_pixels_of_parity(made_bundle, monkeypatch):
    snippet = loaded(made_bundle, monkeypatch)
    for path in parity_sources(made_bundle):
        photo = snippet.upright(str(path))
        square = snippet.letterbox(photo, SIDE_PX)
        for kind, pixels in (("upright", photo), ("letterbox", square)):
            with Image.open(path.with_name(f"{path.stem}.{kind}.png")) as wanted:
                np.testing.assert_array_equal(np.asarray(pixels), np.asarray(wanted))


def refusal(bundle: Path, photo: Path) -> str:
    """What the snippet says of a photo that it does not take, in one line."""
    command = [sys.executable, "-I", str(bundle / "snippets" / "classify.py"), str(photo)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_python_says_what_it_cannot_read(made_bundle, tmp_path):
    photo = tmp_path / "x.png"
    assert refusal(made_bundle, photo) == f"{photo} cannot be read: No such file or directory"
    photo.write_bytes(b"no photo")
    assert f"{photo} cannot be read: cannot identify image file" in refusal(made_bundle, photo)


@pytest.mark.parametrize("values", [np.uint16, np.int32, np.float32])
def test_python_refuses_values_that_pillow_would_clip(made_bundle, monkeypatch, tmp_path, values):
    # 129 of 65535 is nearly black; Pillow's convert("RGB") gives 129 of 255.
    Image.fromarray(np.full((4, 4), 129, values)).save(tmp_path / "x.tif")
    snippet = loaded(made_bundle, monkeypatch)
    with pytest.raises(ValueError, match="save it with 8 bits a value first"):
        snippet.upright(str(tmp_path / "x.tif"))
    if values is np.uint16:
        Image.fromarray(np.full((4, 4), 129, values)).save(tmp_path / "x.png")
        assert "8 bits a value" in refusal(made_bundle, tmp_path / "x.png")


def test_python_applies_no_colour_profile(made_bundle, monkeypatch, tmp_path):
    # A profile that applied would show: Lab's is of another colour model than any RGB file's.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = red_photo(tmp_path / "red.png")
    with Image.open(photo) as plain:
        plain.save(tmp_path / "tagged.png", icc_profile=profile)
    snippet = loaded(made_bundle, monkeypatch)
    with Image.open(tmp_path / "tagged.png") as tagged:
        assert tagged.info["icc_profile"] == profile
    assert snippet.upright(str(tmp_path / "tagged.png")).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("shape", [(640, 480), (480, 640), (90, 40)])
def test_python_letterboxes_noise_as_training_does(made_bundle, monkeypatch, shape):
    # Of photos higher than wide Pillow 13 would begin with the other direction.
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    square = loaded(made_bundle, monkeypatch).letterbox(Image.fromarray(noise), SIDE_PX)
    np.testing.assert_array_equal(square, letterbox(noise, SIDE_PX))


def test_python_fills_the_input_with_the_very_tensor_of_parity(made_bundle, monkeypatch):
    snippet = loaded(made_bundle, monkeypatch)
    squares = sorted((made_bundle / "parity").glob("*.letterbox.png"))
    assert len(squares) >= 12
    for path in squares:
        wanted = np.load(path.with_name(path.name.replace(".letterbox.png", ".input.npy")))
        with Image.open(path) as square:
            np.testing.assert_array_equal(snippet.quantised(np.asarray(square))[0], wanted)


@pytest.fixture(scope="session")
def compiled(made_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """snippets/classify.cpp, linked with the library of the Python package."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++ (Debian: apt-get install g++)")
    package = importlib.util.find_spec("ai_edge_litert")
    assert package is not None
    assert package.origin is not None
    library = Path(package.origin).with_name("libLiteRt.so")
    if not library.exists():
        pytest.skip("needs libLiteRt.so, which ai-edge-litert holds on Linux alone")
    folder = tmp_path_factory.mktemp("cpp")
    (folder / "litert" / "c").mkdir(parents=True)
    for name in LITERT_HEADERS:
        header = folder / "litert" / "c" / f"litert_{name}.h"
        header.write_text('#include "litert_declarations.h"\n')
    command = [
        "g++", *CPP_STRICT, f"-I{folder}", f"-I{OWN_HEADERS}", f"-I{made_bundle}",
        str(made_bundle / "snippets" / "classify.cpp"), str(library),
        f"-Wl,-rpath,{library.parent}", "-o", str(folder / "classify"),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return folder / "classify"


def run_cpp(program: Path, bundle: Path, threshold: float, photo: Path) -> str:
    done = subprocess.run(
        [str(program), str(bundle), str(threshold), str(photo)], capture_output=True, check=True
    )
    return done.stdout.decode("utf-8")


def test_cpp_agrees_with_training(compiled, seeing, tmp_path):
    paths = parity_sources(seeing, most_bytes=100_000)  # each runs a process
    assert len(paths) >= 12
    for path in paths:
        Image.fromarray(decode_photo(path.read_bytes())).save(tmp_path / "photo.ppm")
        expected = expected_lines(path.read_bytes(), seeing, 0.3)
        assert run_cpp(compiled, seeing, 0.3, tmp_path / "photo.ppm") == expected, path.name


def test_cpp_says_unknown_below_the_threshold(compiled, made_bundle, tmp_path):
    photo = red_photo(tmp_path / "red.ppm")
    assert run_cpp(compiled, made_bundle, 0.5, photo).startswith(ODD_NAMES[0])
    assert run_cpp(compiled, made_bundle, 0.55, photo).startswith("unknown 0.")


def test_python_and_cpp_quantise_for_a_file_that_takes_uint8(compiled, made_bundle, tmp_path):
    bundle = write_model_folder(tmp_path / "bundle", input_type="uint8")
    THRESHOLD.write(bundle, threshold_document())
    shutil.copytree(made_bundle / "snippets", bundle / "snippets")
    photo, same = red_photo(tmp_path / "red.ppm"), red_photo(tmp_path / "red.png")
    expected = expected_lines(same.read_bytes(), bundle, 0.5)
    assert run_cpp(compiled, bundle, 0.5, photo) == expected
    assert run_python(bundle, photo) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"P6 2 2 255\n123", "cut off"), (b"P5 1 1 255\n1", "binary PPM"), (b"", "binary PPM")],
)
def test_cpp_refuses_what_is_no_ppm(compiled, made_bundle, tmp_path, content, reason):
    (tmp_path / "x.ppm").write_bytes(content)
    command = [str(compiled), str(made_bundle), "0.5", str(tmp_path / "x.ppm")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert reason in done.stderr


def test_the_c_file_for_java_compiles(made_bundle, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc (Debian: apt-get install gcc)")
    (tmp_path / "jni.h").write_text('#include "jni_declarations.h"\n')
    source = made_bundle / "snippets" / "letterbox_jni.c"
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{tmp_path}"]
    command += [f"-I{OWN_HEADERS}", f"-I{made_bundle}", str(source)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("name", ["Classify.kt", "ClassifyWithMediaPipe.kt", "Classify.swift"])
def test_what_was_not_compiled_says_so_in_its_head(made_bundle, name):
    text = (made_bundle / "snippets" / name).read_text(encoding="utf-8")
    assert "NOT COMPILED by us" in text.splitlines()[0]
    assert "Kotlin and Swift files were **not** compiled" in (made_bundle / "README.md").read_text(
        encoding="utf-8"
    )


def test_no_snippet_converts_colour_profiles(made_bundle):
    # No compiler here: that at least the calls are absent that would.
    kotlin, swift = (
        (made_bundle / "snippets" / name).read_text(encoding="utf-8")
        for name in ("Classify.kt", "Classify.swift")
    )
    assert ".getPixels(" not in kotlin
    assert "photo.copyPixelsToBuffer(" in kotlin
    assert "photo.colorSpace" in swift


def test_snippets_are_short(made_bundle):
    for path in (made_bundle / "snippets").iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 160, path.name
