import pytest

from edgedistill.scan.report.class_sizes import class_section
from tests.scan.report.planted import planted


def test_shares_are_of_all_photos_and_the_smallest_is_marked():
    table = class_section(planted({"cup": 600, "plate": 150, "bowl": 250})).all_tables[0]
    assert [list(row) for row in table.rows] == [
        ["cup", "600", "60.00%", ""],
        ["plate", "150", "15.00%", "smallest"],
        ["bowl", "250", "25.00%", ""],
    ]


def test_of_equal_classes_none_is_the_smallest():
    section = class_section(planted({"cup": 50, "plate": 50}))
    assert section.paragraphs[0] == "Every class has 50 photos."
    assert [list(row) for row in section.all_tables[0].rows] == [
        ["cup", "50", "50.00%"], ["plate", "50", "50.00%"],
    ]  # fmt: skip


def test_a_small_class_is_told_what_its_test_photos_can_tell():
    # A tenth of 137 is 14. Wilson at p = 0.9, n = 14, z = 1.96 (z² = 3.8415), by hand:
    # middle (0.9 + 3.8415 / 28) / (1 + 3.8415 / 14) = 1.03720 / 1.27439 = 0.81388, half width
    # 1.96 * sqrt(0.09 / 14 + 3.8415 / 784) / 1.27439 = 1.96 * 0.10643 / 1.27439 = 0.16369.
    # The half width at n = 141 is 0.0498, at n = 140 0.0500 and a little more.
    first, second, third = class_section(planted({"paper": 594, "trash": 137})).paragraphs
    assert first == (
        "The smallest class is 'trash' with 137 photos, the largest 'paper' with 594 photos."
    )
    assert second == (
        "With a tenth of its 137 photos for test (14), an accuracy that is measured as 90% for "
        "'trash' is known only to lie between 65.0% and 97.8% (95% confidence, Wilson's "
        "interval). Knowing it to ±5 points takes 141 test photos of a class, so about 1,410 "
        "photos of it in all; 2 of 2 classes have fewer."
    )
    assert third.startswith("Over all classes together, 73 test photos put a measured 90% between")


def test_the_width_of_141_photos_is_that_of_wilsons_formula():
    def half_width(n: int) -> float:
        z2 = 1.959964**2
        return float((z2 * (0.09 / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n))

    assert half_width(141) <= 0.05 < half_width(140)


def test_classes_large_enough_are_left_in_peace():
    assert len(class_section(planted({"a": 1410, "b": 1500})).paragraphs) == 1
    told = class_section(planted({"a": 1404, "b": 1500})).paragraphs[1]
    assert "1 of 2 classes has fewer" in told


def test_a_divided_collection_is_measured_by_its_own_test_photos():
    by_split = {"a": {"train": 270, "test": 90}, "b": {"train": 26, "test": 14}}
    told = class_section(planted({"a": 360, "b": 40}, by_split=by_split)).paragraphs
    # 14 of 90 %: as above.
    assert told[1].startswith(
        "With what the collection itself gives for test (14), an accuracy that is measured as 90% "
        "for 'b' is known only to lie between 65.0% and 97.8%"
    )
    assert "141 test photos of a class; 2 of 2 classes have fewer." in told[1]
    assert told[2].startswith("Over all classes together, 104 test photos put")


def test_a_class_that_the_given_test_lacks_is_named():
    by_split = {"a": {"train": 9, "test": 9}, "b": {"train": 9}, "c": {"train": 9}}
    told = class_section(planted({"a": 18, "b": 9, "c": 9}, by_split=by_split)).paragraphs
    assert told[1] == (
        "The collection's own test has no photo of 'b' and of 1 more: nothing will be known of it."
    )
    assert "for test (9), an accuracy that is measured as 90% for 'a'" in told[2]


def test_a_test_that_is_drawn_from_a_given_train_is_a_share_of_it():
    # A ninth of 36 is 4, of 324 36; 141 test photos take 1,269.
    by_split = {"a": {"train": 324, "val": 36}, "b": {"train": 36, "val": 4}}
    told = class_section(planted({"a": 360, "b": 40}, by_split=by_split)).paragraphs
    assert told[1].startswith("With 11.1% of its 36 photos in train for test (4)")
    assert "about 1,269 photos" in told[1]
    assert told[2].startswith("Over all classes together, 40 test photos put")


def test_each_of_many_small_classes_has_a_test_photo():
    # A tenth of 1,000 x 3 photos is 300, but split gives each class one.
    told = class_section(planted({f"c{i:03}": 3 for i in range(1000)})).paragraphs
    assert told[2].startswith("Over all classes together, 1,000 test photos put")


@pytest.mark.parametrize("n_classes", [60, 61])
def test_many_classes_show_their_ends_and_fold_the_rest(n_classes):
    counts = {f"c{i:02}": 1000 + (i * 7) % n_classes for i in range(n_classes)}
    tables = class_section(planted(counts)).all_tables
    if n_classes == 60:
        assert len(tables) == 1
        return
    smallest, largest, every = tables
    assert [row[1] for row in smallest.rows] == [f"{n:,}" for n in range(1000, 1020)]
    assert [row[1] for row in largest.rows] == [f"{n:,}" for n in range(1060, 1040, -1)]
    assert [row[0] for row in every.rows] == list(counts)
    assert [table.folded for table in tables] == [False, False, True]


def test_a_table_that_has_no_room_for_all_says_how_many_it_has():
    counts = {f"{'&' * 100}{i:05}": 9 for i in range(3000)}
    every = class_section(planted(counts)).all_tables[-1]
    n = len(every.rows)
    assert 100 < n < 3000
    assert every.title == f"The first {n:,} of 3,000 classes; photos.csv has all"
