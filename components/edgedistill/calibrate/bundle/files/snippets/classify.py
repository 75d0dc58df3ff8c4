"""python classify.py PHOTO: what the model says of a photo. For Python 3.9 or later.

Needs: pip install ai-edge-litert numpy pillow
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image, ImageOps

BUNDLE = Path(__file__).resolve().parent.parent
META = json.loads((BUNDLE / "model_metadata.json").read_text(encoding="utf-8"))
LABELS = (BUNDLE / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
THRESHOLD = json.loads((BUNDLE / "threshold_recommendation.json").read_text(encoding="utf-8"))[
    "recommended_threshold"
]


def upright(path: str) -> Image.Image:
    """The photo in a file, turned as its EXIF data say, as RGB; colour profiles are not applied.

    Raises OSError where it cannot be read, and ValueError where it has more than 8 bits a value.
    """
    photo = ImageOps.exif_transpose(Image.open(path))
    if photo.mode[0] in "IF":  # Pillow would clip these values to 255, not scale them.
        raise ValueError(f"save it with 8 bits a value first (its mode is {photo.mode})")
    if photo.mode == "P":  # The palette's colours, also where they are transparent.
        photo = photo.convert("RGBA")
    return photo.convert("RGB")


def letterbox(photo: Image.Image, side: int) -> NDArray[np.uint8]:
    """The whole photo on a black square of `side` pixels, shape (side, side, 3)."""
    longest = max(photo.size)
    width, height = (max(1, (2 * n * side + longest) // (2 * longest)) for n in photo.size)
    # Across, then down: one call with both sizes may begin with the other direction.
    small = photo.resize((width, photo.height), Image.Resampling.BILINEAR)
    small = small.resize((width, height), Image.Resampling.BILINEAR)
    square = Image.new("RGB", (side, side))
    square.paste(small, ((side - width) // 2, (side - height) // 2))
    return np.asarray(square)


def quantised(square: NDArray[np.uint8]) -> NDArray[Any]:
    """The bytes as the model's input takes them, with a batch of 1 in front."""
    scale, zero_point = (META["input"]["quantization"][key] for key in ("scale", "zero_point"))
    limits = np.iinfo(META["input"]["dtype"])
    values = np.round(square / scale) + zero_point
    tensor: NDArray[Any] = np.clip(values, limits.min, limits.max).astype(limits.dtype)
    return tensor[np.newaxis]


def classify(photo: Image.Image, interpreter: Interpreter) -> tuple[str, float]:
    """(name or "unknown", confidence in [0, 1]) of an upright RGB photo."""
    square = letterbox(photo, META["input"]["width"])
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], quantised(square))
    interpreter.invoke()
    raw = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    scale, zero_point = (META["output"]["quantization"][key] for key in ("scale", "zero_point"))
    scores = (raw.astype(np.float64) - zero_point) * scale
    powers = np.exp(scores - scores.max())
    confidences = powers / powers.sum()
    best = int(confidences.argmax())
    name = LABELS[best] if confidences[best] >= THRESHOLD else "unknown"
    return name, float(confidences[best])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        shown = upright(sys.argv[1])
    except (OSError, ValueError) as error:
        sys.exit(f"{sys.argv[1]} cannot be read: {getattr(error, 'strerror', None) or error}")
    model = Interpreter(str(BUNDLE / META["model_file"]))
    model.allocate_tensors()
    name, confidence = classify(shown, model)
    sys.stdout.buffer.write(f"{name} {confidence:.4f}\n".encode())
