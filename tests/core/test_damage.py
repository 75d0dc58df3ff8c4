import numpy as np
import pytest
from scipy import ndimage

from edgedistill.core.damage import DAMAGES, Chances, damage_photo
from edgedistill.core.letterbox import letterbox, letterboxed_content

SIDE = 48
HEIGHT, WIDTH = 60, 90  # letterboxed: 32 rows of 48, between bars of 8 rows
CHANCES = Chances(motion_rad=0.0, tilt_sign=1.0, crop_x=0.0, crop_y=0.0, noise_seed=5)
IDS = [f"{d.name} {d.strength}" for d in DAMAGES]


def by_name(name: str, strength: int = 1):
    (found,) = (d for d in DAMAGES if (d.name, d.strength) == (name, strength))
    return found


def textured(seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(draw.normal(size=(HEIGHT, WIDTH, 3)), (3, 3, 0))
    photo: np.ndarray = np.clip(128 + 400 * smooth, 0, 255).astype(np.uint8)
    return photo


def damaged(name: str, strength: int = 1, chances: Chances = CHANCES) -> np.ndarray:
    """The photo without its bars, after the damage."""
    square = damage_photo(
        letterbox(textured(), SIDE), HEIGHT, WIDTH, by_name(name, strength), chances
    )
    return letterboxed_content(square, HEIGHT, WIDTH)


CLEAN = letterboxed_content(letterbox(textured(), SIDE), HEIGHT, WIDTH)


@pytest.mark.parametrize("damage", DAMAGES, ids=IDS)
def test_the_bars_stay_black_and_have_no_part_in_the_photo(damage):
    # A white photo that black ran into would be darker at its edge, and the bar no longer black.
    white = letterbox(np.full((HEIGHT, WIDTH, 3), 255, np.uint8), SIDE)
    square = damage_photo(white, HEIGHT, WIDTH, damage, CHANCES)
    assert square.shape == (SIDE, SIDE, 3)
    # A cropped photo is brought to the full width again, which rounds its height anew.
    bar = 7 if damage.name == "crop" else 8
    assert not square[:bar].any()
    assert not square[SIDE - bar :].any()
    if damage.name not in ("dark", "noise"):
        assert square[8:40].min() >= 254


@pytest.mark.parametrize("damage", DAMAGES, ids=IDS)
@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (7, 7)])
def test_photos_of_any_shape_can_be_damaged(damage, shape):
    height, width = shape
    square = letterbox(np.full((height, width, 3), 90, np.uint8), 32)
    assert damage_photo(square, height, width, damage, CHANCES).shape == (32, 32, 3)


def test_there_are_eight_damages_at_two_strengths_and_the_second_is_worse():
    assert [(d.name, d.strength) for d in DAMAGES] == [
        (name, strength)
        for name in ("blur", "motion", "dark", "bright", "noise", "JPEG", "tilt", "crop")
        for strength in (1, 2)
    ]
    for name in ("blur", "motion", "dark", "bright", "noise", "JPEG", "tilt", "crop"):
        first, second = (
            np.abs(damaged(name, s).astype(int) - CLEAN.astype(int)).mean() for s in (1, 2)
        )
        assert 0 < first < second, name


def test_blur_is_a_gaussian_of_a_share_of_the_longer_side():
    # 1/80 of 48 px: a deviation of 0.6 px. Pillow's is made of three box filters.
    wanted = ndimage.gaussian_filter(CLEAN.astype(float), (0.6, 0.6, 0), mode="nearest")
    assert np.abs(damaged("blur", 2) - wanted).max() < 3
    assert np.abs(CLEAN - wanted).max() > 10


def test_motion_is_the_mean_along_the_cameras_way():
    # 1/12 of 48 px: 4 px, so the mean of 5 pixels, across for 0 and down for 90 degrees.
    for radians, axis in ((0.0, 1), (np.pi / 2, 0)):
        moved = Chances(radians, 1.0, 0.0, 0.0, 5)
        wanted = ndimage.uniform_filter1d(CLEAN.astype(float), 5, axis=axis, mode="nearest")
        np.testing.assert_allclose(damaged("motion", 2, moved), wanted, atol=0.51)


