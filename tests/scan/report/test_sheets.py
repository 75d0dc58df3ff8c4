import io

import numpy as np
import pytest
from PIL import Image

from edgedistill.report.page import Exhibit, Shot, exhibit_html
from edgedistill.report.thumbnail import thumbnail
from edgedistill.scan.report.sheets import class_sheets, within_room
from tests.scan.report.planted import flat, noise


def test_a_thumbnail_is_small_and_never_larger_than_the_photo():
    with Image.open(io.BytesIO(thumbnail(flat(3), 40))) as small:
        assert (small.format, small.size) == ("WEBP", (40, 40))
        # 8-bit YCbCr of a flat colour is off by a few levels.
        assert np.abs(np.asarray(small, np.int64) - flat(3)[0, 0]).max() <= 6
    with Image.open(io.BytesIO(thumbnail(flat(3), 500))) as small:
        assert small.size == (64, 64)


def test_what_has_no_room_is_left_out():
    exhibits = [Exhibit([Shot(None)], title=name) for name in "abc"]
    each = len(exhibit_html(exhibits[0])) + 1
    assert within_room(exhibits, 2 * each) == exhibits[:2]
    assert within_room(exhibits, 2 * each - 1) == exhibits[:1]
    assert within_room(exhibits, -1) == []


def test_each_class_shows_photos_of_its_own_from_first_to_last():
    asked: list[int] = []

    def photo(row):
        asked.append(row)
        return flat(row)

    section = class_sheets({"a": 3, "b": 100, "c": 1}, photo, 10**6)
    (gallery,) = section.galleries
    assert [(e.title, e.text) for e in gallery.exhibits] == [
        ("a", "3 photos"), ("b", "100 photos"), ("c", "1 photo"),
    ]  # fmt: skip
    assert [len(e.shots) for e in gallery.exhibits] == [3, 10, 1]
    # 99 / 9 = 11: rows 3, 14, ..., 102 of class b, in the pass that was taken, the last one.
    assert asked[-14:] == [0, 1, 2, *range(3, 103, 11), 103]


def test_only_the_first_picture_of_a_class_speaks():
    (gallery,) = class_sheets({"a": 3, "b": 1}, flat, 10**6).galleries
    alts = [[s.picture.alt for s in e.shots if s.picture] for e in gallery.exhibits]
    assert alts == [["3 photos of a", "", ""], ["1 photo of b"]]


@pytest.mark.parametrize(("n_classes", "photo"), [(6, noise), (60, noise), (300, flat)])
def test_photos_become_fewer_and_smaller_before_classes_are_left_out(n_classes, photo):
    counts = {f"c{i:03}": 20 for i in range(n_classes)}
    room_bytes = 250_000
    (gallery,) = class_sheets(counts, photo, room_bytes).galleries
    assert [e.title for e in gallery.exhibits] == list(counts)
    assert sum(len(exhibit_html(e).encode()) + 1 for e in gallery.exhibits) <= room_bytes
    assert gallery.folded == (n_classes > 60)


def test_classes_that_have_no_room_are_counted():
    counts = {f"c{i:03}": 20 for i in range(500)}
    section = class_sheets(counts, noise, 50_000)
    n = len(section.galleries[0].exhibits)
    assert 10 < n < 500
    assert section.paragraphs[0].endswith(f"The first {n} of 500 classes have room here.")
