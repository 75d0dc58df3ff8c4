"""The file's accuracy on parts of the test photos: by size, by brightness, by folder."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.bounds import wilson_interval
from edgedistill.core.look import photo_brightness
from edgedistill.core.slices import Slice, slices_by_name, slices_by_number
from edgedistill.datasets import PackedDataset, Photo


def slices_document(photos: PackedDataset, right: NDArray[np.bool_]) -> dict[str, Any]:
    """The content of `slices` in evaluation.json.

    `size` is the longer side of the original, which the letterbox brings to its own; `brightness`
    the mean luma of the letterboxed photo without its bars, 0 to 255; `folder` what `folder_names`
    gives. Where all photos are alike there is nothing to compare, and the list is empty.

    Args:
        photos: the test photos.
        right: shape (n,), on which of them the file is right.
    """
    sides_px = np.array([max(p.height_px, p.width_px) for p in photos.photos])
    names = folder_names(photos.photos)
    return {
        "size": _rows(slices_by_number(sides_px, unit="px"), right),
        "brightness": _rows(slices_by_number(_brightness(photos)), right),
        "folder": _rows(slices_by_name(names), right),
    }


def folder_names(photos: Sequence[Photo]) -> list[str]:
    """The folder of each photo, apart from its class, told so that one sees where it lies.

    Where photos lie in folders below that of their class, cup/kitchen/1.jpg, it is that part:
    "*/kitchen" ("*" for those that do not). Else it is what lies above the class's folder,
    shop/cup/1.jpg: "shop/*". Where no folder is named as the class is, as in manifests, it is the
    photo's own: "shop". The asterisk stands for the class. "" where there is no such folder.
    """
    parts = [_around_class(photo) for photo in photos]
    if any(below for _above, below, has_class in parts if has_class):
        return [
            "/".join(("*", *below)) if has_class else "/".join(above)
            for above, below, has_class in parts
        ]
    return [
        "/".join((*above, "*")) if has_class and above else "/".join(above)
        for above, _below, has_class in parts
    ]


def _around_class(photo: Photo) -> tuple[list[str], list[str], bool]:
    """Folders above and below that of the class; all of them above where none has its name."""
    folders = photo.filepath.split("/")[:-1]
    if photo.label_name not in folders:
        return folders, [], False
    place = folders.index(photo.label_name)
    return folders[:place], folders[place + 1 :], True


def _brightness(photos: PackedDataset) -> NDArray[np.float64]:
    pixels = photos.student_pixels
    return np.array(
        [
            photo_brightness(pixels.row(row), photo.height_px, photo.width_px)
            for row, photo in enumerate(photos.photos)
        ]
    )


def _rows(slices: Sequence[Slice], right: NDArray[np.bool_]) -> list[dict[str, Any]]:
    if len(slices) < 2:
        return []
    rows = []
    for part in slices:
        n_photos, n_right = len(part.rows), int(right[part.rows].sum())
        rows.append(
            {
                "name": part.name,
                "n_photos": n_photos,
                "top1": n_right / n_photos,
                "top1_interval": list(wilson_interval(n_right, n_photos)),
            }
        )
    return rows
