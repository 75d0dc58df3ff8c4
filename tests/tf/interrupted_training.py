"""A small training that is interrupted at random moments and started again until it ends.

    python -m tests.tf.interrupted_training FOLDER KIND KILLS SEED [DEVICES]

KIND is `teacher` (head first, then all layers), `student` (the same, taught anew in each step, with
mixed photos) or `qat` (fake quantisation, answers kept). The training is run once without an
interruption, then with KILLS interruptions, by SIGKILL or SIGTERM as chance has it, each after a
random share of the time that the undisturbed one took. Prints the SHA-256 over the weights, and
over all of the last saved state, that each way ends with. On DEVICES logical CPUs as one; 1 if
nothing is said.

The children are forked once TensorFlow is imported and before it computes anything, which saves
the seconds of its import at each start.
"""

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.tf.tiny import N_CLASSES, colour_photos, packed, tiny_network

EPOCHS, BATCH_SIZE, SEED = 8, 8, 3
SAVE_EVERY = 3
"""30 photos are batches of 8, 8, 7 and 7, of which two devices take unequal parts."""
# SIGTERM by its default, before there is a state to be saved, and with the state saved.
ENDED_BY_SIGNAL = (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM)


def run_to_the_end(folder: Path, kind: str, states: Path, n_devices: int) -> str:
    """Trains, going on from what is in `states`; gives the digest of what it ends with."""
    from edgedistill.checkpoints import Checkpoints
    from edgedistill.tf.batches import Augmentation, TrainingPhotos
    from edgedistill.tf.fine_tuning import Pretrained, fine_tune
    from edgedistill.tf.inference import Validation
    from edgedistill.tf.networks import weights_digest
    from edgedistill.tf.optimizers import Schedule
    from edgedistill.tf.replicas import mirror_over
    from edgedistill.tf.runtime import prepare
    from edgedistill.tf.surroundings import Surroundings
    from edgedistill.tf.teachers import Teachers
    from edgedistill.tf.training import train
    from edgedistill.tf.training_step import Distillation
    from tests.tf.tiny import logical_cpus, range_rows

    devices = logical_cpus(n_devices)
    prepare(SEED, 2)
    if n_devices > 1:
        mirror_over(devices)
    network, teacher = tiny_network(), tiny_network()
    pixels, validation = (packed_once(folder / part) for part in ("train", "val"))
    labels = np.arange(len(pixels)) % N_CLASSES
    how = Augmentation("phone", mixup=0.4 if kind == "student" else 0.0)
    photos = TrainingPhotos(
        pixels, (pixels,) if kind == "student" else (), labels, np.ones(N_CLASSES, np.float32),
        0.1, how, n_views=2 if kind == "qat" else 0,
    )  # fmt: skip
    distillation = None
    if kind == "student":
        distillation = Distillation(Teachers((teacher,)), alpha=0.5, temperature=2.0)
    if kind == "qat":
        from edgedistill.tf.qat import quantise_aware

        network = quantise_aware(network, pixels, range_rows(pixels), full_input_range=True)
        answers = np.log(np.full((2, len(pixels), N_CLASSES), 1 / N_CLASSES, np.float32))
        distillation = Distillation(Teachers((teacher,)), 0.5, 2.0, answers)
    schedule = Schedule(
        stage="network", epochs=EPOCHS, batch_size=BATCH_SIZE, learning_rate=0.02,
        weight_decay=0.01, ema_decay=0.9, patience=3, seed=SEED,
    )  # fmt: skip
    checkpoints = Checkpoints(str(states), {"kind": kind})
    surroundings = Surroundings(
        checkpoints=checkpoints, save_every_steps=SAVE_EVERY, data_workers=2
    )
    judged = Validation(validation, np.arange(len(validation)) % N_CLASSES)
    if kind == "qat":
        train(
            network, photos, judged, schedule,
            distillation=distillation, surroundings=surroundings,
        )  # fmt: skip
    else:
        fine_tune(
            network, photos, judged, schedule,
            pretrained=Pretrained(), distillation=distillation, surroundings=surroundings,
        )  # fmt: skip
    saved = checkpoints.latest()
    if saved is None:
        raise RuntimeError("nothing was saved")
    digest = hashlib.sha256(weights_digest(network).encode())
    for name in sorted(saved.arrays):
        digest.update(name.encode() + np.ascontiguousarray(saved.arrays[name]).data)
    return digest.hexdigest()


def packed_once(folder: Path) -> Any:
    """30 photos, written before any child is forked."""
    from edgedistill.pixels import PackedPixels

    if folder.is_dir():
        return PackedPixels(folder, 30)
    return packed(folder, colour_photos(30, seed=len(folder.name))[0])


def start(folder: Path, kind: str, states: Path, digest: Path, n_devices: int) -> int:
    """Forks a child that trains to the end and then writes the digest; gives its number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            digest.write_text(run_to_the_end(folder, kind, states, n_devices), encoding="ascii")
            status = 0
        except SystemExit as stopped:
            status = int(str(stopped.code))
        finally:
            os._exit(status)
    return child


def killed_until_it_ends(
    folder: Path, kind: str, kills: int, lasts_s: float, draw: random.Random, n_devices: int
) -> tuple[str, int]:
    """The digest that the last child ends with, and how many were interrupted before."""
    states, digest = folder / "states", folder / "digest"
    n_killed = 0
    while True:
        child = start(folder, kind, states, digest, n_devices)
        if n_killed < kills:
            time.sleep(draw.uniform(0.2, 1.0) * lasts_s)
            os.kill(child, draw.choice([signal.SIGKILL, signal.SIGTERM]))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0 and n_killed == kills:
            return digest.read_text(encoding="ascii"), n_killed
        if status == 0:  # it was through before the kill: from the start again
            for state in states.iterdir():
                state.unlink()
        elif status in ENDED_BY_SIGNAL:
            n_killed += 1
        else:
            raise RuntimeError(f"the training ended with status {status}")


def main() -> None:
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    kills, seed = int(sys.argv[3]), int(sys.argv[4])
    n_devices = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    import edgedistill.tf.training  # noqa: F401 - before any fork

    for part in ("train", "val"):
        packed_once(folder / part)
    begun = time.monotonic()
    child = start(folder, kind, folder / "undisturbed", folder / "expected", n_devices)
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the undisturbed training failed")
    lasts_s = time.monotonic() - begun
    draw = random.Random(seed)
    found, n_killed = killed_until_it_ends(folder, kind, kills, lasts_s, draw, n_devices)
    expected = (folder / "expected").read_text(encoding="ascii")
    print(f"{expected} undisturbed, {lasts_s:.1f} s")  # noqa: T201
    print(f"{found} after {n_killed} interruptions")  # noqa: T201


if __name__ == "__main__":
    main()
