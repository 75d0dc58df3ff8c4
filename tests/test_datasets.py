import hashlib
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgedistill.artifacts import PACKED_DATASET
from edgedistill.datasets import (
    PackedDataset,
    Photo,
    read_photos,
    write_dataset_tables,
    write_photos,
)
from edgedistill.errors import ArtifactError
from edgedistill.pixel_writing import ShardWriter
from edgedistill.pixels import PackedPixels

SIZE = 4
BYTES = SIZE * SIZE * 3


def image(level: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def write_shards(folder: Path, n: int, rows_per_shard: int) -> None:
    with ShardWriter(folder, SIZE, max_shard_bytes=rows_per_shard * BYTES) as writer:
        for level in range(n):
            writer.append(image(level))


def photo(i: int, **changes: object) -> Photo:
    fields = {
        "filepath": f"cup/{i}.jpg", "label_index": 0, "label_name": "cup", "height_px": 3,
        "width_px": 5, "digest": f"{i:064x}", "split": "val", "group": "a, b", "data_dir": "gs://b/é",
    }  # fmt: skip
    return Photo(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "rows_per_shard", "shards"),
    [(5, 2, [2, 2, 1]), (4, 2, [2, 2]), (3, 10, [3]), (1, 1, [1])],
)
def test_images_come_back_whatever_the_shards(tmp_path, n, rows_per_shard, shards):
    write_shards(tmp_path / "p", n, rows_per_shard)
    files = sorted((tmp_path / "p").glob("*.npy"))
    assert [f.name for f in files] == [f"{i:05d}.npy" for i in range(len(shards))]
    assert [len(np.load(f)) for f in files] == shards  # plain NumPy files, of the size they say
    pixels = PackedPixels(tmp_path / "p", n)
    assert len(pixels) == n
    assert pixels.size_px == SIZE
    for level in range(n):
        np.testing.assert_array_equal(pixels.row(level), image(level))


def test_a_shard_takes_no_more_room_than_its_images(tmp_path):
    write_shards(tmp_path / "p", 3, 1000)
    assert (tmp_path / "p/00000.npy").stat().st_size == 128 + 3 * BYTES


def test_a_shard_holds_at_least_one_image(tmp_path):
    with ShardWriter(tmp_path / "p", SIZE, max_shard_bytes=1) as writer:
        writer.append(image(1))
        writer.append(image(2))
    assert len(list((tmp_path / "p").glob("*.npy"))) == 2


def test_rows_are_taken_in_the_order_asked_for(tmp_path):
    write_shards(tmp_path / "p", 7, 3)
    taken = PackedPixels(tmp_path / "p", 7).take([6, 0, 3, 3])
    assert taken[:, 0, 0, 0].tolist() == [6, 0, 3, 3]
    assert taken.shape == (4, SIZE, SIZE, 3)


def test_batches_cover_all_rows_or_the_chosen_ones(tmp_path):
    write_shards(tmp_path / "p", 5, 2)
    pixels = PackedPixels(tmp_path / "p", 5)
    assert [b[:, 0, 0, 0].tolist() for b in pixels.batches(2)] == [[0, 1], [2, 3], [4]]
    chosen = pixels.batches(2, np.array([4, 1, 0]))
    assert [b[:, 0, 0, 0].tolist() for b in chosen] == [[4, 1], [0]]


def test_pixels_that_do_not_fit_the_table_are_refused(tmp_path):
    write_shards(tmp_path / "p", 5, 2)
    with pytest.raises(ArtifactError, match="must hold 6 images; got 5"):
        PackedPixels(tmp_path / "p", 6)
    with pytest.raises(ArtifactError, match="has no shards"):
        PackedPixels(tmp_path / "none", 6)


def test_the_table_comes_back_with_commas_quotes_and_line_breaks(tmp_path):
    photos = [photo(1, filepath='cup/a, "b".jpg'), photo(2, filepath="cup/a\nb é.jpg")]
    write_photos(tmp_path / "photos.csv", photos)
    assert read_photos(tmp_path / "photos.csv") == photos


