"""Collections scanned by one step and by shards, for the tests that hold the two together."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgedistill.merge_shards.step import merge_scanned
from edgedistill.scan.step import scan_photos
from edgedistill.scan_shard.step import scan_one_shard
from edgedistill.settings import MergeShardsSettings, ScanSettings, ScanShardSettings
from tests.scan.test_step import encoded, make, photo, smooth

SIZES: dict[str, Any] = {"student_img_size": 32, "teacher_img_size": "48"}


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its place."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def scan_whole(data_dir: Path | str, out: Path, **more: Any) -> dict[str, float]:
    """Scans in one step into `out`; gives its figures but the seconds."""
    settings = ScanSettings(data_dir=str(data_dir), **{**SIZES, **more})
    found = scan_photos(str(out / "catalog"), str(out / "report.html"), settings, n_workers=1)
    del found["seconds"]
    return found


def scan_shards(data_dir: Path | str, out: Path, n_shards: int, **more: Any) -> list[str]:
    """Scans in shards into `out`; gives their folders."""
    folders = [str(out / f"shard-{index}") for index in range(n_shards)]
    for index, folder in enumerate(folders):
        settings = ScanShardSettings(
            data_dir=str(data_dir), shard_index=index, scan_shards=n_shards, **{**SIZES, **more}
        )
        scan_one_shard(folder, settings, n_workers=1)
    return folders


def merge(shards: Sequence[str], out: Path, **settings: Any) -> dict[str, float]:
    """Merges shards into `out`; gives the figures but the seconds."""
    found = merge_scanned(
        shards, str(out / "catalog"), str(out / "report.html"), MergeShardsSettings(**settings)
    )
    del found["seconds"]
    return found


def rich_collection(folder: Path) -> Path:
    """28 files of three classes and of none, with whatever a scan has something to say of.

    In order of labels and places, so that what belongs together lies in several shards: equal
    pixels in one class, under two labels and in none, near duplicates in one class and in two,
    files that are none, one beside the classes.
    """
    again = encoded(smooth(5), "JPEG", quality=60)
    plain = {
        f"{name}/{number}.png": encoded(smooth(100 * place + number))
        for place, name in enumerate(("bowl", "cup", "plate"))
        for number in range(5)
    }
    return make(
        folder / "rich é",
        **plain,
        **{
            "bowl/a copy of 1.bmp": encoded(smooth(1), "BMP"),
            "bowl/zz broken.jpg": photo(7)[:-200],
            "cup/0 in conflict.png": encoded(smooth(900)),
            "cup/too.jpg": again,
            "cup/x.png": encoded(smooth(5)),
            "plate/99 in conflict.png": encoded(smooth(900)),
            "plate/black.png": encoded(smooth(3).point(lambda level: level // 40)),
            "plate/empty.png": b"",
            "plate/too, here.jpg": encoded(smooth(104), "JPEG", quality=60),
            "beside.png": encoded(smooth(77)),
            "_unknown/1.png": encoded(smooth(801)),
            "_unknown/2 is a bowl.png": encoded(smooth(4)),
            "_unknown/3 is none.png": b"text",
            "_unknown/deep/4.png": encoded(smooth(802)),
            "_unknown/z is in conflict.png": encoded(smooth(900)),
        },
    )
