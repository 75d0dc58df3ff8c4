"""Which models are judged beside the shipped file, and their answers to the test photos."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import CANDIDATES_FOLDER, MODEL_FILE, WITHOUT_TEACHER_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.judged import (
    FILE,
    POST_TRAINING,
    QUANTISATION_AWARE,
    STUDENT,
    STUDENT_WITHOUT_TEACHER,
    TEACHER,
)
from edgedistill.tf.inference import Predictor
from edgedistill.tf.interpreter import predict_outputs
from edgedistill.tf.networks import load_student_for, release_networks
from edgedistill.tf.teachers import load_teachers_for

_log = logging.getLogger(__name__)

Logits = NDArray[np.float32]


def answers_of_models(
    photos: PackedDataset, tflite: Path, student: Path, teacher: Path
) -> dict[str, Logits]:
    """The logits of every model that is there, by its name in `judged.TITLES` and in that order.

    Several teachers answer as one, by the mean of their probabilities. The student without a
    teacher and the other candidates are judged where the steps before have kept them.

    Args:
        photos: the test photos.
        tflite: folder with the file and its candidates.
        student: folder of the float student.
        teacher: folder of the teacher or teachers.

    Returns:
        Of shape (n, n_classes) each.

    Raises:
        ArtifactError: a network is missing, damaged, or of other photos.
    """
    of_files = _files(photos, tflite)
    answers = {TEACHER: _teachers(photos, teacher)}
    without = student / WITHOUT_TEACHER_FOLDER
    if without.is_dir():
        answers[STUDENT_WITHOUT_TEACHER] = _network(photos, without)
    answers[STUDENT] = _network(photos, student)
    return answers | of_files


def _files(photos: PackedDataset, tflite: Path) -> dict[str, Logits]:
    """Those of the candidates, then the shipped file; equal bytes are asked once."""
    answers, asked = {}, dict[bytes, Logits]()
    for name, place in _places(tflite):
        model = place.read_bytes()
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


def _network(photos: PackedDataset, folder: Path) -> Logits:
    network, _record = load_student_for(photos, folder)
    logits = Predictor(network).outputs(photos.student_pixels)
    release_networks()
    return logits


def _teachers(photos: PackedDataset, folder: Path) -> Logits:
    logits = load_teachers_for(photos, folder).log_probabilities(photos)
    release_networks()
    return logits
