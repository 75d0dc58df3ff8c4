"""model_metadata.json: what an app needs to feed the files and to read them, taken from them."""

import hashlib
from collections.abc import Mapping
from typing import Any

from edgedistill.artifacts import LABELS_FILE, MODEL_FILE, TASKS_FILE
from edgedistill.core.letterbox import RESIZE_RULE
from edgedistill.tf.flatbuffer import FileFacts, Tensor

_STRETCHING = (
    "MediaPipe Tasks, and whatever else resizes to the input by itself, stretches a photo to the "
    "square; this model was trained on letterboxed ones. Pad the photo to a square with black "
    "first, the photo centred in it; then nothing is stretched."
)


def describe_model(
    facts: FileFacts,
    model: bytes,
    method: str,
    tasks_facts: FileFacts,
    performance: Mapping[str, Any],
) -> dict[str, object]:
    """The content of model_metadata.json.

    Args:
        facts: what the int8 file says of itself.
        model: the int8 file.
        method: how it was quantised, in words.
        tasks_facts: what the file for MediaPipe Tasks says of itself.
        performance: the content of performance.json.
    """
    entry = facts.inputs[0]
    _batch, height, width, channels = entry.shape
    return {
        "model_file": MODEL_FILE,
        "labels_file": LABELS_FILE,
        "input": {
            "width": width,
            "height": height,
            "channels": channels,
            "color_space": "RGB",
            **_ends(entry),
        },
        "preprocess": {
            "letterbox": True,
            "keep_aspect_ratio": True,
            "pad_color_rgb": [0, 0, 0],
            "interpolation": "bilinear",
            "resize_rule": RESIZE_RULE,
            "stretching_runtimes": _STRETCHING,
        },
        "output": _answers(facts),
        "tasks_model": {
            "model_file": TASKS_FILE,
            "input": _ends(tasks_facts.inputs[0]),
            "output": _answers(tasks_facts),
        },
        "multiply_adds": performance["multiply_adds"],
        "estimated_latency": performance["estimated_latency"],
        "quantization_method": method,
        "size_bytes": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
    }


def _answers(facts: FileFacts) -> dict[str, object]:
    has_softmax = "SOFTMAX" in facts.operators
    return {
        **_ends(facts.outputs[0]),
        "is_logits": not has_softmax,
        "softmax_in_model": has_softmax,
    }


def _ends(tensor: Tensor) -> dict[str, object]:
    quantization = {"scale": tensor.scale, "zero_point": tensor.zero_point}
    return {"dtype": tensor.dtype, "quantization": quantization}
