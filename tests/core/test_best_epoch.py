"""Which epoch is kept."""

import pytest

from edgedistill.core.best_epoch import best_epoch, epochs_without_gain


def rows(*figures: tuple[float, float]) -> list[dict[str, float]]:
    return [{"val_loss": loss, "val_accuracy": accuracy} for loss, accuracy in figures]


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ([(0.5, 0.8), (0.3, 0.7), (0.4, 0.9)], 1),  # the loss decides, not the accuracy
        ([(0.5, 0.8), (0.5, 0.9)], 1),  # of equal losses the higher accuracy
        ([(0.5, 0.9), (0.5, 0.9)], 0),  # of equal rows the earlier
        ([(0.5, 0.9)], 0),
    ],
)
def test_the_row_of_the_lowest_validation_loss_is_kept(figures, best):
    assert best_epoch(rows(*figures)) == best


def test_epochs_without_gain_are_those_after_the_best():
    assert epochs_without_gain(rows((0.5, 0.8), (0.3, 0.7), (0.4, 0.9), (0.35, 0.9))) == 2
    assert epochs_without_gain(rows((0.5, 0.8), (0.3, 0.7))) == 0
