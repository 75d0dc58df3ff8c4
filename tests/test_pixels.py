import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgedistill.errors import ArtifactError, StorageError
from edgedistill.pixel_writing import ShardWriter, remove_rows
from edgedistill.pixels import PackedPixels

SIZE = 4
IMAGE_BYTES = 4 * 4 * 3
# Three images fill a shard, and a bit of room stays.
SHARD_BYTES = 3 * IMAGE_BYTES + 5
N_IMAGES = 8


def image(number: int) -> np.ndarray:
    """Another image for every number."""
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def write(folder: Path, numbers: Iterable[int]) -> Path:
    with ShardWriter(folder, SIZE, max_shard_bytes=SHARD_BYTES) as writer:
        for number in numbers:
            writer.append(image(number))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_in_one_shard(folder: Path, n_images: int) -> None:
    with ShardWriter(folder, SIZE) as writer:
        for number in range(n_images):
            writer.append(image(number))


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return write(tmp_path / "packed", range(N_IMAGES))


@contextmanager
def no_file_above(n_bytes: int) -> Iterator[None]:
    """The kernel refuses to write past this, as it does where a disk is full.

    In a test's body, not as a fixture: pytest writes too, before a fixture ends.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_shards_are_npy_files_that_numpy_reads(packed):
    # 8 images, 3 a shard: 3 + 3 + 2.
    shards = [np.load(path) for path in sorted(packed.glob("*.npy"))]
    assert [path.name for path in sorted(packed.glob("*.npy"))] == [
        "00000.npy",
        "00001.npy",
        "00002.npy",
    ]
    assert [shard.shape for shard in shards] == [(3, 4, 4, 3), (3, 4, 4, 3), (2, 4, 4, 3)]
    assert np.array_equal(np.concatenate(shards), [image(n) for n in range(N_IMAGES)])


def test_a_shard_is_what_numpy_would_have_saved(tmp_path):
    folder = write(tmp_path / "packed", range(2))
    np.save(tmp_path / "saved.npy", np.stack([image(0), image(1)]))
    assert (folder / "00000.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_as_many_images_as_a_shard_holds_make_one_shard(tmp_path):
    assert list(files(write(tmp_path / "packed", range(3)))) == ["00000.npy", "SHA256SUMS"]


def test_no_images_make_no_shard(tmp_path):
    assert files(write(tmp_path / "packed", [])) == {}


def test_an_image_above_a_shards_size_has_a_shard_of_its_own(tmp_path):
    with ShardWriter(tmp_path / "packed", SIZE, max_shard_bytes=1) as writer:
        writer.append(image(0))
        writer.append(image(1))
    assert list(files(tmp_path / "packed")) == ["00000.npy", "00001.npy", "SHA256SUMS"]


def test_images_that_are_not_contiguous_are_written_in_order(tmp_path):
    mirrored, transposed = image(0)[:, ::-1], image(1).transpose(1, 0, 2)
    with ShardWriter(tmp_path / "packed", SIZE) as writer:
        writer.append(mirrored)
        writer.append(transposed)
    expected = [mirrored, transposed]
    assert np.array_equal(np.load(tmp_path / "packed" / "00000.npy"), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4, 3), np.float32),
    ],
    ids=lambda wrong: f"{wrong.dtype}{wrong.shape}",
)
def test_other_arrays_are_refused(tmp_path, wrong):
    with (
        ShardWriter(tmp_path / "packed", SIZE) as writer,
        pytest.raises(ValueError, match=r"must be uint8 \(4, 4, 3\)"),
    ):
        writer.append(wrong)


def test_rows_come_back_in_any_order_also_twice(packed):
    pixels = PackedPixels(packed, N_IMAGES)
    assert len(pixels) == N_IMAGES
    assert pixels.size_px == SIZE
    rows = [7, 0, 3, 3, 2, 6]
    assert np.array_equal(pixels.take(rows), [image(row) for row in rows])
    assert np.array_equal(pixels.row(5), image(5))
    assert pixels.take([]).shape == (0, 4, 4, 3)


def test_batches_hold_the_rows_in_order(packed):
    pixels = PackedPixels(packed, N_IMAGES)
    batches = list(pixels.batches(3, np.array([6, 1, 7, 0])))
    assert [len(batch) for batch in batches] == [3, 1]
    assert np.array_equal(np.concatenate(batches), [image(row) for row in (6, 1, 7, 0)])
    assert np.array_equal(np.concatenate(list(pixels.batches(3))), [image(n) for n in range(8)])


@pytest.mark.parametrize("rows", [range(N_IMAGES), [1, 2, 3, 7], [7, 0, 3, 3, 2, 6], []], ids=str)
def test_rows_are_read_one_by_one_in_any_order(packed, rows):
    read = list(PackedPixels(packed, N_IMAGES).read(rows))
    assert [found.shape for found in read] == [(4, 4, 3)] * len(read)
    assert [found.tolist() for found in read] == [image(row).tolist() for row in rows]


def test_threads_take_rows_at_once(packed):
    pixels = PackedPixels(packed, N_IMAGES)
    orders = [np.random.default_rng(n).permutation(N_IMAGES) for n in range(500)]
    expected = np.array([image(n) for n in range(N_IMAGES)])
    with ThreadPoolExecutor(8) as pool:
        for order, taken in zip(orders, pool.map(pixels.take, orders), strict=True):
            assert np.array_equal(taken, expected[order])


@pytest.mark.parametrize("row", [-1, 8])
def test_a_row_that_is_not_in_the_set_cannot_be_taken(packed, row):
    with pytest.raises(IndexError, match=rf"rows must be in 0\.\.7; got {row}"):
        PackedPixels(packed, N_IMAGES).take([0, row])


def test_a_shard_that_is_cut_after_it_was_opened_is_refused(packed):
    # A mapped file would end the process by SIGBUS here.
    pixels = PackedPixels(packed, N_IMAGES)
    os.truncate(packed / "00001.npy", 128 + 2 * IMAGE_BYTES + 5)
    assert np.array_equal(pixels.take([3, 4]), [image(3), image(4)])
    with pytest.raises(ArtifactError, match=r"00001\.npy is damaged: it ends before"):
        pixels.take([5])


@contextmanager
def files_left_to_open(number: int) -> Iterator[None]:
    """The kernel opens so many files more, and refuses the next."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each is the lowest number that is free; between them may lie some that are taken.
    free = [os.dup(0) for _ in range(number + 1)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_set_of_more_shards_than_a_process_may_open_is_read(tmp_path):
    folder = write(tmp_path / "packed", range(30))  # 10 shards
    # Two at once: NumPy maps a file by a second descriptor.
    with files_left_to_open(2):
        pixels = PackedPixels(folder, 30)
        found = pixels.take(np.arange(30))
    assert np.array_equal(found, [image(n) for n in range(30)])


def test_what_the_system_refuses_is_said_in_its_own_words_and_is_no_damage(packed):
    # No more descriptors may be had: EMFILE, whose words follow the C library.
    words = re.escape(os.strerror(errno.EMFILE))
    pixels = PackedPixels(packed, N_IMAGES)
    with files_left_to_open(0), pytest.raises(StorageError, match=f"read: {words}"):
        pixels.take([0])
    with files_left_to_open(1), pytest.raises(StorageError, match=f"read: {words}"):
        PackedPixels(packed, N_IMAGES)
    (packed / "00001.npy").unlink()
    with pytest.raises(StorageError, match=rf"1\.npy cannot be read: {os.strerror(errno.ENOENT)}"):
        pixels.take([5])


def test_taken_rows_are_a_copy(packed):
    pixels = PackedPixels(packed, N_IMAGES)
    pixels.take([0])[:] = 0
    assert np.array_equal(pixels.row(0), image(0))


def test_a_disk_that_is_full_raises_and_leaves_nothing_that_is_read(tmp_path):
    # A header of 128 bytes and images of 48: the fourth does not fit below 300, only a part of it.
    with pytest.raises(OSError, match="too large"), no_file_above(300):
        write_in_one_shard(tmp_path / "p", 4)
    assert (tmp_path / "p" / "00000.npy").stat().st_size == 300
    for n_photos in range(5):
        with pytest.raises(ArtifactError, match="damaged"):
            PackedPixels(tmp_path / "p", n_photos)


def test_a_header_that_cannot_be_written_leaves_nothing_that_is_read(tmp_path):
    with ShardWriter(tmp_path / "p", SIZE) as writer:
        with pytest.raises(OSError, match="too large"), no_file_above(0):
            writer.append(image(0))
        with pytest.raises(FileExistsError):
            writer.append(image(0))
    with pytest.raises(ArtifactError, match="damaged"):
        PackedPixels(tmp_path / "p", 0)


def test_a_spoilt_set_stays_spoilt_when_the_error_is_swallowed(tmp_path):
    with ShardWriter(tmp_path / "p", SIZE) as writer:
        for number in range(3):
            writer.append(image(number))
        with pytest.raises(OSError, match="too large"), no_file_above(300):
            writer.append(image(3))
    with pytest.raises(ArtifactError, match="damaged"):
        PackedPixels(tmp_path / "p", 3)


def test_an_error_elsewhere_leaves_a_shard_that_is_refused(tmp_path):
    def write_and_fail() -> None:
        with ShardWriter(tmp_path / "p", SIZE) as writer:
            writer.append(image(0))
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    with pytest.raises(ArtifactError, match="damaged"):
        PackedPixels(tmp_path / "p", 1)


@pytest.mark.parametrize("n_photos", [0, 7, 9])
def test_another_number_of_images_is_refused(packed, n_photos):
    with pytest.raises(ArtifactError, match=f"must hold {n_photos} images; got 8"):
        PackedPixels(packed, n_photos)


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no shards"):
        PackedPixels(tmp_path, 0)


def test_a_missing_shard_between_two_is_refused(packed):
    (packed / "00001.npy").write_bytes((packed / "00002.npy").read_bytes())
    with pytest.raises(ArtifactError, match=r"\[3, 2, 2\]"):
        PackedPixels(packed, 7)


def test_shards_of_two_sizes_are_refused(packed):
    np.save(packed / "00002.npy", np.zeros((2, 5, 5, 3), np.uint8))
    with pytest.raises(ArtifactError, match=r"damaged: its images have \[4, 5\] px"):
        PackedPixels(packed, N_IMAGES)


def test_a_last_shard_that_is_longer_than_the_others_is_refused(tmp_path, packed):
    longer = write(tmp_path / "longer", range(2))
    (longer / "00001.npy").write_bytes((packed / "00000.npy").read_bytes())
    with pytest.raises(ArtifactError, match=r"\[2, 3\]"):
        PackedPixels(longer, 5)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"pixels" * 40])
