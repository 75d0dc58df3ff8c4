"""The files in programs that are not ours: Arm's compiler, tflite-micro and MediaPipe.

The network is EfficientNet-Lite1 with its published weights and the head of ten of ImageNet's
classes; the photos are cut from scikit-learn's two. Neither needs a network or a data set.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_image

from edgedistill.tf.tasks_file import packed_model, parsed_model, tasks_model
from edgedistill.tf.tasks_metadata import with_metadata
from tests.tf.tiny import packed, quantised_file, range_rows
from tests.tflite_files import tiny_int8_model

SIZE_PX = 96
N_PHOTOS = 100
N_CLASSES = 10
ARCH = "efficientnet_lite1"
MEDIAPIPE_PYTHON = os.environ.get("EDGEDISTILL_MEDIAPIPE_PYTHON", "")
MEDIAPIPE_SCRIPT = Path(__file__).with_name("classify_with_mediapipe.py")
needs_mediapipe = pytest.mark.skipif(
    not MEDIAPIPE_PYTHON,
    reason="mediapipe cannot live beside tfmot: python3.11 -m venv MP; MP/bin/pip install "
    "mediapipe==1.2.2; EDGEDISTILL_MEDIAPIPE_PYTHON=MP/bin/python (libegl1 and libgles2 too)",
)


@dataclass(frozen=True)
class Files:
    """The same network twice, the photos, and what they are by LiteRT's reference kernels.

    photos: uint8, (n, size, size, 3). reference: integers of the logits, (n, n_classes).
    """

    int8: Path
    tasks: Path
    photos: NDArray[np.uint8]
    reference: NDArray[np.int64]


def cut_photos() -> NDArray[np.uint8]:
    """Squares of all sizes from all over two photos."""
    draw = np.random.default_rng(0)
    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    cut = []
    for i in range(N_PHOTOS):
        photo = photos[i % 2]
        side = int(draw.integers(60, photo.height))
        left = int(draw.integers(0, photo.width - side))
        top = int(draw.integers(0, photo.height - side))
        box = (left, top, left + side, top + side)
        cut.append(photo.resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR, box))
    return np.array(cut, np.uint8)


def published_network(photos: NDArray[np.uint8]) -> Any:
    """Lite1 with the head of the ten classes that it sees most often in the photos."""
    from edgedistill.tf.networks import build
    from edgedistill.tf.weights import load_lite, packaged_lite_weights

    whole = build(ARCH, SIZE_PX, 1000)
    load_lite(whole, ARCH, packaged_lite_weights(ARCH), with_head=True)
    seen = whole.predict(photos.astype(np.float32), verbose=0).argmax(axis=1)
    kept = [c for c, _ in Counter(seen.tolist()).most_common(N_CLASSES)]
    network = build(ARCH, SIZE_PX, N_CLASSES)
    for layer in network.layers[:-1]:
        layer.set_weights(whole.get_layer(layer.name).get_weights())
    kernel, bias = whole.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([kernel[:, kept], bias[kept]])
    return network


@pytest.fixture(scope="module", params=["post-training", "quantisation-aware"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    from edgedistill.tf.export import convert_quantised
    from edgedistill.tf.qat import quantise_aware

    folder = tmp_path_factory.mktemp("proof")
    photos = cut_photos()
    pixels = packed(folder / "pixels", photos)
    network = published_network(photos)
    ends = {"input_type": "int8", "output_type": "int8"}
    if request.param == "post-training":
        model = quantised_file(network, pixels, np.arange(32), full_input_range=True, **ends)
    else:
        quantised = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
        model = convert_quantised(quantised, **ends)
    int8, tasks = folder / "int8.tflite", folder / "tasks.tflite"
    int8.write_bytes(model)
    tasks.write_bytes(described(tasks_model(model), 0.5))
    return Files(int8, tasks, photos, litert_answers(int8, photos, OpResolverType.BUILTIN_REF))


NAMES = (
    "a b", "Ärmel, kurz", "中文", "👕🏽", 'the "best"', "x'y;\\", "#7", "ﬁ", "‮rtl", "é",
)  # fmt: skip


def described(model: bytes, score_threshold: float, n_classes: int = N_CLASSES) -> bytes:
    return with_metadata(
        model,
        name="edgedistill",
        description="Tells things apart – «ja».",
        version="1.2.0",
        label_names=NAMES[:n_classes],
        score_threshold=score_threshold,
    )


def litert_answers(
    path: Path, images: NDArray[np.uint8], kernels: OpResolverType = OpResolverType.AUTO
) -> NDArray[np.int64]:
    """The integers at the file's end, shape (n, n_classes); by default as on a phone: XNNPACK."""
    interpreter = Interpreter(str(path), experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for image in images:
        interpreter.set_tensor(entry["index"], at_entry(image, entry["dtype"]))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(end["index"])[0].astype(np.int64))
    return np.array(answers)


