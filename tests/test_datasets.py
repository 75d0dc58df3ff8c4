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
from edgedistill.pixels import PackedPixels, ShardWriter

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
    files = sorted((tmp_path / "p").iterdir())
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
    assert len(list((tmp_path / "p").iterdir())) == 2


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
