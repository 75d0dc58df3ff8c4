import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgedistill.artifacts import DATASET_MANIFEST
from edgedistill.datasets import PackedDataset
from edgedistill.errors import DatasetError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.scan import resized
from tests.merge_shards.scanned import (
    files,
    merge,
    rich_collection,
    scan_shards,
    scan_whole,
)
from tests.scan.test_step import encoded, make, smooth

# Nine images of 32 px, four of 48 px: shards of pixels end within shards of the scan.
PIXEL_SHARD_BYTES = 9 * 32 * 32 * 3 + 100


@pytest.fixture(scope="module")
def small_pixel_shards() -> Any:
    """As if a few images filled 256 MiB; about half of the photos are in the sample."""
    with pytest.MonkeyPatch.context() as patch:
        defaults = ShardWriter.__init__.__kwdefaults__
        assert defaults is not None
        patch.setitem(defaults, "max_shard_bytes", PIXEL_SHARD_BYTES)
        patch.setattr(resized, "MOST_PHOTOS", 12)
        yield


@pytest.fixture(scope="module")
def rich(
    tmp_path_factory: pytest.TempPathFactory, small_pixel_shards: None
) -> tuple[Path, Path, dict[str, float]]:
    """The rich collection, the folder of its scan by one step, and the figures."""
    folder = tmp_path_factory.mktemp("rich")
    data = rich_collection(folder)
    return data, folder / "whole", scan_whole(data, folder / "whole")


def test_the_collection_has_something_of_everything(rich: tuple[Path, Path, Any]) -> None:
    _, whole, metrics = rich
    found = DATASET_MANIFEST.read(whole / "catalog")["findings"]
    assert {"conflict", "bad file", "duplicate", "near duplicate",
            "near duplicate of another class", "very dark"} <= set(found)  # fmt: skip
    assert metrics["n_unknown"] == 2
    in_sample = len(PackedDataset.open(whole / "catalog/resized/nearest"))
    assert 0 < in_sample < metrics["n_photos"]
    assert len(list((whole / "catalog/pixels/32").glob("*.npy"))) == 3


@pytest.mark.parametrize("n_shards", [2, 3, 7])
def test_shards_give_every_byte_that_one_scan_gives(
    rich: tuple[Path, Path, Any], tmp_path: Path, n_shards: int
) -> None:
    data, whole, metrics = rich
    shards = scan_shards(data, tmp_path, n_shards)
    assert merge(shards[::-1], tmp_path / "out") == metrics
    assert files(tmp_path / "out") == files(whole)


def test_without_comparing_pictures_the_shards_serve_as_they_are(
    rich: tuple[Path, Path, Any], tmp_path: Path
) -> None:
    data = rich[0]
    scan_whole(data, tmp_path / "whole", group_near_duplicates=False)
    merge(scan_shards(data, tmp_path, 2), tmp_path / "out", group_near_duplicates=False)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def pairs(folder: Path, *names: str, first: int = 30) -> Path:
    """Two photos in each folder of these names, each of another picture from number `first` on."""
    places = [f"{name}/{number}.png" for name in names for number in range(2)]
    return make(folder, **{p: encoded(smooth(first + n)) for n, p in enumerate(places)})


def divided(folder: Path) -> Path:
    return pairs(folder / "divided", "train/cup", "train/mug", "val/cup", "test/cup", "test/mug")


def zipped(folder: Path) -> Path:
    inner = pairs(folder / "inner", "photos/cup", "photos/mug", "photos/_unknown")
    return Path(shutil.make_archive(str(folder / "photos"), "zip", inner))


def packed_tar(folder: Path) -> Path:
    with tarfile.open(folder / "photos.tar.gz", "w:gz") as archive:
        archive.add(pairs(folder / "inner", "cup", "mug"), arcname=".")
    return folder / "photos.tar.gz"


def manifest(folder: Path) -> Path:
    """With groups, a file that is told twice, one that is not there, one that leads out."""
    pairs(folder / "photos", "x", "y")
    rows = ["x/0.png,cup,g", "y/1.png,mug,g", "y/1.png,mug,g", "x/1.png,mug,", "y/0.png,cup,",
            "gone.png,cup,", "../out.png,mug,"]  # fmt: skip
    path = folder / "photos" / "list.csv"
    path.write_text("\n".join(["path,label,group", *rows]))
    return path


@pytest.mark.parametrize("collection", [divided, zipped, packed_tar, manifest])
def test_so_they_do_of_collections_of_every_kind(
    tmp_path: Path, collection: Callable[[Path], Path]
) -> None:
    data = collection(tmp_path)
    elsewhere = pairs(tmp_path / "elsewhere", "anything", first=60)
    more = {"unknown_uri": str(elsewhere)}
    metrics = scan_whole(data, tmp_path / "whole", **more)
    assert merge(scan_shards(data, tmp_path, 3, **more), tmp_path / "out") == metrics
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("n_shards", [1, 6])
def test_so_they_do_where_there_is_one_or_more_of_them_than_files(
    tmp_path: Path, n_shards: int
) -> None:
    data = pairs(tmp_path / "few", "cup", "mug")
    scan_whole(data, tmp_path / "whole")
    merge(scan_shards(data, tmp_path, n_shards), tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_the_shards_stay_as_they_are_and_nothing_else_is_left(tmp_path: Path) -> None:
    data = pairs(tmp_path / "few", "cup", "mug")
    shards = scan_shards(data, tmp_path / "shards", 2)
    before = files(tmp_path / "shards")
    merge(shards, tmp_path / "out")
    assert files(tmp_path / "shards") == before
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["catalog", "report.html"]


def test_each_shard_packs_its_own_run_of_the_files_alone(tmp_path: Path) -> None:
    # 7 files: 7 * 1 / 3 = 2 and 7 * 2 / 3 = 4, rounded down, end the first two runs.
    data = make(
        tmp_path / "data", **{f"{'ab'[n > 3]}/{n}.png": encoded(smooth(n)) for n in range(7)}
    )
    shards = scan_shards(data, tmp_path, 3)
    n_bytes = [Path(shard, "fingerprints").stat().st_size for shard in shards]
    assert [count * 7 // sum(n_bytes) for count in n_bytes] == [2, 2, 3]


def test_a_class_without_a_readable_photo_is_named_as_scan_names_it(tmp_path: Path) -> None:
    data = pairs(tmp_path / "data", "cup", "mug")
    make(data, **{"tray/1.png": b"", "tray/2.png": b"text"})
    with pytest.raises(DatasetError) as by_one:
        scan_whole(data, tmp_path / "whole")
    shards = scan_shards(data, tmp_path, 3)
    with pytest.raises(DatasetError) as by_shards:
        merge(shards, tmp_path / "out")
    assert str(by_shards.value) == str(by_one.value)
    assert list((tmp_path / "out").iterdir()) == []
