import io
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgedistill.core.view_ranges import RANGES
from edgedistill.report.augmentation_section import augmentation_section
from edgedistill.report.page import Section, render_page

SIDE = 40
PLAIN: dict[str, Any] = {"flip": True, "mixup": 0.0}
"""The settings' defaults."""
RED, GREEN, BLUE, GREY = (200, 20, 20), (20, 180, 20), (20, 20, 200), (120, 120, 120)


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def sheet(section: Section) -> np.ndarray:
    (picture,) = section.images
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def test_a_row_shows_the_photo_and_then_its_views() -> None:
    originals = np.stack([flat(RED), flat(GREEN)])
    views = np.stack([[flat(BLUE), flat(GREY)], [flat(GREY), flat(RED)]])
    shown = sheet(augmentation_section(originals, views, level="standard", **PLAIN))
    # Two rows of 40 px with 4 px between them; three cells, with 16 and then 4 px between them.
    assert shown.shape == (84, 140, 3)
    middles = [[shown[y, x] for x in (20, 76, 120)] for y in (20, 64)]
    for row, colours in zip(middles, ((RED, BLUE, GREY), (GREEN, GREY, RED)), strict=True):
        # WebP halves the colours' size and loses some levels.
        np.testing.assert_allclose(row, colours, atol=8)
    for y, x in ((42, 20), (20, 48), (20, 98)):
        assert shown[y, x].min() > 240


def test_large_images_are_made_smaller_and_the_sheet_fits_the_page() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 240, 240, 3)).astype(np.uint8)
    section = augmentation_section(noise[:, 0], noise[:, 1:], level="phone", **PLAIN)
    (picture,) = section.images
    assert 1000 < sheet(section).shape[1] <= 1060
    assert picture.wide
    # Of noise, the hardest to compress; a page may take 2 MB.
    assert len(picture.data) <= 300_000


def test_the_text_names_the_level_and_how_to_switch_it_off() -> None:
    for level in set(RANGES) - {"none"}:
        section = augmentation_section(flat(RED)[None], flat(RED)[None, None], level=level, **PLAIN)
        text = " ".join(section.paragraphs)
        assert f"The setting augment is {level}; none switches this off." in text
        assert "set augment_flip to false: no view is mirrored" in text
        for named, frac in (
            ("turned", RANGES[level].max_rotation_deg),
            ("covered", RANGES[level].erased_frac),
            ("out of focus", RANGES[level].blurred_frac),
            ("shaken", RANGES[level].shaken_frac),
            ("noisy", RANGES[level].noisy_frac),
            ("JPEG", RANGES[level].compressed_frac),
        ):
            assert (named in text) == (frac > 0)


@pytest.mark.parametrize("level", sorted(set(RANGES) - {"none"}))
def test_mirroring_is_named_where_photos_are_mirrored_alone(level: str) -> None:
    one = flat(RED)[None], flat(RED)[None, None]
    with_it, without = (
        augmentation_section(*one, level=level, flip=flip, mixup=0).paragraphs[0]
        for flip in (True, False)
    )
    assert "view of every photo: mirrored, " in with_it
    assert "mirrored, " not in without
    assert "No view is mirrored: augment_flip is false." in without


@pytest.mark.parametrize("level", sorted(RANGES))
def test_blending_is_named_where_photos_are_blended(level: str) -> None:
    one = flat(RED)[None], flat(RED)[None, None]
    with_it, without = (
        augmentation_section(*one, level=level, flip=True, mixup=mixup).paragraphs[0]
        for mixup in (0.2, 0)
    )
    assert "blended with another one, and so are their labels: mixup is 0.2; 0 switches" in with_it
    assert "blended" not in without


@pytest.mark.parametrize(
    ("n_in_turn", "said"),
    [
        (0, "Each epoch shows another view of every photo: mirrored"),
        (1, "Each epoch shows the same view of every photo: mirrored"),
        (3, "Each epoch shows one of 3 views of every photo, in turn: mirrored"),
    ],
)
def test_views_that_come_in_turn_are_counted(n_in_turn: int, said: str) -> None:
    one = flat(RED)[None], flat(RED)[None, None]
    section = augmentation_section(*one, level="light", flip=True, mixup=0, n_in_turn=n_in_turn)
    assert section.paragraphs[0].startswith(said)


def test_without_augmentation_a_sentence_says_so_and_there_is_no_sheet() -> None:
    section = augmentation_section(flat(RED)[None], flat(RED)[None, None], level="none", **PLAIN)
    assert section.images == ()
    assert "augment is none" in section.paragraphs[0]


def test_the_page_shows_the_sheet_with_words_for_those_who_do_not_see_it() -> None:
    images: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "img":
                images.append(dict(attrs))

    section = augmentation_section(
        flat(RED)[None], np.stack([[flat(BLUE)] * 3]), level="light", **PLAIN
    )
    Reader().feed(render_page("title", "lead", [section]))
    (image,) = images
    assert image["alt"] == "Photo by photo: the photo and 3 of its views"
    assert str(image["src"]).startswith("data:image/webp;base64,")


@pytest.mark.parametrize(
    ("originals", "views"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 3, 8, 8, 3), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 3, 9, 9, 3), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3), np.uint8)),
        (np.zeros((2, 8, 8), np.uint8), np.zeros((2, 3, 8, 8, 3), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 0, 8, 8, 3), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 3, 8, 8, 3), np.float32)),
    ],
)
def test_images_that_do_not_belong_together_are_refused(
    originals: np.ndarray, views: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="originals"):
        augmentation_section(originals, views, level="light", **PLAIN)
