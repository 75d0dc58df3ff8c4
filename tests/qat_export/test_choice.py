"""The better file ships: by accuracy, and by cross entropy on a tie."""

import numpy as np
import pytest

from edgedistill.qat_export.choice import Candidate, best_candidate
from edgedistill.tf.flatbuffer import read_facts
from tests.tflite_files import tiny_int8_model

LABELS = np.array([0, 1, 1])
FACTS = read_facts(tiny_int8_model())


def candidate(method: str, *logits: tuple[float, float]) -> Candidate:
    return Candidate(method, b"", FACTS, np.array(logits, np.float32))


TWO_RIGHT = candidate("two right", (9, 0), (0, 9), (9, 0))
ALL_RIGHT = candidate("all right", (1, 0), (0, 1), (0, 1))
ALL_RIGHT_AND_SURE = candidate("all right and sure", (3, 0), (0, 3), (0, 3))


def test_accuracy_is_the_share_of_photos_whose_class_is_named_right() -> None:
    assert TWO_RIGHT.accuracy(LABELS) == pytest.approx(2 / 3)


@pytest.mark.parametrize("order", [1, -1])
def test_more_right_answers_win_though_the_others_are_surer(order: int) -> None:
    assert best_candidate([TWO_RIGHT, ALL_RIGHT][::order], LABELS) is ALL_RIGHT


@pytest.mark.parametrize("order", [1, -1])
def test_on_a_tie_the_lower_cross_entropy_wins(order: int) -> None:
    # log(1 + exp(-3)) = 0.05 a photo against log(1 + exp(-1)) = 0.31.
    assert best_candidate([ALL_RIGHT, ALL_RIGHT_AND_SURE][::order], LABELS) is ALL_RIGHT_AND_SURE


def test_a_lone_file_ships() -> None:
    assert best_candidate([TWO_RIGHT], LABELS) is TWO_RIGHT
