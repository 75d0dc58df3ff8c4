import numpy as np
import pytest

from edgedistill.scan.facts import groups_by_class, leak_share, splits_by_class


def test_groups_of_a_class_count_where_split_draws_from_them():
    counts = {"a": 3, "b": 2, "c": 1}
    groups = np.array([0, 0, 2, 2, 4, 5])  # group 2 holds photos of a and b
    everything = np.ones(6, bool)
    assert groups_by_class(counts, groups, everything) == {"a": 2, "b": 2, "c": 1}
    train = np.array([True, True, False, True, True, False])
    assert groups_by_class(counts, groups, train) == {"a": 1, "b": 2, "c": 0}


def test_photos_of_a_class_are_counted_by_split():
    splits = np.array(["train", "test", "train", "val", "val"])
    assert splits_by_class({"a": 3, "b": 2}, splits) == {
        "a": {"test": 1, "train": 2}, "b": {"val": 2},
    }  # fmt: skip


def test_what_a_draw_one_by_one_would_leak_follows_from_the_sizes_of_groups():
    # A pair, a triple and five alone; each of the others stays in train with 8 in 10.
    groups = np.array([0, 0, 2, 2, 2, 5, 6, 7, 8, 9])
    expected = (2 * (1 - 0.2) + 3 * (1 - 0.2**2)) / 10
    assert leak_share(groups, np.array([""] * 10)) == pytest.approx(expected)


def test_what_leaks_into_a_given_test_is_counted():
    # Test photos 0 (with one in val), 1 (with another of test alone), 2 (as 1), 3 (with train).
    groups = np.array([0, 1, 1, 3, 0, 3, 6, 6])
    splits = np.array(["test"] * 4 + ["val", "train", "train", "train"])
    assert leak_share(groups, splits) == 2 / 4
    clean = np.array([0, 1, 1, 3, 4, 5, 6, 6])
    assert leak_share(clean, splits) == 0.0


def test_a_test_that_is_drawn_from_train_leaks_what_train_holds():
    # Val is given: train gives a ninth to test, and each other stays with 8 in 9.
    groups = np.array([0, 0, 2, 3, 3, 3])
    splits = np.array(["train", "train", "train", "train", "val", "val"])
    assert leak_share(groups, splits) == pytest.approx(2 * (8 / 9) / 4)
    assert leak_share(groups, np.array(["val"] * 6)) == 0.0
