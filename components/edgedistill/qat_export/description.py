"""model_metadata.json: what an app needs to feed the file and to read it, taken from the file."""

import hashlib

from edgedistill.artifacts import LABELS_FILE, MODEL_FILE
from edgedistill.core.letterbox import RESIZE_RULE
from edgedistill.tf.flatbuffer import FileFacts, Tensor


def describe_model(facts: FileFacts, model: bytes, method: str) -> dict[str, object]:
    """The content of model_metadata.json.

    Args:
        facts: what the file says of itself.
        model: the file.
        method: how it was quantised, in words.
    """
    entry, exit_ = facts.inputs[0], facts.outputs[0]
    _batch, height, width, channels = entry.shape
    return {
        "model_file": MODEL_FILE,
        "labels_file": LABELS_FILE,
        "input": {
            "width": width,
            "height": height,
            "channels": channels,
            "color_space": "RGB",
            "dtype": entry.dtype,
            "quantization": _quantisation(entry),
        },
        "preprocess": {
            "letterbox": True,
            "keep_aspect_ratio": True,
            "pad_color_rgb": [0, 0, 0],
            "interpolation": "bilinear",
            "resize_rule": RESIZE_RULE,
        },
        "output": {
            "dtype": exit_.dtype,
            "quantization": _quantisation(exit_),
            "is_logits": "SOFTMAX" not in facts.operators,
            "softmax_in_model": "SOFTMAX" in facts.operators,
        },
        "quantization_method": method,
        "size_bytes": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
    }


def _quantisation(tensor: Tensor) -> dict[str, float | int | None]:
    return {"scale": tensor.scale, "zero_point": tensor.zero_point}