def test_a_table_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "photos.csv"
    with pytest.raises(ArtifactError, match=r"photos\.csv is missing"):
        read_photos(path)
    path.write_text("filepath,label\na,b\n")
    with pytest.raises(ArtifactError, match="must have columns"):
        read_photos(path)
    path.write_text("")
    with pytest.raises(ArtifactError, match="must have columns"):
        read_photos(path)


def write_dataset(folder: Path, n: int = 3, split_digest: str | None = None) -> None:
    write_shards(folder / "pixels" / str(SIZE), n, 2)
    photos = [photo(i, label_index=i % 2, label_name="ab"[i % 2]) for i in range(n)]
    write_dataset_tables(
        folder, photos, ["a", "b"], student_px=SIZE, teacher_sizes_px=[SIZE], digest="content",
        split_digest=split_digest,
    )  # fmt: skip


def test_a_data_set_opens_with_all_that_was_written(tmp_path):
    write_dataset(tmp_path)
    dataset = PackedDataset.open(tmp_path)
    assert len(dataset) == 3
    assert dataset.label_names == ["a", "b"]
    assert dataset.label_indices.tolist() == [0, 1, 0]
    assert (dataset.student_px, dataset.teacher_sizes_px) == (SIZE, (SIZE,))
    assert dataset.digest == "content"
    assert dataset.student_pixels.row(2)[0, 0, 0] == 2
    assert dataset.pixels_at(SIZE).row(1)[0, 0, 0] == 1


def test_every_size_is_told_once_and_no_other_is_to_be_had(tmp_path):
    write_dataset(tmp_path)
    about = PACKED_DATASET.read(tmp_path)
    PACKED_DATASET.write(tmp_path, {**about, "teacher_sizes_px": [9, SIZE, 7]})
    dataset = PackedDataset.open(tmp_path)
    assert dataset.sizes_px == (SIZE, 9, 7)
    with pytest.raises(ArtifactError) as caught:
        dataset.pixels_at(8)
    assert str(caught.value) == (
        f"{tmp_path} must hold images of 8 px; it has those of {SIZE}, 9, 7 px."
    )


def test_a_table_that_lost_a_row_is_refused(tmp_path):
    write_dataset(tmp_path)
    table = tmp_path / "photos.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ArtifactError, match="must have 3 rows; got 2"):
        PackedDataset.open(tmp_path)


def test_parts_of_two_splits_are_not_trained_on_together(tmp_path):
    for name, split_digest in (("train", "one"), ("val", "one"), ("other", "two")):
        write_dataset(tmp_path / name, split_digest=split_digest)
    train, val = PackedDataset.open_parts(tmp_path / "train", tmp_path / "val")
    assert train.split_digest == val.split_digest == "one"
    with pytest.raises(ArtifactError, match=r"other comes from another split than .*train"):
        PackedDataset.open_parts(tmp_path / "train", tmp_path / "other")


def test_a_damaged_row_and_a_cut_shard_are_artifact_errors(tmp_path):
    write_dataset(tmp_path)
    shard = next((tmp_path / "pixels" / str(SIZE)).glob("*.npy"))
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(ArtifactError, match="npy is damaged"):
        PackedDataset.open(tmp_path).student_pixels.row(0)
    table = tmp_path / "photos.csv"
    table.write_text(table.read_text() + "only,three,cells\n")
    with pytest.raises(ArtifactError, match=r"photos\.csv is damaged"):
        PackedDataset.open(tmp_path)


def write_whole(folder: Path) -> PackedDataset:
    """Seven images of two sizes: three shards of 4 px, as many of 6 px."""
    photos = [photo(i, label_index=i % 2, label_name="ab"[i % 2]) for i in range(7)]
    for size in (4, 6):
        with ShardWriter(
            folder / "pixels" / str(size), size, max_shard_bytes=3 * 3 * size**2
        ) as writer:
            for number in range(7):
                writer.append(np.full((size, size, 3), number, np.uint8))
    write_dataset_tables(
        folder, photos, ["a", "b"], student_px=4, teacher_sizes_px=[6], digest="content"
    )
    return PackedDataset.open(folder)


