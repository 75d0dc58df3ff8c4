"""How a training varies its photos, to be seen, as a part of a report."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterbox
from edgedistill.report.page import Picture, Section

_MOST_BYTES: Final = 300_000
_QUALITIES: Final = (85, 70, 50, 30)
"""Of the sheet, from good to poor; the first that is small enough is taken."""
_SHEET_WIDTH_PX: Final = 1060
"""What the page has room for."""
_GAP_PX: Final = 4
_FIRST_GAP_PX: Final = 16
"""Between the photo and its views."""

_VARIED: Final = {
    "light": "moved a little, a little lighter or darker",
    "standard": "nearer or farther, moved, turned by a few degrees, in other light and colour, now "
    "and then with a part covered",
    "phone": "nearer or farther, moved, turned by a few degrees, in light, contrast and colour as "
    "phones meet them, now and then with a part covered, out of focus, shaken, noisy or compressed "
    "as a JPEG",
}


def augmentation_section(
    originals: NDArray[np.uint8],
    views: NDArray[np.uint8],
    *,
    level: str,
    flip: bool,
    mixup: float,
    n_in_turn: int = 0,
) -> Section:
    """A sheet of photos, a row each: the photo as it is, then its views.

    Args:
        originals: shape (k, size, size, 3), k at least 1.
        views: shape (k, v, size, size, 3), v at least 1.
        level: the setting `augment`; with none there is no sheet, as no photo is varied by itself.
        flip: the setting `augment_flip`.
        mixup: the setting of this name; the sheet shows photos before they are blended.
        n_in_turn: how many views of a photo the epochs show in turn; 0: another one in each.

    Raises:
        ValueError: the images are not of uint8, or shapes do not agree.
    """
    title = "How photos are varied"
    if level == "none":
        return Section(
            title,
            ["Every epoch shows the photos as they are: augment is none. Levels light, standard "
             f"and phone show another view of every photo in each epoch.{_blend(mixup)}"],
        )  # fmt: skip
    _check(originals, views)
    n_views = views.shape[1]
    sheet = Picture(
        _encoded(_sheet(originals, views)),
        f"Photo by photo: the photo and {n_views} of its views",
        "Left: the photo as the network gets it without augmentation. Then views of it.",
        wide=True,
    )
    which = {0: "another view of every photo", 1: "the same view of every photo"}.get(
        n_in_turn, f"one of {n_in_turn} views of every photo, in turn"
    )
    mirrored = "mirrored, " if flip else ""
    return Section(
        title,
        [f"Each epoch shows {which}: {mirrored}{_VARIED[level]}. The setting augment is "
         f"{level}; none switches this off. If a view no longer shows its class, take a weaker "
         f"level.{_mirroring(flip)}{_blend(mixup)}"],
        images=[sheet],
    )  # fmt: skip


def _mirroring(flip: bool) -> str:
    if flip:
        return (
            " Where left and right matter, as in text, set augment_flip to false: no view is "
            "mirrored then."
        )
    return " No view is mirrored: augment_flip is false."


def _blend(mixup: float) -> str:
    if mixup == 0:
        return ""
    return (
        " In training each photo is also blended with another one, and so are their labels: mixup "
        f"is {mixup:g}; 0 switches this off."
    )


def _check(originals: NDArray[np.uint8], views: NDArray[np.uint8]) -> None:
    size_px, n_views = originals.shape[1:2], views.shape[1:2]
    shape = (len(originals), *size_px, *size_px, 3)
    if originals.shape != shape or views.shape != (len(originals), *n_views, *shape[1:]):
        raise ValueError(
            "originals must be (k, size, size, 3) and views (k, v, size, size, 3); got "
            f"{originals.shape} and {views.shape}"
        )
    if originals.dtype != np.uint8 or views.dtype != np.uint8 or not views.size:
        raise ValueError(
            f"originals and views must be uint8, at least one; got {originals.dtype} "
            f"{originals.shape} and {views.dtype} {views.shape}"
        )


def _sheet(originals: NDArray[np.uint8], views: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """White between the cells."""
    n_photos, n_views, size_px = views.shape[:3]
    room_px = _SHEET_WIDTH_PX - _FIRST_GAP_PX - _GAP_PX * (n_views - 1)
    side = max(1, min(size_px, room_px // (1 + n_views)))
    width = side * (1 + n_views) + _FIRST_GAP_PX + _GAP_PX * (n_views - 1)
    sheet = np.full((n_photos * (side + _GAP_PX) - _GAP_PX, width, 3), 255, np.uint8)
    for row in range(n_photos):
        top = row * (side + _GAP_PX)
        sheet[top : top + side, :side] = letterbox(originals[row], side)
        for column in range(n_views):
            left = side + _FIRST_GAP_PX + column * (side + _GAP_PX)
            sheet[top : top + side, left : left + side] = letterbox(views[row, column], side)
    return sheet


def _encoded(sheet: NDArray[np.uint8]) -> bytes:
    """A WebP file, as good as its size allows."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        Image.fromarray(sheet).save(file, "WEBP", quality=quality, method=4)
        if file.tell() <= _MOST_BYTES:
            break
    return file.getvalue()