def test_a_file_that_is_no_array_is_refused(packed, content):
    (packed / "00001.npy").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        PackedPixels(packed, N_IMAGES)


def test_a_header_with_a_byte_changed_is_refused_in_a_sentence_or_says_the_same(packed):
    path = packed / "00000.npy"
    whole = path.read_bytes()
    assert len(whole) == 128 + 3 * IMAGE_BYTES
    for place in range(128):
        # Each of these trips NumPy's reading in another way.
        for byte in {whole[place] ^ 1, *b",B-\x00"} - {whole[place]}:
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                opened = PackedPixels(packed, N_IMAGES)
            except ArtifactError as refused:
                assert str(refused).startswith((f"{path} ", f"{packed} "))  # noqa: PT017
            else:
                np.testing.assert_array_equal(opened.row(0), image(0))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 4, 3), np.float32),
        np.zeros((3, 4, 5, 3), "u1"),
        np.zeros((3, 4, 4, 4), "u1"),
        np.zeros((3, 4, 3), "u1"),
        np.asfortranarray(np.zeros((3, 4, 4, 3), "u1")),
    ],
)
def test_an_array_of_another_kind_is_refused(packed, array):
    np.save(packed / "00001.npy", array)
    with pytest.raises(ArtifactError, match=r"must be uint8 \(n, size, size, 3\)"):
        PackedPixels(packed, N_IMAGES)


