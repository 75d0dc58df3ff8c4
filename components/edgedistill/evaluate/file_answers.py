"""The answers of the shipped file and of the candidates that it was chosen from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import CANDIDATES_FOLDER, MODEL_FILE
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.judged import FILE, POST_TRAINING, QUANTISATION_AWARE
from edgedistill.json_file import missing_file
from edgedistill.tf.interpreter import predict_outputs

Logits = NDArray[np.float32]


def answers_of_files(photos: PackedDataset, tflite: Path) -> dict[str, Logits]:
    """The logits of the candidates that are there, then of the shipped file, by their names.

    Equal bytes are asked once.

    Args:
        photos: the test photos.
        tflite: folder with the file, and the candidates in a folder of their own.

    Returns:
        Of shape (n, n_classes) each.

    Raises:
        ArtifactError: the shipped file is missing.
    """
    answers: dict[str, Logits] = {}
    asked: dict[bytes, Logits] = {}
    for name, place in _places(tflite):
        try:
            model = place.read_bytes()
        except FileNotFoundError:
            raise missing_file(place) from None
        if model not in asked:
            asked[model] = predict_outputs(model, photos.student_pixels)
        answers[name] = asked[model]
    return answers


def _places(tflite: Path) -> Iterator[tuple[str, Path]]:
    for name in (POST_TRAINING, QUANTISATION_AWARE):
        place = tflite / CANDIDATES_FOLDER / f"{name}.tflite"
        if place.is_file():
            yield name, place
    yield FILE, tflite / MODEL_FILE
