"""Losses against the same formulas in NumPy and SciPy."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

pytestmark = pytest.mark.slow

STUDENT = np.array([[2.0, 0.5, -1.0], [0.0, 0.1, 0.3]], np.float32)
TEACHER = np.array([[1.0, 3.0, 0.0], [-1.0, 0.0, 2.0]], np.float32)


def test_hard_loss_weighs_each_photo() -> None:
    from edgedistill.tf.losses import hard_loss

    logs = log_softmax(STUDENT.astype(float), axis=1)
    targets = np.array([[0.0, 1.0, 0.0], [0.2, 0.0, 0.8]])
    # Photo 0 of weight 3 is of class 1; photo 1 of weight 0.5 is of class 2 by four fifths.
    expected = -(3.0 * logs[0, 1] + 0.5 * (0.2 * logs[1, 0] + 0.8 * logs[1, 2])) / 2
    got = hard_loss(targets.astype(np.float32), STUDENT, np.array([3.0, 0.5], np.float32))
    assert float(got) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_loss_is_t_squared_times_the_divergence_from_the_teacher(
    temperature: float,
) -> None:
    from edgedistill.tf.losses import distillation_loss

    teacher = softmax(TEACHER.astype(float) / temperature, axis=1)
    student = softmax(STUDENT.astype(float) / temperature, axis=1)
    expected = temperature**2 * entropy(teacher, student, axis=1).mean()
    got = distillation_loss(np.log(teacher).astype(np.float32), STUDENT, temperature)
    assert float(got) == pytest.approx(expected, rel=1e-5)


def test_a_student_like_its_teacher_has_no_distillation_loss() -> None:
    from edgedistill.tf.losses import distillation_loss

    softened = log_softmax(TEACHER / 2, axis=1)
    # Logits that differ by a constant are the same probabilities.
    assert float(distillation_loss(softened, TEACHER + 5, 2.0)) == pytest.approx(0, abs=1e-6)
