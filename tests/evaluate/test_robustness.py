"""Figures that follow from the arithmetic told in tests/tflite_files.py."""

from pathlib import Path

import numpy as np
import pytest

from edgedistill.core.damage import DAMAGES, Chances, damage_photo
from edgedistill.errors import ArtifactError
from edgedistill.evaluate.robustness import DamagedPhotos, chosen_photos, measure_robustness
from tests.evaluate.photo_folders import SIDE_PX, photo, plain, write_colours, write_packed
from tests.tflite_files import tiny_int8_model

# Class c has the integer round(mean / 4) + c. Of (24, 0, 0) that is 6, 1, 2: red. With 3 stops less
# light 24 becomes 4, which gives 1, 1, 2: blue. With 1.5 stops less it is 11, so 3, 1, 2: red.
DARK_RED, RED, BLUE = (24, 0, 0), (200, 0, 0), (0, 0, 200)
FOUR_RED = [DARK_RED, RED, DARK_RED, RED]
ALL_RIGHT = np.ones(4, bool)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_int8_model(SIDE_PX, 3))
    return path


def measured(model, photos, right=ALL_RIGHT, n_most=500):
    told = measure_robustness(model, photos, right, n_most=n_most, seed=1)
    assert told is not None
    return told


def test_only_what_a_damage_hides_is_lost(tmp_path, model):
    told = measured(model, write_colours(tmp_path / "test", FOUR_RED, [0] * 4))
    assert [(d["name"], d["strength"]) for d in told["damages"]] == [
        (d.name, d.strength) for d in DAMAGES
    ]
    wrong = {(d["name"], d["strength"]): d["top1"] for d in told["damages"] if d["top1"] < 1}
    assert wrong == {("dark", 2): 0.5}
    assert told["mean_top1"] == pytest.approx((15 + 0.5) / 16)
    assert (told["n_photos"], told["clean_top1"]) == (4, 1.0)
    dark = next(d for d in told["damages"] if d["top1"] == 0.5)
    # Wilson, 2 of 4: (0.5 +- z / sqrt(4 (1 + z**2 / 4)) ...) = 0.150 to 0.850.
    assert dark["top1_interval"] == pytest.approx([0.150, 0.850], abs=0.001)
    assert (dark["setting"], dark["n_photos"]) == ("3 stops less light", 4)


def test_careless_resizing_is_judged_on_the_photos_that_were_resized(tmp_path, model):
    photos = write_colours(tmp_path / "test", FOUR_RED, [0] * 4)
    # Of photos 3 and 1, in another order than the test photos; photo 9 is of no interest.
    rows = [photo(3, 0), photo(9, 0), photo(1, 0)]
    write_packed(tmp_path / "test/resized/bilinear", [plain(RED), plain(BLUE), plain(BLUE)], rows)
    right = np.array([True, False, True, True])
    told = measured(model, photos, right)
    assert len(told["damages"]) == 17
    resized = told["damages"][-1]
    assert (resized["name"], resized["strength"], resized["n_photos"]) == ("plain resize", 1, 2)
    assert (resized["clean_top1"], resized["top1"]) == (0.5, 0.5)
    assert told["clean_top1"] == 0.75
    assert told["mean_top1"] == pytest.approx((15 + 0.5 + 0.5) / 17)


def test_the_nearest_pixel_is_the_second_strength(tmp_path, model):
    photos = write_colours(tmp_path / "test", FOUR_RED, [0] * 4)
    write_packed(tmp_path / "test/resized/nearest", [plain(RED)], [photo(2, 0)])
    resized = measured(model, photos)["damages"][-1]
    assert (resized["name"], resized["strength"], resized["n_photos"]) == ("plain resize", 2, 1)


def test_photos_that_are_resized_but_not_chosen_are_left_out(tmp_path, model):
    photos = write_colours(tmp_path / "test", FOUR_RED, [0] * 4)
    write_packed(tmp_path / "test/resized/bilinear", [plain(RED)], [photo(3, 0)])
    told = measured(model, photos, n_most=2)
    assert (len(told["damages"]), told["n_photos"]) == (16, 2)


def test_resized_photos_of_another_split_are_refused(tmp_path, model):
    photos = write_colours(tmp_path / "test", FOUR_RED, [0] * 4)
    write_packed(
        tmp_path / "test/resized/bilinear", [plain(RED)], [photo(3, 0)], split_digest="other"
    )
    with pytest.raises(ArtifactError, match="comes from another split"):
        measured(model, photos)


def test_none_is_damaged_where_none_is_asked_for(tmp_path, model):
    photos = write_colours(tmp_path / "test", FOUR_RED, [0] * 4)
    assert measure_robustness(model, photos, ALL_RIGHT, n_most=0, seed=1) is None


def test_the_choice_of_photos_does_not_depend_on_their_order():
    draw = np.random.default_rng(0)
    photos = [photo(n, 0, digest=draw.bytes(32).hex()) for n in range(50)]
    some = {photos[row].filepath for row in chosen_photos(photos, 10)}
    assert len(some) == 10
    shuffled = [photos[n] for n in draw.permutation(50)]
    assert {shuffled[row].filepath for row in chosen_photos(shuffled, 10)} == some
    assert some < {photos[row].filepath for row in chosen_photos(photos, 11)}
    # Among fewer photos those that are left are chosen still.
    assert some & {p.filepath for p in photos[:25]} <= {
        photos[row].filepath for row in chosen_photos(photos[:25], 10)
    }
    assert chosen_photos(photos, 99).tolist() == list(range(50))


def test_damage_to_a_photo_does_not_depend_on_the_others(tmp_path):
    draw = np.random.default_rng(0)
    images = list(draw.integers(0, 256, (3, SIDE_PX, SIDE_PX, 3), np.uint8))
    photos = [photo(n, 0, height_px=10, width_px=20) for n in range(3)]
    forth = write_packed(tmp_path / "forth", images, photos)
    back = write_packed(tmp_path / "back", images[::-1], photos[::-1])
    for damage in DAMAGES:
        there = DamagedPhotos(forth.student_pixels, np.array([0, 2]), forth.photos, damage, 5)
        here = DamagedPhotos(back.student_pixels, np.array([0]), back.photos, damage, 5)
        np.testing.assert_array_equal(there.row(1), here.row(0))
        wanted = damage_photo(images[2], 10, 20, damage, Chances.draw(5, photos[2].digest))
        np.testing.assert_array_equal(here.row(0), wanted)
    assert (len(there), there.size_px) == (2, SIDE_PX)
