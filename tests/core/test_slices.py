import numpy as np
import pytest

from edgedistill.core.letterbox import letterbox
from edgedistill.core.look import photo_brightness, photo_look
from edgedistill.core.slices import OTHERS, slices_by_name, slices_by_number


def parts(slices):
    return {one.name: one.rows.tolist() for one in slices}


def test_a_number_gives_thirds_named_by_their_ranges():
    values = np.array([50, 10, 40, 20, 60, 30])
    assert parts(slices_by_number(values, unit="px")) == {
        "10 to 20 px": [1, 3],
        "30 to 40 px": [2, 5],
        "50 to 60 px": [0, 4],
    }
    assert [one.name for one in slices_by_number(values)] == ["10 to 20", "30 to 40", "50 to 60"]


def test_seven_photos_make_three_and_two_and_two():
    # A third holds ceil(7/3) = 3, two thirds ceil(14/3) = 5.
    assert [len(s.rows) for s in slices_by_number(np.arange(7))] == [3, 2, 2]


def test_equal_numbers_stay_together():
    # Ranks 2 and 4 both lie in the 5s: they all go to the first third, the rest to the last.
    assert parts(slices_by_number(np.array([5, 5, 5, 5, 9, 1]))) == {
        "1 to 5": [0, 1, 2, 3, 5],
        "9": [4],
    }
    assert parts(slices_by_number(np.full(4, 640))) == {"640": [0, 1, 2, 3]}


def test_every_photo_is_in_one_slice():
    values = np.random.default_rng(0).normal(size=100)
    rows = np.concatenate([one.rows for one in slices_by_number(values, digits=2)])
    assert sorted(rows.tolist()) == list(range(100))


def test_decimals_are_asked_for():
    names = [one.name for one in slices_by_number(np.array([0.123, 0.5, 0.987]), digits=1)]
    assert names == ["0.1", "0.5", "1.0"]


@pytest.mark.parametrize("values", [[], [np.nan], [[1.0]]])
def test_what_cannot_be_ranked_is_refused(values):
    with pytest.raises(ValueError, match="finite"):
        slices_by_number(np.array(values, float))


def test_names_come_by_their_photos_and_the_rest_together():
    names = ["b", "a", "c", "b", "d", "a", "b", "e"]
    assert parts(slices_by_name(names, most=2)) == {
        "b": [0, 3, 6],
        "a": [1, 5],
        OTHERS: [2, 4, 7],
    }
    assert [one.name for one in slices_by_name(names, most=2)] == ["b", "a", OTHERS]


def test_few_names_leave_no_others():
    assert parts(slices_by_name(["x", "y", "x"], most=2)) == {"x": [0, 2], "y": [1]}


def test_as_many_photos_are_in_the_order_of_the_letters():
    assert [one.name for one in slices_by_name(["z", "m", "a"], most=2)] == ["a", "m", OTHERS]


@pytest.mark.parametrize(("names", "most"), [([], 10), (["a"], 0)])
def test_no_names_are_refused(names, most):
    with pytest.raises(ValueError, match="at least 1"):
        slices_by_name(names, most=most)


def test_brightness_leaves_the_bars_out():
    # 40 x 10, all 200: three quarters of the square are bars.
    photo = np.full((40, 10, 3), 200, np.uint8)
    assert photo_brightness(letterbox(photo, 20), 40, 10) == 200


def test_brightness_is_that_of_the_look():
    photo = np.random.default_rng(1).integers(0, 256, (33, 50, 3), np.uint8)
    square = letterbox(photo, 24)
    assert photo_brightness(square, 33, 50) == photo_look(square, 33, 50).brightness