def at_entry(image: NDArray[np.uint8], dtype: Any) -> NDArray[Any]:
    # Scale 1 with zero point -128 or 0, as asserted when a file is exported.
    integers = image.astype(np.int64) - (128 if dtype == np.int8 else 0)
    return integers.astype(dtype)[None]


def operators_on(model: Path, folder: Path) -> dict[str, int]:
    """How many of the file's operators Arm's compiler leaves to the CPU, and takes."""
    pytest.importorskip("ethosu.vela", reason="pip install ethos-u-vela==5.2.0")
    done = subprocess.run(
        [sys.executable, "-m", "ethosu.vela", str(model),
         "--accelerator-config", "ethos-u55-128", "--output-dir", str(folder)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return {unit: int(n) for unit, n in re.findall(r"(CPU|NPU) operators = (\d+)", done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["int8", "tasks"])
def test_arms_compiler_leaves_no_operator_to_the_cpu(
    files: Files, which: str, tmp_path: Path
) -> None:
    operators = operators_on(getattr(files, which), tmp_path)
    assert operators["CPU"] == 0
    # 43 CONV_2D, 21 DEPTHWISE_CONV_2D and 14 ADD at least.
    assert operators["NPU"] >= 78


@pytest.mark.slow
def test_arms_compiler_would_count_a_float_operator(tmp_path: Path) -> None:
    parsed = parsed_model(tasks_model(tiny_int8_model()))
    graph = parsed.subgraphs[0]
    graph.tensors[int(graph.inputs[0])].type = schema.TensorType.FLOAT32
    model = tmp_path / "float_input.tflite"
    model.write_bytes(packed_model(parsed))
    assert operators_on(model, tmp_path)["CPU"] == 1


def micro_answers(path: Path, images: NDArray[np.uint8], dtype: type) -> NDArray[np.int64]:
    runtime = pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime", reason="pip install tflite-micro"
    )
    interpreter = runtime.Interpreter.from_file(str(path), arena_size=8 * 2**20)
    answers = []
    for image in images:
        interpreter.set_input(at_entry(image, dtype), 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0)[0].astype(np.int64))
    return np.array(answers)


@pytest.mark.slow
def test_the_microcontrollers_kernels_agree_with_litert_s_within_two_steps(files: Files) -> None:
    # Reference kernels both, which are TFLite's definition of what an operator means.
    reference = files.reference
    micro = micro_answers(files.int8, files.photos, np.int8)
    assert np.abs(micro - reference).max() <= 2
    chosen = np.take_along_axis(reference, micro.argmax(axis=1)[:, None], axis=1)[:, 0]
    # The same class but for ties: both logits may have moved by two steps.
    assert (reference.max(axis=1) - chosen).max() <= 4
    # Photos all of one class, or all near ties, would show nothing.
    ordered = np.sort(reference, axis=1)
    assert (ordered[:, -1] - ordered[:, -2] > 4).sum() >= 60
    assert len(set(reference.argmax(axis=1))) >= 5


@pytest.mark.slow
def test_the_phones_fast_kernels_see_the_same_classes(files: Files) -> None:
    # XNNPACK rounds otherwise than the reference in each of some 80 operators. Seen on these
    # files: 12 of 256 steps at most, 1.6 on average, and the same class on 96 of 100 photos.
    phone = litert_answers(files.int8, files.photos)
    reference = files.reference
    apart = np.abs(phone - reference)
    assert apart.mean() <= 3
    ordered = np.sort(reference, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 2 * apart.max()
    assert clear.sum() >= 30
    np.testing.assert_array_equal(phone[clear].argmax(axis=1), reference[clear].argmax(axis=1))
    assert (phone.argmax(axis=1) == reference.argmax(axis=1)).mean() >= 0.9


@pytest.mark.slow
def test_the_microcontrollers_softmax_is_that_of_its_own_logits(files: Files) -> None:
    photos = files.photos[:20]
    (end,) = Interpreter(str(files.int8)).get_output_details()
    scale, zero_point = end["quantization"]
    logits = (micro_answers(files.int8, photos, np.int8) - zero_point) * scale
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact *= 256 / exact.sum(axis=1, keepdims=True)
    assert np.abs(micro_answers(files.tasks, photos, np.uint8) - exact).max() <= 1


def mediapipe_answers(model: Path, images: list[NDArray[np.uint8]], folder: Path) -> dict[str, Any]:
    """What `classify_with_mediapipe.py` says."""
    np.savez(folder / "images.npz", *images)
    done = subprocess.run(
        [MEDIAPIPE_PYTHON, str(MEDIAPIPE_SCRIPT), str(model), str(folder / "images.npz"),
         str(folder / "answers.json")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads((folder / "answers.json").read_text())
    return answers


def as_categories(scores: NDArray[np.int64], threshold: float, n_classes: int) -> list[list[Any]]:
    """[index, name, score] of each class that passes, as MediaPipe would list them."""
    passed = [i for i in range(n_classes) if scores[i] / 256 >= threshold]
    return [[i, NAMES[i], scores[i] / 256] for i in passed]


def in_order(categories: list[list[Any]]) -> list[list[Any]]:
    return sorted(categories, key=lambda c: int(c[0]))


@dataclass(frozen=True)
class Small:
    """A tiny file in MediaPipe: plain colours, and the threshold that one score just reaches."""

    images: list[NDArray[np.uint8]]
    scores: NDArray[np.int64]
    threshold: float
    answers: dict[str, Any]


SMALL_CLASSES = 7


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("small")
    bare = tasks_model(tiny_int8_model(n_classes=SMALL_CLASSES))
    reds = [np.full((8, 8, 3), (value, 0, 0), np.uint8) for value in range(0, 256, 15)]
    model = folder / "model.tflite"
    model.write_bytes(bare)
    scores = litert_answers(model, np.array(reds))
    # The best score of one of them in the middle: it must pass, the next lower must not.
    threshold = float(np.sort(scores.max(axis=1))[len(reds) // 2]) / 256
    model.write_bytes(described(bare, threshold, SMALL_CLASSES))
    wide = np.full((8, 32, 3), (255, 0, 0), np.uint8)
    answers = mediapipe_answers(model, [*reds, wide], folder)
    return Small([*reds, wide], scores, threshold, answers)


@needs_mediapipe
def test_mediapipe_shows_our_names_and_litert_s_scores(small: Small) -> None:
    for scores, seen in zip(small.scores, small.answers["all_categories"], strict=False):
        expected = as_categories(scores, 1 / 256, SMALL_CLASSES)
        assert in_order(seen) == expected
        shown = [score for _, _, score in seen]
        assert shown == sorted(shown, reverse=True)


@needs_mediapipe
def test_mediapipe_applies_our_threshold(small: Small) -> None:
    seen = small.answers["categories"]
    for scores, passed in zip(small.scores, seen, strict=False):
        assert in_order(passed) == as_categories(scores, small.threshold, SMALL_CLASSES)
    # Some images pass and some give no category at all, and one score just reaches it.
    n_categories = {len(passed) for passed in seen}
    assert n_categories == {0, 1}
    assert small.threshold in {score for passed in seen for _, _, score in passed}


@needs_mediapipe
def test_mediapipe_stretches_a_photo_that_is_no_square(small: Small) -> None:
    # Letterboxed, a red image of 4 : 1 is three quarters black, with a mean of 64 of 255;
    # stretched, it is as red as the last of the square ones.
    *_, square, wide = small.answers["all_categories"]
    assert wide == square
    quarter = small.answers["all_categories"][4]
    assert small.images[4][0, 0, 0] == 60
    assert wide != quarter


@needs_mediapipe
def test_mediapipes_own_schema_reads_each_field_as_it_was_meant(small: Small) -> None:
    image = {
        "name": "image",
        "description": "Upright RGB photo, padded with black to a square and scaled to 8 x 8; "
        "each value 0 to 255 as it is.",
        "content": {
            "contentPropertiesType": 2,
            "contentProperties": {"colorSpace": 1, "defaultSize": {"width": 8, "height": 8}},
        },
        "processUnits": [{"optionsType": 1, "options": {"mean": [0.0], "std": [1.0]}}],
        "stats": {"max": [255.0], "min": [0.0]},
    }
    scores = {
        "name": "probability",
        "description": "Probability of each class.",
        "content": {"contentPropertiesType": 1, "contentProperties": {}},
        "processUnits": [
            # A multiple of 1 / 256: float32 holds it exactly.
            {"optionsType": 3, "options": {"globalScoreThreshold": small.threshold}}
        ],
        "stats": {"max": [1.0], "min": [0.0]},
        "associatedFiles": [
            {
                "name": "labels.txt",
                "description": "The name of each class, a line each, in the order of the outputs.",
                "type": 2,
            }
        ],
    }
    assert small.answers["metadata"] == {
        "name": "edgedistill",
        "description": "Tells things apart – «ja».",
        "version": "1.2.0",
        "subgraphMetadata": [{"inputTensorMetadata": [image], "outputTensorMetadata": [scores]}],
        "minParserVersion": "1.0.0",
    }
    assert small.answers["files"] == {
        "labels.txt": "".join(f"{name}\n" for name in NAMES[:SMALL_CLASSES])
    }


@needs_mediapipe
@pytest.mark.slow
def test_mediapipe_answers_like_litert_on_photos(files: Files, tmp_path: Path) -> None:
    answers = mediapipe_answers(files.tasks, list(files.photos), tmp_path)
    scores = litert_answers(files.tasks, files.photos)
    for own, seen, passed in zip(
        scores, answers["all_categories"], answers["categories"], strict=True
    ):
        assert in_order(seen) == as_categories(own, 1 / 256, N_CLASSES)
        assert in_order(passed) == as_categories(own, 0.5, N_CLASSES)
    assert {len(passed) for passed in answers["categories"]} >= {0, 1}
