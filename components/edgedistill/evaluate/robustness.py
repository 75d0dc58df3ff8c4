"""How the file does on test photos that are damaged as phones damage them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import RESIZED_FOLDER
from edgedistill.core.bounds import wilson_interval
from edgedistill.core.damage import DAMAGES, Chances, Damage, damage_photo
from edgedistill.datasets import PackedDataset, Photo
from edgedistill.pixels import PackedPixels, Pixels
from edgedistill.tf.interpreter import predict_outputs

_log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
_Key = tuple[str, int, str]
"""Name, strength and setting of a damage."""
_Right = tuple[Rows, NDArray[np.bool_]]
"""Rows of the test photos, and whether the file is right on each of them damaged."""

_RESIZES = (
    ("bilinear", 1, "plain bilinear, which does not widen when it shrinks"),
    ("nearest", 2, "the nearest pixel"),
)
_RESIZE = "plain resize"


@dataclass(frozen=True)
class ChosenRows:
    """Some rows of packed photos, in an order of their own."""

    pixels: PackedPixels
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size_px(self) -> int:
        """Side of the images."""
        return self.pixels.size_px

    def row(self, index: int) -> Pixels:
        """One image, shape (size, size, 3)."""
        return self.pixels.row(int(self.rows[index]))


@dataclass(frozen=True)
class DamagedPhotos(ChosenRows):
    """The same with one damage done to each photo when it is asked for: none is kept."""

    photos: Sequence[Photo]
    damage: Damage
    seed: int

    def row(self, index: int) -> Pixels:
        """One damaged image, shape (size, size, 3)."""
        photo = self.photos[int(self.rows[index])]
        chances = Chances.draw(self.seed, photo.digest)
        image = super().row(index)
        return damage_photo(image, photo.height_px, photo.width_px, self.damage, chances)


def chosen_photos(photos: Sequence[Photo], n_most: int) -> Rows:
    """At most so many photos, those of the lowest digests: their order and place do not matter.

    A digest is as good as a draw, and a photo that is added or taken away changes no other's.

    Returns:
        Their rows, ascending.
    """
    ranked = sorted(
        range(len(photos)), key=lambda n: (photos[n].digest, photos[n].data_dir, photos[n].filepath)
    )
    return np.array(sorted(ranked[:n_most]), np.int64)


def measure_robustness(
    model: Path, photos: PackedDataset, right: NDArray[np.bool_], *, n_most: int, seed: int
) -> dict[str, Any] | None:
    """Accuracy of the file under each damage, and their plain mean.

    Args:
        model: the file.
        photos: the test photos.
        right: shape (n,), on which of them the file is right as they are.
        n_most: most photos that are damaged.
        seed: of what chance decides.

    Returns:
        The content of `robustness` in evaluation.json; None where no photo is asked for.
    """
    rows = chosen_photos(photos.photos, n_most)
    if len(rows) == 0:
        return None
    rights = {
        **_damaged_rights(model, photos, rows, seed=seed),
        **_resized_rights(model, photos, rows),
    }
    damages = []
    for (name, strength, setting), (asked, now_right) in rights.items():
        top1, interval = _share(now_right)
        damages.append(
            {
                "name": name,
                "strength": strength,
                "setting": setting,
                "n_photos": len(asked),
                "clean_top1": float(right[asked].mean()),
                "top1": top1,
                "top1_interval": interval,
            }
        )
    mean_top1 = float(np.mean([d["top1"] for d in damages]))
    _log.info("robustness: mean_top1=%.3f on %d photos", mean_top1, len(rows))
    return {
        "n_photos": len(rows),
        "clean_top1": float(right[rows].mean()),
        "mean_top1": mean_top1,
        "damages": damages,
    }


def _damaged_rights(
    model: Path, photos: PackedDataset, rows: Rows, *, seed: int
) -> dict[_Key, _Right]:
    labels = photos.label_indices[rows]
    rights = {}
    for damage in DAMAGES:
        images = DamagedPhotos(photos.student_pixels, rows, photos.photos, damage, seed)
        now_right = predict_outputs(model, images).argmax(axis=1) == labels
        rights[damage.name, damage.strength, damage.setting] = rows, now_right
    return rights


def _resized_rights(model: Path, photos: PackedDataset, rows: Rows) -> dict[_Key, _Right]:
    """Of the chosen photos that scan has resized by careless filters too; none where it has not."""
    rights = {}
    for name, strength, setting in _RESIZES:
        folder = photos.folder / RESIZED_FOLDER / name
        if not folder.is_dir():
            continue
        resized = PackedDataset.open(folder)
        photos.require_own(resized.split_digest, folder)
        resized.require_whole((resized.student_px,))
        places = {_place(photo): row for row, photo in enumerate(resized.photos)}
        there = [(row, places.get(_place(photos.photos[row]))) for row in rows.tolist()]
        pairs = np.array([(row, place) for row, place in there if place is not None], np.int64)
        if len(pairs) == 0:
            continue
        images = ChosenRows(resized.student_pixels, pairs[:, 1])
        predicted = predict_outputs(model, images).argmax(axis=1)
        asked = pairs[:, 0]
        rights[_RESIZE, strength, setting] = asked, predicted == photos.label_indices[asked]
    return rights


def _place(photo: Photo) -> tuple[str, str, str]:
    """What no two photos share: a manifest may give one file two labels."""
    return photo.label_name, photo.data_dir, photo.filepath


def _share(right: NDArray[np.bool_]) -> tuple[float, list[float]]:
    return float(right.mean()), list(wilson_interval(int(right.sum()), len(right)))
