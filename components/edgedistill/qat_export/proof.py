"""What must hold of the two files before they ship; each point is measured, none is assumed."""

import math

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import TASKS_FILE
from edgedistill.core.layer_error import LayerError, worst_layers
from edgedistill.core.probabilities import softmax
from edgedistill.errors import ExportError
from edgedistill.settings import QatExportSettings
from edgedistill.tf.flatbuffer import (
    FileFacts,
    read_facts,
    require_full_integer,
    require_static,
)
from edgedistill.tf.tasks_file import PROBABILITY_SCALE

# Rounding moves a logit by a step or so of the output's quantisation: over the classes of a photo
# 1.4 steps on average and 3 at most for trained networks, 5 and 9 for one of random weights, whose
# steps are small. More, on more than this share of the photos, means that the conversion failed.
_MOST_STEPS = 16
_MOST_ODD_FRAC = 0.01


def prove(model: bytes, settings: QatExportSettings, size_px: int) -> FileFacts:
    """What the file says of itself, if it is the full-integer file that the settings ask for.

    Raises:
        ExportError: naming the first thing that is otherwise.
    """
    facts = read_facts(model)
    require_full_integer(
        facts,
        input_type=settings.tflite_inference_input_type,
        output_type=settings.tflite_inference_output_type,
        full_input_range=settings.force_input_range_0_255,
        img_size_px=size_px,
    )
    return facts


def prove_tasks_file(tasks: bytes, facts: FileFacts) -> FileFacts:
    """What the file for MediaPipe Tasks says of itself, if it is integer and answers in scores.

    Such runtimes copy a photo's bytes into the input and look at no scale: it must be 1.

    Args:
        tasks: the file.
        facts: of the int8 file that it was made from.

    Raises:
        ExportError: naming what is otherwise.
    """
    tasks_facts = read_facts(tasks)
    if tasks_facts.float_users:
        raise ExportError(f"{TASKS_FILE} still has float operator {tasks_facts.float_users[0]}.")
    odd = sorted(set(tasks_facts.tensor_dtypes) - {"int8", "int32", "uint8"})
    if odd:
        raise ExportError(
            f"every tensor of {TASKS_FILE} must be int8, int32 or uint8; got {', '.join(odd)}."
        )
    require_static(tasks_facts)
    _require_tasks_ends(tasks_facts, facts.inputs[0].shape)
    if tasks_facts.operator_order[-2:] != ("SOFTMAX", "QUANTIZE"):
        raise ExportError(
            f"{TASKS_FILE} must end in SOFTMAX and QUANTIZE; got "
            f"{' and '.join(tasks_facts.operator_order[-2:])}."
        )
    return tasks_facts


def _require_tasks_ends(facts: FileFacts, input_shape: tuple[int, ...]) -> None:
    ends = (*facts.inputs, *facts.outputs)
    if [end.dtype for end in ends] != ["uint8", "uint8"]:
        raise ExportError(
            f"{TASKS_FILE} must take and give uint8; got {', '.join(end.dtype for end in ends)}."
        )
    if facts.inputs[0].shape != input_shape:
        raise ExportError(
            f"{TASKS_FILE} must take images of shape {input_shape}; got {facts.inputs[0].shape}."
        )
    for end, scale in zip(ends, (1.0, PROBABILITY_SCALE), strict=True):
        if (end.scale, end.zero_point) != (scale, 0):
            raise ExportError(
                f"'{end.name}' of {TASKS_FILE} must have scale {scale:g} and zero point 0; got "
                f"{end.scale} and {end.zero_point}."
            )


def require_conversion_kept_answers(
    file_logits: NDArray[np.float32], network_logits: NDArray[np.float32], facts: FileFacts
) -> None:
    """Refuses a file whose logits differ from its Keras network's by more than rounding explains.

    Args:
        file_logits: the file's answers, shape (n, n_classes).
        network_logits: the network's answers to the same photos.
        facts: what the file says of itself.

    Raises:
        ExportError: with the number of photos.
    """
    steps = np.abs(file_logits - network_logits).mean(axis=1) / (facts.outputs[0].scale or 1.0)
    n_differ = int((steps > _MOST_STEPS).sum())
    if n_differ > _MOST_ODD_FRAC * len(steps):
        raise ExportError(
            f"the exported file and its network must give the same logits, but for {_MOST_STEPS} "
            f"steps of quantisation; they differ by more on {n_differ} of {len(steps)} validation "
            f"photos, by {steps.max():.0f} at most."
        )


def require_equal_answers(
    logits: NDArray[np.float32], scores: NDArray[np.float32], step: float
) -> None:
    """Proves that both files say the same.

    Args:
        logits: of `model_qat_int8.tflite`, shape (n, n_classes).
        scores: of `model_tasks.tflite` for the same photos, in [0, 1].
        step: quantisation step of the scores.

    Raises:
        ExportError: another class on a photo, ties aside, or a score further off than one step.
    """
    rows = np.arange(len(logits))
    n_other = int((scores[rows, logits.argmax(axis=1)] < scores.max(axis=1)).sum())
    if n_other:
        raise ExportError(
            f"both files must name the same class; they differ on {n_other} of {len(logits)} "
            "validation photos."
        )
    largest = float(np.abs(softmax(logits) - scores).max())
    # A score of 1 is stored as 255/256, a whole step below: the bound is met exactly there.
    if largest > step * (1 + 1e-6):
        raise ExportError(
            f"the scores of both files must agree within {step:g}; they differ by {largest:.4f}."
        )


def require_small_drop(
    file_right: NDArray[np.bool_],
    float_right: NDArray[np.bool_],
    errors: list[LayerError],
    *,
    max_drop: float,
    qat: bool,
) -> None:
    """Refuses a file that lost more against the float student than is allowed.

    The allowance is counted in whole photos, rounded up: on 60 photos a share of 0.01 is less than
    one, and one photo proves nothing.

    Args:
        file_right: whether the file is right on each validation photo.
        float_right: whether the float student is.
        errors: the file's layers, for the sentence.
        max_drop: `quant_max_drop`.
        qat: whether there was quantisation-aware training: what to do is another then.

    Raises:
        ExportError: with the layers that hurt most.
    """
    n_lost = int(float_right.sum()) - int(file_right.sum())
    # Not ceil of the product alone: 0.07 * 100 is a little more than 7 in binary.
    allowed = math.ceil(max_drop * len(file_right) - 1e-9)
    if n_lost <= allowed:
        return
    names = ", ".join(f"{e.layer} ({_decibels(e)})" for e in worst_layers(errors))
    remedy = "Raise epochs_qat, give" if qat else "Set qat to true, give"
    raise ExportError(
        f"the int8 file must be right on at most {allowed} validation photos fewer than the float "
        f"student (quant_max_drop {max_drop:g}); it is right on {n_lost} fewer of "
        f"{len(file_right)}. The layers that hurt most: {names}. {remedy} "
        "more photos, or allow more by --quant_max_drop."
    )


def _decibels(error: LayerError) -> str:
    """Of a layer that `worst_layers` named, which has noise of its own."""
    return f"{error.own_sqnr_db:.1f} dB"
