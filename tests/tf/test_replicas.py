"""Several devices that train as one, seen on logical CPUs, in processes of their own.

A gradient is a sum over photos and places: in float32 (2**-24 a rounding) another order of adding
moves it by some 1e-7 of its length. Wrong shares, a photo left out, means of means: all are beyond
1e-2.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
ROUNDING = 2e-6
Found = dict[str, Any]


def steps_on(n_devices: int, folder: Path) -> Found:
    """What tests/tf/mirrored_steps.py finds."""
    file = folder / f"{n_devices}.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.tf.mirrored_steps", str(n_devices), str(file)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(file) as found:
        return dict(found)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return steps_on(1, tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return steps_on(2, tmp_path_factory.mktemp("two"))


def apart(one: Found, two: Found, name: str) -> float:
    """Length of the difference, as a share of that on one device."""
    return float(np.linalg.norm(two[name] - one[name]) / np.linalg.norm(one[name]))


def moved(one: Found, name: str) -> Any:
    """How far the steps brought each weight."""
    return np.abs(one[f"weights/{name}"] - one[f"before/{name}"])


def test_with_normalisation_frozen_two_devices_have_the_gradient_of_one(
    one: Found, two: Found
) -> None:
    assert np.linalg.norm(one["gradient/frozen"]) > 1
    assert apart(one, two, "gradient/frozen") < ROUNDING


@pytest.mark.parametrize("case", ["frozen", "parts"])
def test_with_normalisation_frozen_nine_steps_lead_to_the_same_weights_and_average(
    one: Found, two: Found, case: str
) -> None:
    # Adam divides by the gradient's size, so that the smallest are moved as far as the largest.
    longest = moved(one, case).max()
    assert longest > 0.03
    assert np.abs(two[f"weights/{case}"] - one[f"weights/{case}"]).max() < 1e-4 * longest
    assert np.abs(two[f"average/{case}"] - one[f"average/{case}"]).max() < 1e-4 * longest
    assert apart(one, two, f"sums/{case}") < ROUNDING


def test_the_average_takes_the_statistics_along_and_gives_the_network_its_own_back(
    one: Found, two: Found
) -> None:
    for found in (one, two):
        averaged = found["average/trained"][:-1]  # the last counts steps
        np.testing.assert_array_equal(np.sort(found["shown/trained"]), np.sort(averaged))
        np.testing.assert_array_equal(found["after/trained"], found["weights/trained"])
        assert not np.allclose(found["shown/trained"], found["weights/trained"])


def test_a_quantised_network_has_the_gradient_of_one_device(one: Found, two: Found) -> None:
    assert np.linalg.norm(one["gradient/qat"]) > 1
    assert apart(one, two, "gradient/qat") < ROUNDING


def test_nine_quantised_steps_differ_by_values_between_two_levels(one: Found, two: Found) -> None:
    # What rounds to another level moves by a 255th of its range, and with it what comes after.
    assert np.abs(two["weights/qat"] - one["weights/qat"]).max() < 0.05
    assert apart(one, two, "sums/qat") < 0.01


def test_xla_compiles_a_quantised_pass_of_each_device(two: Found) -> None:
    # It fuses, so that a value may round to the other side of a step of the grid.
    assert apart({"g": two["gradient/qat"]}, {"g": two["gradient/qat_xla"]}, "g") < 0.02


def test_with_normalisation_trained_each_device_normalises_by_its_own_photos(
    one: Found, two: Found
) -> None:
    # By how much with a batch of a real size: tests/benchmarks/replicas_difference.py.
    assert apart(one, two, "sums/trained") > 0.01
    assert np.isfinite(two["weights/trained"]).all()


def test_each_device_draws_dropout_masks_of_its_own(one: Found, two: Found) -> None:
    for found in (one, two):
        assert set(np.unique(found["masks"])) == {0.0, 2.0}
        assert np.mean(found["masks"][0] == found["masks"][1]) < 0.75  # of 64: half, by chance


def test_a_batch_with_fewer_photos_than_devices_is_refused(one: Found, two: Found) -> None:
    assert str(one["refusal"]) == ""
    assert str(two["refusal"]) == (
        "each batch must have a photo for each of the 2 GPUs that train; the smallest has 1: "
        "raise batch_size, or lower gpu_count."
    )


def test_a_training_on_several_devices_that_is_killed_ends_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tf.interrupted_training", str(tmp_path), "student", "1", "5",
         "2"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected, found = done.stdout.splitlines()[-2:]
    assert found.endswith("after 1 interruptions")
    assert found.split()[0] == expected.split()[0]


# Batch normalisation and dropout move in each device by itself, and unequally: 24 photos are
# batches of 5, 5, 5, 5 and 4, of which three devices take 2, 2 and 1.
CUT_AND_GO_ON = """
import sys
from pathlib import Path
from tests.tf.tiny import logical_cpus
from edgedistill.checkpoints import Checkpoints
from edgedistill.tf.networks import weights_digest
from edgedistill.tf.replicas import mirror_over
from edgedistill.tf.runtime import prepare
from tests.tf.test_going_on import CutOff, PowerCutError, _train
devices = logical_cpus(3)
prepare(3, 2)
mirror_over(devices)
folder, same = Path(sys.argv[1]), {"batch_size": 5, "patience": 0}
expected, _ = _train(folder / "undisturbed", None, **same)
try:
    _train(folder / "cut", CutOff(folder / "states", 2), **same)
except PowerCutError:
    pass
after, _ = _train(folder / "on", Checkpoints(str(folder / "states"), {"seed": 3}), **same)
print(weights_digest(expected), weights_digest(after))
"""


def test_what_each_device_moves_by_itself_is_equal_wherever_a_state_is_saved(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUT_AND_GO_ON, str(tmp_path)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected, after = done.stdout.split()
    assert after == expected
