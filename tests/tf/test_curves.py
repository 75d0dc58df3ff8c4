"""TensorBoard logs where there is no room for them."""

from pathlib import Path

import pytest

from tests.small_disk import on_a_small_disk

pytestmark = pytest.mark.slow

WRITE = """
import logging, sys
from pathlib import Path

logging.basicConfig(stream=sys.stdout, format="%(message)s")
from edgedistill.tf.curves import CurveWriter, _SCALARS

filler = Path(sys.argv[1]) / "filler"
with CurveWriter(Path(sys.argv[1]), []) as curves:
    filler.write_bytes(bytes(16_000))
    for epoch in range(1, 101):
        curves.write({"stage": "network", "epoch": epoch, **dict.fromkeys(_SCALARS, 0.5)})
print("the training ended")
"""


def test_a_full_disk_ends_the_curves_and_not_the_training(tmp_path: Path) -> None:
    *told, ended, mark, events, filler = on_a_small_disk(tmp_path, 20, WRITE, str(tmp_path))
    assert (ended, mark, filler) == ("the training ended", "--", "filler")
    (line,) = told
    assert line.startswith(f"the training goes on without TensorBoard logs: {tmp_path}/{events}")
    assert line.endswith("No space left on device")
