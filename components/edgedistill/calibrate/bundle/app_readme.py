"""README.md of the bundle: for those who build the app, with this model's own numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgedistill.artifacts import LABELS_FILE, MODEL_FILE, MODEL_METADATA, TASKS_FILE
from edgedistill.calibrate.bundle.facts import BundleFacts
from edgedistill.calibrate.bundle.markdown import paragraph, table
from edgedistill.calibrate.bundle.thresholds import other_thresholds
from edgedistill.calibrate.bundle.warning import do_not_ship

_FILES = """\
## The other files

| file | what it is |
| :-- | :-- |
| `labels.txt` | the names, one a line, UTF-8; the first line is output 0 |
| `model_metadata.json` | sizes, types, scales and exact rules, for programs |
| `threshold_recommendation.json` | the threshold and how it was chosen |
| `letterbox.h` | step 2 in C99 and C++, bit for bit |
| `parity/` | test photos, and what we make of them, step by step |
| `parity_check.py` | compares yours with ours; needs `parity_dumps.py`, `parity_faults.py` |
| `snippets/` | code to begin with: Kotlin, Swift, C++, Python |
| `schemas/` | JSON Schemas of the three JSON files |
| `model_card.md` | how good the model is, on what, and where it fails |
| `LICENSE.txt`, `NOTICE.txt` | licence, and where the weights come from |
| `SHA256SUMS` | check a download: `sha256sum -c SHA256SUMS` |

`snippets/classify.py` is run in our tests; `snippets/classify.cpp` is compiled there against
declarations of ours, linked with LiteRT 2.3.0 and run; `snippets/letterbox_jni.c` is compiled only.
The Kotlin and Swift files were **not** compiled: expect to mend a line.
"""
_CHECKING = """\
## Check that your pixels agree

Send each photo of `parity/` (listed in `parity/parity.json`) through the app's own code and save
what it writes into the model's input: as `<name>.raw` if it feeds `model_qat_int8.tflite`, as
`<name>.tasks.raw` if `model_tasks.tflite`. MediaPipe and ML Kit show no input; save the square that
you hand over, as uint8 red, green, blue, as `<name>.tasks.raw`. Then, with Python 3.9 or later and
NumPy:

    python parity_check.py FOLDER_WITH_YOUR_FILES

