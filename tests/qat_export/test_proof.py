"""What is refused before a file ships, and in which words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgedistill.core.layer_error import LayerError
from edgedistill.errors import ExportError
from edgedistill.qat_export.proof import (
    prove,
    prove_tasks_file,
    require_conversion_kept_answers,
    require_equal_answers,
    require_small_drop,
)
from edgedistill.settings import QatExportSettings
from edgedistill.tf.flatbuffer import read_facts
from edgedistill.tf.tasks_file import packed_model, parsed_model, tasks_model
from tests.tflite_files import tiny_int8_model

STEP = 1 / 256
ERRORS = [
    LayerError("stem", "CONV_2D", 40.0, 40.0),
    LayerError("body", "CONV_2D", 12.0, 12.5),
    LayerError("pool", "MEAN", 12.0, None),
]


def test_a_full_integer_file_is_proven_and_another_size_refused() -> None:
    model = tiny_int8_model(size_px=8)
    assert prove(model, QatExportSettings(), 8).float_users == ()
    with pytest.raises(ExportError, match=r"the input's shape must be \(1, 16, 16, 3\)"):
        prove(model, QatExportSettings(), 16)


def test_the_tasks_file_must_be_one() -> None:
    model = tiny_int8_model(size_px=8)
    facts = read_facts(model)
    assert "SOFTMAX" in prove_tasks_file(tasks_model(model), facts).operators
    with pytest.raises(ExportError, match="must take and give uint8; got int8, int8"):
        prove_tasks_file(model, facts)
    with pytest.raises(ExportError, match=r"of shape \(1, 8, 8, 3\); got \(1, 4, 4, 3\)"):
        prove_tasks_file(tasks_model(tiny_int8_model(size_px=4)), facts)

    def refused(sentence: str, edit: Callable[[Any, Any, Any], object]) -> None:
        parsed = parsed_model(tasks_model(model))
        graph = parsed.subgraphs[0]
        edit(graph, *(graph.tensors[i] for i in (graph.inputs[0], graph.outputs[0])))
        with pytest.raises(ExportError, match=sentence):
            prove_tasks_file(packed_model(parsed), facts)

    int16 = schema.TensorType.INT16
    refused("uint8; got int16", lambda graph, *_: setattr(graph.tensors[2], "type", int16))
    any_batch = np.array([-1, 3], np.int32)
    refused(
        r"got \[-1, 3\] \(tensor 'probabilities'\)",
        lambda *ends: setattr(ends[-1], "shapeSignature", any_batch),
    )
    for end, name, value, wanted in (
        (1, "raw_pixels", 0.5, "scale 1 and zero point 0; got 0.5 and 0"),
        (2, "probabilities", 0.5, "scale 0.00390625 and zero point 0; got 0.5 and 0"),
    ):
        scale, one = np.array([value], np.float32), np.array([1], np.int64)
        refused(
            f"'{name}' of .* must have {wanted}",
            lambda *of, end=end, scale=scale: setattr(of[end].quantization, "scale", scale),
        )
        refused(
            f"'{name}' of .* and zero point 0; got .* and 1",
            lambda *of, end=end, one=one: setattr(of[end].quantization, "zeroPoint", one),
        )
    refused(
        "end in SOFTMAX and QUANTIZE; got FULLY_CONNECTED and QUANTIZE",
        lambda graph, *_: graph.operators.pop(-2),
    )
    refused(
        "end in SOFTMAX and QUANTIZE; got FULLY_CONNECTED and SOFTMAX",
        lambda graph, *_: graph.operators.pop(),
    )


def test_scores_within_a_step_agree() -> None:
    # softmax(log 3, 0) = 0.75 and 0.25.
    logits = np.log(np.array([[3.0, 1.0]], np.float32))
    require_equal_answers(logits, np.array([[0.75 + STEP, 0.25 - STEP]], np.float32), STEP)
    with pytest.raises(ExportError, match=r"must agree within 0\.00390625; they differ by 0\.0078"):
        require_equal_answers(logits, np.array([[0.75, 0.25 + 2 * STEP]], np.float32), STEP)


def test_a_score_of_one_is_stored_a_step_below() -> None:
    logits = np.array([[100.0, 0.0]], np.float32)
    require_equal_answers(logits, np.array([[255 / 256, 0]], np.float32), STEP)


def test_another_class_is_refused_and_a_tie_is_not() -> None:
    logits = np.log(np.array([[0.502, 0.498]], np.float32))
    require_equal_answers(logits, np.array([[0.5, 0.5]], np.float32), STEP)
    with pytest.raises(ExportError, match="they differ on 1 of 1 validation photos"):
        require_equal_answers(logits, np.array([[0.498, 0.502]], np.float32), STEP)


def _right(n_right: int, n: int) -> np.ndarray:
    return np.arange(n) < n_right


@pytest.mark.parametrize(
    ("n", "max_drop", "allowed"),
    [(341, 0.01, 4), (180, 0.01, 2), (30, 0.01, 1), (30, 0.0, 0), (100, 0.07, 7), (100, 1.0, 100)],
)
def test_the_allowed_drop_is_counted_in_whole_photos_rounded_up(
    n: int, max_drop: float, allowed: int
) -> None:
    require_small_drop(_right(n - allowed, n), _right(n, n), ERRORS, max_drop=max_drop, qat=True)
    if allowed < n:
        with pytest.raises(ExportError, match=f"{allowed} validation photos fewer"):
            require_small_drop(
                _right(n - allowed - 1, n), _right(n, n), ERRORS, max_drop=max_drop, qat=True
            )


def test_a_file_that_gains_as_much_as_it_loses_is_no_worse() -> None:
    require_small_drop(_right(5, 10), _right(5, 10)[::-1], ERRORS, max_drop=0.0, qat=True)


def test_the_layers_that_hurt_most_are_named_with_what_to_do() -> None:
    with pytest.raises(ExportError) as caught:
        require_small_drop(_right(5, 10), _right(10, 10), ERRORS, max_drop=0.1, qat=True)
    sentence = str(caught.value)
    assert "it is right on 5 fewer of 10" in sentence
    assert "body (12.5 dB)" in sentence
    assert "Raise epochs_qat, give more photos, or allow more by --quant_max_drop." in sentence


def test_without_training_the_remedy_is_training() -> None:
    with pytest.raises(ExportError, match="Set qat to true, give more photos"):
        require_small_drop(_right(5, 10), _right(10, 10), ERRORS, max_drop=0.1, qat=False)


def test_a_conversion_that_changed_the_answers_is_refused() -> None:
    facts = read_facts(tiny_int8_model())
    step = facts.outputs[0].scale or 0.0
    network = np.zeros((200, 3), np.float32)
    file = network.copy()
    file[:2] += 17 * step  # of 200 photos one in a hundred may be odd
    require_conversion_kept_answers(file, network, facts)
    file[2] -= 17 * step
    with pytest.raises(ExportError, match="by more on 3 of 200 validation photos, by 17 at most"):
        require_conversion_kept_answers(file, network, facts)


def test_a_single_photo_is_enough_to_refuse_a_conversion_and_rounding_is_not() -> None:
    facts = read_facts(tiny_int8_model())
    step = facts.outputs[0].scale or 0.0
    network = np.zeros((1, 3), np.float32)
    # On average over the classes: (30 + 9 + 9) / 3 = 16 steps, and 17.
    near = np.array([[30, -9, 9]], np.float32) * np.float32(step)
    far = np.array([[33, -9, 9]], np.float32) * np.float32(step)
    require_conversion_kept_answers(near * np.float32(0.999), network, facts)
    with pytest.raises(ExportError, match="on 1 of 1"):
        require_conversion_kept_answers(far, network, facts)
