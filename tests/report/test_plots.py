import io
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from PIL import Image

from edgedistill.report.plots import (
    confidence_plot,
    confusion_matrix_plot,
    learning_curves,
    reliability_plot,
    threshold_plot,
)

HISTORY = [
    {"stage": stage, "epoch": epoch, "loss": 1 / epoch, "train_accuracy": 1 - 0.5 / epoch,
     "val_loss": 1.2 / epoch, "val_accuracy": 1 - 0.6 / epoch, "lr": 1e-3, "seconds": 1.0}
    for stage, epoch in [("ranges", 1), ("network", 2), ("network", 3)]
]  # fmt: skip


def picture(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def draw_threshold() -> bytes:
    t = np.arange(100) / 100
    accuracy = np.where(t > 0.9, np.nan, 0.8 + 0.2 * t)
    return threshold_plot(
        t, 1 - t, accuracy,
        recommended=0.5, target=0.95, min_coverage=0.6, photos="validation",
    )  # fmt: skip


def draw_reliability() -> bytes:
    middle = np.array([0.25, np.nan])
    return reliability_plot(
        np.array([0, 0.5, 1]), middle, middle, np.array([3, 0]), ece=0.1, photos="test"
    )


def draw_confidence() -> bytes:
    confidence, correct = np.array([0.1, 0.9, 0.95]), np.array([False, True, True])
    return confidence_plot(confidence, correct, recommended=0.5, photos="test")


def draw_matrix() -> bytes:
    return confusion_matrix_plot(np.eye(3, dtype=int), ["a", "b", "c"])


DRAWINGS = [
    lambda: learning_curves(HISTORY), draw_matrix, draw_threshold, draw_reliability,
    draw_confidence,
]  # fmt: skip


@pytest.mark.parametrize("draw", DRAWINGS)
def test_a_plot_is_a_png_with_something_on_it_and_the_same_bytes_again(draw):
    first = draw()
    assert picture(first).std() > 5
    assert first == draw()


def test_no_figure_is_left_in_pyplots_global_state():
    import matplotlib.pyplot as plt

    draw_matrix()
    assert plt.get_fignums() == []


def test_one_epoch_gives_a_curve_too():
    assert picture(learning_curves(HISTORY[:1])).std() > 5


def test_every_row_stands_at_its_epoch_the_head_at_0_and_the_kept_one_is_ringed(monkeypatch):
    drawn: list[Figure] = []
    save = Figure.savefig

    def spy(figure, *args, **options):
        drawn.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    head = {**HISTORY[0], "stage": "head", "epoch": 0, "val_accuracy": 0.5, "val_loss": 1.0}
    epochs = [
        {**HISTORY[0], "stage": "network", "epoch": epoch, "val_accuracy": a, "val_loss": 1 - a}
        for epoch, a in ((1, 0.75), (2, 0.7))
    ]
    learning_curves([head, *epochs])
    (figure,) = drawn
    for panel in figure.axes:
        curves = [line for line in panel.lines if line.get_marker() == "o"]
        # Of each stage the training photos' and the validation photos'.
        assert [np.asarray(line.get_xdata()).tolist() for line in curves] == [[0], [1, 2]] * 2
        (border,) = [line for line in panel.lines if line.get_linestyle() == ":"]
        np.testing.assert_array_equal(border.get_xdata(), [0.5, 0.5])
        assert [(t.get_text(), t.xy[0]) for t in panel.texts if isinstance(t, Annotation)] == [
            ("head", 0), ("network", 0.5),
        ]  # fmt: skip
    (ring,) = figure.axes[1].collections
    np.testing.assert_array_equal(ring.get_offsets(), [[1, 0.75]])


def test_a_row_without_training_leaves_its_place_on_the_training_line_empty():
    untrained = {**HISTORY[0], "stage": "ranges", "loss": None, "train_accuracy": None}
    with_point, without = (
        picture(learning_curves([{**HISTORY[0], "stage": "ranges"}, *HISTORY[1:]])),
        picture(learning_curves([untrained, *HISTORY[1:]])),
    )
    assert with_point.shape == without.shape
    assert (with_point != without).any()


def test_a_diagonal_matrix_is_dark_on_its_diagonal_only():
    # With one photo a class, each cell is all or nothing of its row.
    dark = (picture(draw_matrix()).astype(int).sum(axis=2) < 250) & (
        picture(draw_matrix())[:, :, 2] > 80
    )
    rows, columns = np.nonzero(dark[:, : int(dark.shape[1] * 0.75)])
    # Dark cells lie along the falling diagonal: row and column rise together.
    assert np.corrcoef(rows, columns)[0, 1] > 0.8


@pytest.mark.parametrize("n_classes", [2, 5, 50])
def test_few_and_many_classes_have_room_for_their_cells(n_classes):
    names = [f"a class with a long name {i}" for i in range(n_classes)]
    shape = picture(confusion_matrix_plot(np.eye(n_classes, dtype=int), names)).shape
    assert min(shape[:2]) >= n_classes * 20  # 20 px a cell, the labels aside


def test_a_matrix_that_does_not_fit_its_names_is_refused():
    with pytest.raises(ValueError, match="must be 3 x 3"):
        confusion_matrix_plot(np.eye(2, dtype=int), ["a", "b", "c"])


def test_a_class_without_photos_is_an_empty_row():
    assert confusion_matrix_plot(np.array([[2, 0], [0, 0]]), ["a", "b"])


def test_dollars_and_other_scripts_in_class_names_are_no_formulas_and_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert confusion_matrix_plot(np.eye(2, dtype=int), ["$\\frac{$", "杯子"])