It says in words what is wrong: swapped colours, stretching, a missing rotation and more. Do this
before anything else; it finds most of what goes wrong between training and app.
"""


def app_readme(facts: BundleFacts) -> str:
    """The text of README.md, under two pages.

    Args:
        facts: of the model.
    """
    parts = (
        _purpose(facts),
        _which_file(facts),
        _steps(facts),
        _stretching(facts),
        other_thresholds(facts.threshold),
        _CHECKING,
        _speed(facts.metadata),
        _FILES,
    )
    return do_not_ship(facts.do_not_ship) + "\n".join(parts)


def _purpose(facts: BundleFacts) -> str:
    n = len(facts.label_names)
    unsure = (
        "The largest names the photo, however small it is."
        if facts.answers_all
        else 'Where none is sure enough, the app says "unknown".'
    )
    text = paragraph(
        f"It looks at one photo and gives a confidence for each of {n} names. {unsure} It must see "
        "exactly the pixels that it was trained on; most of this page is about that."
    )
    return f"# An image classifier of {n} classes, version {facts.version}\n\n{text}"


def _which_file(facts: BundleFacts) -> str:
    entry, tasks = facts.metadata["input"], facts.metadata["tasks_model"]
    shape = f"1 × {entry['height']} × {entry['width']} × 3"
    n = len(facts.label_names)
    rows = [
        (
            f"`{MODEL_FILE}` ({facts.sizes[MODEL_FILE] / 1e6:.2f} MB)",
            "LiteRT, TensorFlow Lite, TFLite Micro, NPUs",
            f"{entry['dtype']} {shape}",
            f"{facts.metadata['output']['dtype']}, {n} raw scores",
        ),
        (
            f"`{TASKS_FILE}` ({facts.sizes[TASKS_FILE] / 1e6:.2f} MB)",
            "MediaPipe Tasks, ML Kit, LiteRT.js, TensorFlow Lite for Swift (its API knows no int8)",
            f"{tasks['input']['dtype']} {shape}",
            f"{tasks['output']['dtype']}, {n} confidences",
        ),
    ]
    files = table(("file", "for", "takes", "gives"), rows)
    behind = "Both hold the same weights. Pixels go in row by row, each as red, green, blue."
    return f"## Which file\n\n{files}\n\n{behind}\n"


def _steps(facts: BundleFacts) -> str:
    side, output = facts.side_px, facts.metadata["output"]["quantization"]
    steps = (
        "**Upright.** Decode to 8-bit RGB and apply the photo's EXIF orientation; many decoders "
        "do not. Drop transparency, do not blend it. Do not apply colour profiles: Android's "
        "`getPixels`, iOS contexts in sRGB and browsers do; the model was trained on the values "
        "that stand in the file.",
        f"**Letterbox to {side} × {side}.** Scale the whole photo until its longer side is {side}, "
        "centre it, fill the rest with black. No cropping, no stretching. Use `letterbox.h`: most "
        "resizers of phones skip pixels when they shrink a photo, and the model then sees another "
        f"picture. The exact rule is `resize_rule` in `{MODEL_METADATA.name}`.",
        f"**Fill the input.** {_filling(facts.metadata['input'])}",
        f"**Run**, and read {len(facts.label_names)} integers q.",
        f"**Scores.** `score = (q - {_signed(output['zero_point'])}) * {output['scale']!r}`.",
        "**Confidences.** Softmax: subtract the largest score from each, take `exp`, divide each "
        "by the sum of all.",
        f"**Answer.** {_answering(facts)} {_what_threshold_does(facts.threshold)}",
    )
    listed = (paragraph(f"{n}. {text}", indent=3) for n, text in enumerate(steps, 1))
    return f"## From photo to name, with `{MODEL_FILE}`\n\n{''.join(listed)}"


def _answering(facts: BundleFacts) -> str:
    if facts.answers_all:
        return (
            f"Show the line of `{LABELS_FILE}` that has the largest confidence. The threshold is "
            "**0.00**: every photo is answered."
        )
    return (
        "If the largest confidence is at least "
        f"**{facts.threshold['recommended_threshold']:.2f}**, show its line of `{LABELS_FILE}`; "
        'otherwise "unknown".'
    )


def _filling(entry: Mapping[str, Any]) -> str:
    """How a byte of a pixel becomes a value of the input."""
    scale, zero_point = entry["quantization"]["scale"], entry["quantization"]["zero_point"]
    if (scale, zero_point) == (1, 0):
        return "The input takes the bytes as they are (scale 1, zero point 0)."
    if (scale, zero_point) == (1, -128):
        return "Each value is the byte minus 128 (scale 1, zero point -128): 0 becomes -128."
    limits = np.iinfo(entry["dtype"])
    return (
        f"Each value is `round(byte / {scale!r}) + {_signed(zero_point)}`, kept within "
        f"{limits.min} to {limits.max}."
    )


def _signed(number: int) -> str:
    return str(number) if number >= 0 else f"({number})"


def _what_threshold_does(threshold: Mapping[str, Any]) -> str:
    answered, right = threshold["test_coverage"], threshold["test_accept_accuracy"]
    photos = f"On {threshold['n_test']:,} photos kept for testing"
    if right is None:
        return f"{photos}, none is answered."
    return f"{photos}, {answered:.1%} are answered, and {right:.1%} of those answers are right."


def _stretching(facts: BundleFacts) -> str:
    side, tasks = facts.side_px, facts.metadata["tasks_model"]
    stretching = paragraph(
        f"**MediaPipe Tasks and ML Kit stretch** what they are given to {side} × {side}, and a "
        "stretched photo is not what the model knows. So do steps 1 and 2 yourself and hand over "
        f"the {side} × {side} square: nothing is left to resize. If you cannot, pad the photo with "
        "black to a square first, the photo in its middle."
    )
    answers = paragraph(f"Names and threshold are inside the file: {_left_out(facts)}.")
    without = paragraph(
        "LiteRT.js, and TensorFlow Lite in Swift, do not read them. "
        f"{_filling(tasks['input'])} Run; confidence is "
        f"`q * {tasks['output']['quantization']['scale']!r}`; then step 7. Confidences come in "
        f"such steps here, so {_near(facts)}."
    )
    return f"## With `{TASKS_FILE}`\n\n{stretching}\n{answers}\n{without}"


def _left_out(facts: BundleFacts) -> str:
    if facts.answers_all:
        return "at a threshold of 0.00 MediaPipe Tasks leaves out nothing"
    return (
        "MediaPipe Tasks leaves out what is below "
        f'{facts.threshold["recommended_threshold"]:.2f}, and an empty list means "unknown"'
    )


def _near(facts: BundleFacts) -> str:
    """Where the two files may differ."""
    if facts.answers_all:
        return "of two names that are nearly alike the files may choose differently"
    return "a photo very near the threshold may be answered by one file and not by the other"


def _speed(metadata: Mapping[str, Any]) -> str:
    estimate = metadata["estimated_latency"]
    text = paragraph(
        f"About {estimate['milliseconds']:.1f} ms a photo on a {estimate['device']} with "
        f"{estimate['threads']} threads, without decoding and letterbox. {estimate['source']} "
        f"Counted: {metadata['multiply_adds'] / 1e6:,.0f} million multiply-adds."
    )
    return f"## Speed\n\n{text}"