@pytest.mark.parametrize(
    ("name", "strength", "before", "after"),
    [
        # sRGB 128 is 0.2159 of full light. 3 stops less: 0.02698, stored as
        # 1.055 * 0.02698 ** (1 / 2.4) - 0.055 = 0.1794, level 46.
        ("dark", 2, 128, 46),
        # 1.5 stops more: 0.2159 * 2.828 = 0.6106, stored as 0.8040, level 205.
        ("bright", 2, 128, 205),
        ("bright", 2, 230, 255),  # 0.7913 * 2.828 is more than white
        ("dark", 1, 0, 0),
    ],
)
def test_exposure_is_done_to_light_and_not_to_stored_values(name, strength, before, after):
    photo = letterbox(np.full((9, 9, 3), before, np.uint8), 9)
    got = damage_photo(photo, 9, 9, by_name(name, strength), CHANCES)
    assert np.unique(got).tolist() == [after]


def test_noise_has_the_deviation_that_is_told():
    photo = np.full((200, 200, 3), 128, np.uint8)
    for strength, levels in ((1, 12), (2, 25)):
        got = damage_photo(photo, 200, 200, by_name("noise", strength), CHANCES).astype(float)
        # 120,000 draws: the deviation's own is 0.2 % of it, the mean's 0.03 to 0.07 levels.
        assert got.std() == pytest.approx(levels, rel=0.015)
        assert got.mean() == pytest.approx(128, abs=0.3)
        assert abs(np.corrcoef(got[..., 0].ravel(), got[..., 1].ravel())[0, 1]) < 0.02


def test_tilt_turns_about_the_middle_and_mirrors_at_the_edges():
    for sign in (1.0, -1.0):
        tilted = damaged("tilt", 1, Chances(0.0, sign, 0.0, 0.0, 5))
        wanted = ndimage.rotate(
            CLEAN.astype(float), sign * 10, reshape=False, order=1, mode="reflect"
        )
        assert np.abs(tilted - wanted).mean() < 1
    other = damaged("tilt", 1, Chances(0.0, -1.0, 0.0, 0.0, 5))
    assert np.abs(other.astype(float) - tilted.astype(float)).max() == 0


def test_crop_keeps_nine_tenths_of_each_side_where_chance_put_the_window():
    # Of 32 x 48: 29 x 43, its last row and column where the draws are nearly 1.
    at_end = Chances(0.0, 1.0, 0.999, 0.999, 5)
    window = by_name("crop").change(CLEAN, at_end)
    np.testing.assert_array_equal(window, CLEAN[3:, 5:])
    window = by_name("crop").change(CLEAN, CHANCES)
    np.testing.assert_array_equal(window, CLEAN[:29, :43])


def test_jpeg_is_what_a_file_of_that_quality_gives_back(tmp_path):
    from PIL import Image

    Image.fromarray(CLEAN).save(tmp_path / "p.jpg", quality=30)
    np.testing.assert_array_equal(damaged("JPEG", 1), np.asarray(Image.open(tmp_path / "p.jpg")))


def test_chances_come_from_seed_and_photo_alone():
    assert Chances.draw(1, "a") == Chances.draw(1, "a")
    drawn = [Chances.draw(seed, photo) for seed in range(20) for photo in "abcdefghij"]
    assert len(set(drawn)) == 200
    # 200 even draws: means within 4 deviations of the middle.
    assert np.mean([c.motion_rad for c in drawn]) == pytest.approx(np.pi / 2, abs=0.26)
    assert np.mean([c.crop_x for c in drawn]) == pytest.approx(0.5, abs=0.09)
    assert abs(np.mean([c.tilt_sign for c in drawn])) < 0.3
