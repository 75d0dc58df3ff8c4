"""Joining moves any number of photos through little memory."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgedistill.errors import ArtifactError
from edgedistill.merge_shards.joining import checked_images

PEAK = """
import sys
from pathlib import Path

import numpy as np

from edgedistill.artifacts import SHARD
from edgedistill.file_sums import file_sum
from edgedistill.merge_shards.belonging import Shard
from edgedistill.merge_shards.joining import join_pixels
from edgedistill.pixel_writing import ShardWriter

out = Path(sys.argv[1])
shards = []
for number in range(2):
    with ShardWriter(out / str(number) / "pixels/512", 512) as writer:
        for _ in range(100):
            writer.append(np.full((512, 512, 3), number, np.uint8))
    place = "pixels/512/SHA256SUMS"
    shards.append(Shard(out / str(number), {
        "data_dir": "", "student_px": 512, "teacher_sizes_px": [], "resized_share": 0,
        "sha256": {place: file_sum(out / str(number) / place)},
    }))


def peak_mib():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


before = peak_mib()
join_pixels(shards, out / "joined", with_unknown=False)
print(peak_mib() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at Linux's /proc")
def test_joining_takes_no_memory_for_the_photos(tmp_path: Path) -> None:
    # Two shards of 75 MiB; 8 MiB at a time are read.
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)],
        capture_output=True, text=True, check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert float(done.stdout) < 24
    joined = tmp_path / "joined/pixels/512/00000.npy"
    assert joined.stat().st_size == 128 + 200 * 512 * 512 * 3


@pytest.mark.parametrize(
    "shape",
    [(2, 0, 0, 3), (2, 8, 4, 3), (2, 8, 8, 1), (2, 8, 8), (1, 2**20, 2**20, 3), (8, 4, 4, 3)],
)
def test_a_header_of_other_images_is_refused_before_anything_is_read(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "00000.npy"
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
    images = checked_images(path, 8, "0" * 64, tmp_path / "SHA256SUMS")
    with pytest.raises(ArtifactError, match=r"must be of shape \(8, 8, 3\); got") as refused:
        next(images)
    assert str(refused.value).endswith(f"got {shape[1:]}.")


def test_a_header_with_any_byte_changed_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "00000.npy"
    np.save(path, np.zeros((2, 8, 8, 3), np.uint8))
    whole = path.read_bytes()
    wanted = hashlib.sha256(whole).hexdigest()
    assert len(list(checked_images(path, 8, wanted, tmp_path))) == 2
    for place in range(128):
        # Each of these trips NumPy's reading of a header in another way.
        for byte in {whole[place] ^ 1, *b",B-\x00"} - {whole[place]}:
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            with pytest.raises(ArtifactError):
                list(checked_images(path, 8, wanted, tmp_path))
