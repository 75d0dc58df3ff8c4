import numpy as np
import pytest

from edgedistill.evaluate.slicing import folder_names, slices_document
from tests.evaluate.photo_folders import SIDE_PX, photo, plain, write_packed


def names(*places: str) -> list[str]:
    """Of photos of the class red at these places."""
    return folder_names([photo(n, 0, filepath=place) for n, place in enumerate(places)])


def between_bars(level: int) -> np.ndarray:
    """Of a photo twice as wide as high: black above and below, which is no part of it."""
    image = plain((level,) * 3)
    image[: SIDE_PX // 4] = image[-SIDE_PX // 4 :] = 0
    return image


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        (["red/kitchen/1.jpg", "red/kitchen/a/1.jpg", "red/1.jpg"],
         ["*/kitchen", "*/kitchen/a", "*"]),
        (["shop/red/1.jpg", "home/red/1.jpg", "red/1.jpg"], ["shop/*", "home/*", ""]),
        (["shop/red/a/1.jpg", "home/red/1.jpg"], ["*/a", "*"]),
        (["2021/05/1.jpg", "1.jpg"], ["2021/05", ""]),
        (["2021/1.jpg", "red/a/1.jpg"], ["2021", "*/a"]),
        (["red/red/1.jpg"], ["*/red"]),
    ],
)  # fmt: skip
def test_a_folder_is_told_apart_from_the_class(places, wanted):
    assert names(*places) == wanted


def test_accuracy_is_told_by_size_brightness_and_folder(tmp_path):
    # Sides, levels and folders: three sizes, three brightnesses, two folders.
    sides, levels = [100, 200, 300, 100, 200, 300], [10, 10, 90, 90, 200, 200]
    photos = write_packed(
        tmp_path / "test",
        [between_bars(level) for level in levels],
        [
            photo(n, 0, filepath=f"red/{'ab'[n % 2]}/{n}.jpg", height_px=s // 2, width_px=s)
            for n, s in enumerate(sides)
        ],
    )
    told = slices_document(photos, np.array([True, False, True, True, False, True]))
    figures = {
        kind: [(row["name"], row["n_photos"], row["top1"]) for row in rows]
        for kind, rows in told.items()
    }
    assert figures == {
        "size": [("100 px", 2, 1.0), ("200 px", 2, 0.0), ("300 px", 2, 1.0)],
        "brightness": [("10", 2, 0.5), ("90", 2, 1.0), ("200", 2, 0.5)],
        "folder": [("*/a", 3, 2 / 3), ("*/b", 3, 2 / 3)],
    }
    # Wilson, 1 of 2: 0.0945 to 0.9055.
    assert told["brightness"][0]["top1_interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)


def test_where_all_photos_are_alike_there_is_nothing_to_compare(tmp_path):
    photos = write_packed(tmp_path / "test", [plain((9, 9, 9))] * 2, [photo(n, 0) for n in (0, 1)])
    assert slices_document(photos, np.array([True, False])) == {
        "size": [], "brightness": [], "folder": [],
    }  # fmt: skip
