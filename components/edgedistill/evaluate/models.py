"""Which models are judged beside the shipped file, and their answers to the test photos."""

from pathlib import Path

from edgedistill.artifacts import WITHOUT_TEACHER_FOLDER
from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.file_answers import Logits, answers_of_files
from edgedistill.evaluate.judged import STUDENT, STUDENT_WITHOUT_TEACHER, TEACHER
from edgedistill.tf.inference import Predictor
from edgedistill.tf.networks import load_student_for, release_networks
from edgedistill.tf.teachers import load_teachers_for


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
    # First, for they take seconds: a file that is damaged is told before networks are built.
    of_files = answers_of_files(photos, tflite)
    answers = {TEACHER: load_teachers_for(photos, teacher).log_probabilities(photos)}
    release_networks()
    without = student / WITHOUT_TEACHER_FOLDER
    students = {STUDENT_WITHOUT_TEACHER: without} if without.is_dir() else {}
    for name, folder in (students | {STUDENT: student}).items():
        answers[name] = _network_logits(photos, folder)
        release_networks()
    return answers | of_files


def _network_logits(photos: PackedDataset, folder: Path) -> Logits:
    network, _record = load_student_for(photos, folder)
    return Predictor(network).outputs(photos.student_pixels)
