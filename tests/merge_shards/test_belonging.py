"""Shards that do not belong together, or are not whole: each refused in one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgedistill.errors import ArtifactError
from tests.merge_shards.scanned import files, merge, scan_shards
from tests.merge_shards.test_step import pairs


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of six photos, one of them of no class."""
    folder = tmp_path_factory.mktemp("scanned")
    scan_shards(pairs(folder / "few", "cup", "mug", "_unknown"), folder, 2)
    return folder


@pytest.fixture
def shards(scanned: Path, tmp_path: Path) -> list[Path]:
    """The same, to be changed."""
    return [
        Path(shutil.copytree(scanned / name, tmp_path / name)) for name in ("shard-0", "shard-1")
    ]


def refusal(shards: list[Path], out: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        merge([str(shard) for shard in shards], out)
    assert not out.exists() or list(out.iterdir()) == []
    return str(caught.value)


def rewrite(shard: Path, **changes: Any) -> None:
    path = shard / "shard.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_none_at_all(tmp_path: Path) -> None:
    said = refusal([], tmp_path / "out")
    assert said == "merge_shards must be given every shard of a scan; got none."


def test_one_that_is_missing(shards: list[Path], tmp_path: Path) -> None:
    said = refusal(shards[1:], tmp_path / "out")
    assert said == "all 2 shards, counted from 0, must be given; missing: 0."


def test_one_that_is_given_twice(shards: list[Path], tmp_path: Path) -> None:
    said = refusal([*shards, shards[1]], tmp_path / "out")
    assert said == (f"each shard must be given once; {shards[1]} and {shards[1]} are both shard 1.")


def test_one_of_another_number_of_shards(shards: list[Path], tmp_path: Path) -> None:
    rewrite(shards[1], scan_shards=3)
    said = refusal(shards, tmp_path / "out")
    assert (
        said == "all shards must be parts of as many; got parts of 2 and 3: take all from one run."
    )


@pytest.mark.parametrize(
    ("name", "value", "before"),
    [
        ("data_dir", "/other", None),
        ("unknown_uri", "/other", ""),
        ("student_px", 64, 32),
        ("teacher_sizes_px", [64], [48]),
        ("max_megapixels", 1.0, 178.0),
        ("resized_share", 0.5, 1.0),
    ],
)
def test_one_that_was_scanned_otherwise(
    shards: list[Path], tmp_path: Path, name: str, value: Any, before: Any
) -> None:
    before = json.loads((shards[0] / "shard.json").read_text())[name] if before is None else before
    rewrite(shards[1], **{name: value})
    said = refusal(shards, tmp_path / "out")
    assert said == (
        f"{shards[1]} must have been scanned with the same {name} as {shards[0]}, {before}; got "
        f"{value}: take all shards from one run."
    )


def test_photos_that_were_changed_between_the_scans(tmp_path: Path) -> None:
    data = pairs(tmp_path / "data", "cup", "mug")
    first = scan_shards(data, tmp_path / "before", 2)[0]
    pairs(data, "tray", first=60)
    second = scan_shards(data, tmp_path / "after", 2)[1]
    said = refusal([Path(first), Path(second)], tmp_path / "out")
    assert said == (
        f"{second} must be a part of the same list of files as {first}; got another: the photos "
        "were changed between the shards' scans; scan them all again, and not from the cache (on "
        "a cluster: raise data_version)."
    )


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize(
    "place",
    [
        "photos.sqlite", "unknown/photos.sqlite", "fingerprints", "pixels/32/00000.npy",
        "pixels/48/00000.npy", "pixels/48/SHA256SUMS", "resized/nearest/pixels/32/00000.npy",
        "unknown/pixels/32/00000.npy",
    ],
)  # fmt: skip
def test_one_whose_file_was_changed_or_cut(
    shards: list[Path], tmp_path: Path, place: str, damage: Callable[[Path], None]
) -> None:
    damage(shards[1] / place)
    assert f"{shards[1] / place} must have the SHA-256" in refusal(shards, tmp_path / "out")


@pytest.mark.parametrize("place", ["photos.sqlite", "pixels/32/00000.npy", "shard.json"])
def test_one_that_lost_a_file(shards: list[Path], tmp_path: Path, place: str) -> None:
    (shards[1] / place).unlink()
    assert refusal(shards, tmp_path / "out") == (
        f"{shards[1] / place} is missing; did the step before this one finish?"
    )


def test_shards_that_nobody_may_write_to_are_merged(shards: list[Path], tmp_path: Path) -> None:
    # As a volume that is mounted read-only: SQLite must not want to lock or to recover anything.
    before = files(tmp_path)
    for path in [*shards, *(p for shard in shards for p in shard.rglob("*"))]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    merge([str(shard) for shard in shards], tmp_path / "out")
    assert before.items() <= files(tmp_path).items()
