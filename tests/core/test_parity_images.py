import hashlib
import io
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from edgedistill.core.decode import decode_photo
from edgedistill.core.parity_images import ParityImage, parity_images, scene


@cache
def images() -> dict[str, ParityImage]:
    return {image.name: image for image in parity_images()}


@cache
def opened(name: str) -> Image.Image:
    image = Image.open(io.BytesIO(images()[name].data))
    image.load()
    return image


@pytest.mark.slow
def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from edgedistill.core.parity_images import parity_images; import hashlib\n"
        "for i in parity_images(): print(i.file_name, hashlib.sha256(i.data).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"{image.file_name} {hashlib.sha256(image.data).hexdigest()}" for image in images().values()
    ]


def test_all_together_are_small() -> None:
    assert sum(len(image.data) for image in images().values()) < 1_500_000


def test_names_are_plain_and_differ() -> None:
    assert len(images()) == 19
    for image in images().values():
        assert re.fullmatch(r"[a-z0-9_]+", image.name)
        assert re.fullmatch(rf"{image.name}\.(jpg|png)", image.file_name)
        assert image.checks


def test_files_are_of_the_kind_that_they_say() -> None:
    kinds = {"jpg": "JPEG", "png": "PNG"}
    for name, image in images().items():
        assert opened(name).format == kinds[image.file_name.partition(".")[2]]
    modes = {name: opened(name).mode for name in images()}
    special = {"grey": "L", "alpha": "RGBA", "cmyk": "CMYK", "palette": "P"}
    assert modes == {name: special.get(name, "RGB") for name in images()}
    assert isinstance(opened("palette").info["transparency"], bytes)


def test_every_orientation_is_there_and_upright_all_show_one_portrait() -> None:
    turned = [image for image in images().values() if image.name.startswith("exif_")]
    assert [image.orientation for image in turned] == [1, 2, 3, 4, 5, 6, 7, 8]
    wanted = scene(400, 288).astype(int)
    for image in turned:
        stored = opened(image.name)
        assert stored.getexif()[0x0112] == image.orientation
        assert stored.size == ((288, 400) if image.orientation < 5 else (400, 288))
        # Only JPEG's rounding is between them; turned otherwise it is 60 levels and more.
        assert np.abs(np.asarray(ImageOps.exif_transpose(stored)) - wanted).mean() < 8


def test_without_its_tag_every_turned_picture_looks_different() -> None:
    upright = np.asarray(opened("exif_1")).astype(int)
    for value in range(2, 9):
        stored = np.asarray(opened(f"exif_{value}"))
        if stored.shape == upright.shape:
            assert np.abs(stored - upright).mean() > 40


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("high", (1, 4000)), ("wide", (4000, 1)), ("nearly_square", (239, 241)),
        ("square", (240, 240)), ("tiny", (7, 5)), ("large", (3000, 2000)),
    ],
)  # fmt: skip
def test_odd_and_large_sizes_are_there(name: str, size: tuple[int, int]) -> None:
    assert opened(name).size == size


def test_transparent_pixels_have_colours_of_the_scene_under_them() -> None:
    pixels = np.asarray(opened("alpha"))
    assert {0, 128, 255} == set(np.unique(pixels[:, :, 3]))
    np.testing.assert_array_equal(pixels[:, :, :3], scene(347, 267))
    palette = np.asarray(opened("palette").convert("RGBA"))
    assert {0, 128, 255} == set(np.unique(palette[:, :, 3]))
    np.testing.assert_array_equal(palette[:, :, :3], scene(311, 426))


def test_cmyk_is_read_by_the_rule_that_it_states() -> None:
    # Pillow stores the inks inverted in a JPEG, as Adobe does, and turns them back.
    inks = np.asarray(opened("cmyk")).astype(int)
    wanted = (255 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) / 255
    assert np.abs(decode_photo(images()["cmyk"].data) - wanted).max() <= 1


def test_the_large_photo_has_halved_colours_and_the_others_have_not() -> None:
    layers: dict[str, Any] = {
        name: vars(opened(name))["layer"]
        for name, image in images().items()
        if image.file_name.endswith(".jpg") and opened(name).mode == "RGB"
    }
    # (component, horizontal sampling, vertical sampling, table) of luminance first.
    assert {name: layer[0][1:3] for name, layer in layers.items()} == {
        name: (2, 2) if name == "large" else (1, 1) for name in layers
    }


def test_the_scene_tells_corners_channels_and_sides_apart() -> None:
    pixels = scene(400, 288).astype(int)
    assert (np.abs(pixels[:, :, 0] - pixels[:, :, 2]) >= 10).all()
    corners = {tuple(pixels[y, x]) for y in (0, -1) for x in (0, -1)}
    assert len(corners) == 4
    views = [np.rot90(pixels, turns) for turns in range(4)]
    views += [np.fliplr(view) for view in views]
    for view in views[1:]:
        if view.shape == pixels.shape:
            assert np.abs(view - pixels).mean() > 40


def test_the_scene_has_stripes_a_pixel_wide() -> None:
    # Column 1 of tiles in row 0 (2 * 0 + 3 * 1 = 3: slanting; period 2 * 2**2 = 8); column 2
    # (6 % 5 = 1: lying stripes; (0 + 4) % 3 = 1: period 4, two rows light and two dark).
    tile = scene(16, 48)[:, 32:]
    assert (tile == tile[:, :1]).all()
    light, dark = tile[0, 0], tile[2, 0]
    np.testing.assert_array_equal(dark, light // 4)
    np.testing.assert_array_equal(tile[:, 0], np.array([light, light, dark, dark] * 4))
    # Row 1, column 1 (2 + 3 = 0: flat); row 2, column 2 ((4 + 6) % 5 = 0: flat).
    assert len(np.unique(scene(32, 32)[16:, 16:].reshape(-1, 3), axis=0)) == 1


def test_at_every_size_of_a_model_sides_are_rounded_both_ways() -> None:
    sizes = [sorted(opened(name).size) for name in images()]
    for side in range(16, 505):
        remainders = [(short * side % longest) / longest for short, longest in sizes]
        assert any(part >= 0.5 for part in remainders), side
        assert any(0 < part < 0.5 for part in remainders), side