@pytest.mark.parametrize(
    "removed",
    [
        [0],
        [7],
        [2],  # the last of a shard
        [3],  # the first of a shard
        [6, 7],  # a whole shard, the last
        [0, 1, 2],  # a whole shard, the first
        [5, 1, 3, 5],  # any order, also twice
        [0, 2, 4, 6],
        [1, 2, 3, 4, 5, 6, 7],
        [],
        range(8),
    ],
    ids=str,
)
def test_removing_rows_gives_what_writing_the_others_would_have_given(tmp_path, packed, removed):
    remove_rows(packed, removed)
    others = [n for n in range(N_IMAGES) if n not in removed]
    assert files(packed) == files(write(tmp_path / "others", others))


def test_long_runs_move_in_parts(tmp_path):
    # Images of 3 MiB move two at a time; the run of rows 2..9 crosses shards of 5 on both sides.
    def write_large(folder: Path, numbers: Iterable[int]) -> None:
        with ShardWriter(folder, 1024, max_shard_bytes=5 * 3 * 2**20) as writer:
            for number in numbers:
                writer.append(np.full((1024, 1024, 3), number, np.uint8))

    write_large(tmp_path / "packed", range(10))
    write_large(tmp_path / "others", [0, *range(2, 10)])
    remove_rows(tmp_path / "packed", [1])
    assert files(tmp_path / "packed") == files(tmp_path / "others")


@pytest.mark.parametrize("row", [-1, 8])
def test_a_row_that_is_not_there_is_refused(packed, row):
    before = files(packed)
    with pytest.raises(ValueError, match=r"rows must be in 0\.\.7"):
        remove_rows(packed, [2, row])
    assert files(packed) == before


PEAK = """
import sys
from pathlib import Path

import numpy as np

from edgedistill.pixel_writing import ShardWriter, remove_rows
from edgedistill.pixels import PackedPixels


def peak_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


before = peak_mib()
image = np.zeros((512, 512, 3), np.uint8)
with ShardWriter(Path(sys.argv[1]), 512) as writer:
    for _ in range(200):
        writer.append(image)
pixels = PackedPixels(Path(sys.argv[1]), 200)
assert all(not found.any() for found in pixels.read(range(200)))
assert all(not found.any() for found in pixels.batches(8, np.arange(200)[::-1]))
remove_rows(Path(sys.argv[1]), [0])
print(peak_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at Linux's /proc")
def test_writing_reading_and_removing_take_no_memory_for_the_set(tmp_path):
    # 200 images of 0.75 MiB are 150 MiB; 8 MiB at a time are moved, 6 MiB are a batch.
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "packed")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert float(done.stdout) < 24