def flip_a_bit(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_the_document_names_the_bytes_of_tables_and_lists_and_the_lists_those_of_shards(tmp_path):
    write_whole(tmp_path)
    named = PACKED_DATASET.read(tmp_path)["sha256"]
    assert sorted(named) == [
        "labels.txt", "photos.csv", "pixels/4/SHA256SUMS", "pixels/6/SHA256SUMS",
    ]  # fmt: skip
    for place, digest in named.items():
        assert hashlib.sha256((tmp_path / place).read_bytes()).hexdigest() == digest
    for size in (4, 6):
        # By the program that the format belongs to, which fails where a file is not named, too.
        checked = subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"],
            cwd=tmp_path / "pixels" / str(size), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert checked.stdout == "00000.npy: OK\n00001.npy: OK\n00002.npy: OK\n"


def test_a_data_set_as_it_was_written_is_whole(tmp_path, caplog):
    caplog.set_level("INFO", "edgedistill")
    write_whole(tmp_path).require_whole([4, 6])
    assert f"{tmp_path.name}: 0.00 GB are as written" in caplog.text


DAMAGES = {
    "one bit of a pixel": ("pixels/4/00001.npy", lambda path: flip_a_bit(path, -1)),
    "one bit of a header": ("pixels/4/00000.npy", lambda path: flip_a_bit(path, 100)),
    "a shard cut short": ("pixels/4/00002.npy", lambda path: os.truncate(path, 140)),
    "a shard for another": (
        "pixels/4/00000.npy",
        lambda path: path.write_bytes((path.parent / "00001.npy").read_bytes()),
    ),
    "a longer shard": ("pixels/4/00001.npy", lambda path: path.write_bytes(path.read_bytes() * 2)),
    "a list that was mended to fit": (
        "pixels/4/SHA256SUMS",
        lambda path: path.write_text(path.read_text().replace("00000", "00001", 1)),
    ),
    "another label in a row": (
        "photos.csv",
        lambda path: path.write_text(path.read_text().replace(",0,a,", ",1,b,", 1)),
    ),
    "another order of classes": ("labels.txt", lambda path: path.write_text("b\na\n")),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_not_as_it_was_written_is_refused_by_name(tmp_path, what):
    dataset = write_whole(tmp_path)
    place, damage = DAMAGES[what]
    before = hashlib.sha256((tmp_path / place).read_bytes()).hexdigest()
    damage(tmp_path / place)
    after = hashlib.sha256((tmp_path / place).read_bytes()).hexdigest()
    with pytest.raises(ArtifactError) as caught:
        dataset.require_whole([4])
    named_by = "pixels/4/SHA256SUMS" if place.endswith(".npy") else "dataset.json"
    assert str(caught.value) == (
        f"{tmp_path / place} must have the SHA-256 {before[:16]}... that {tmp_path / named_by} "
        f"names; got {after[:16]}...: it was changed or cut after it was written; run the step "
        "that wrote it again, and not from the cache (in a local run delete the step's folder, on "
        "a cluster raise data_version)."
    )


def test_a_shard_that_is_gone_is_refused(tmp_path):
    dataset = write_whole(tmp_path)
    (tmp_path / "pixels/4/00001.npy").unlink()
    with pytest.raises(ArtifactError, match=r"4/00001\.npy is missing"):
        dataset.require_whole([4])


def test_only_the_sizes_that_are_asked_for_are_read(tmp_path):
    dataset = write_whole(tmp_path)
    flip_a_bit(tmp_path / "pixels/6/00000.npy", -1)
    dataset.require_whole([4])
    with pytest.raises(ArtifactError, match=r"6/00000\.npy must have the SHA-256"):
        dataset.require_whole([4, 6])
    with pytest.raises(ArtifactError, match="must hold images of 5 px"):
        dataset.require_whole([5])


def test_a_document_that_names_no_list_of_a_size_is_refused(tmp_path):
    write_whole(tmp_path)
    about = PACKED_DATASET.read(tmp_path)
    del about["sha256"]["pixels/6/SHA256SUMS"]
    PACKED_DATASET.write(tmp_path, about)
    with pytest.raises(ArtifactError, match="must name the SHA-256 of pixels/6/SHA256SUMS"):
        PackedDataset.open(tmp_path).require_whole([6])
