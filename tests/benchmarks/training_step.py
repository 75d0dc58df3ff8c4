"""A training step of ours against `tf_keras.Model.fit`, and the quantised step against the float.

    python -m tests.benchmarks.training_step [--steps 12] [--rounds 3] [--size 240] [--quick]

EfficientNet-Lite1, its batch normalisation frozen as `fine_tune` does, in one process, in turns:

- fit: `Model.fit` with one Adam on arrays in memory, of uint8, or of float32 as they usually are.
  Same layers frozen, no jit, operators deterministic as everywhere here.
- ours: packed pixels by `EpochBatches` (augment none, and standard), `TrainingStep`, two Adams, the
  average of the weights; and once without that average.
- QAT: the network with fake quantisation, by ours, augment standard.

A round of a way is one epoch of `--steps` batches. Once with all layers trained, once with the
later ones. A ratio is the median over the rounds of the ratio in each.

Wanted: ours at most 1.05 times fit; at most 2 % of its time spent waiting for input (an
epoch this short has the wait for its first batch in it, one step in `--steps`); QAT at most 1.2
times the float step.

Seen on 29 November 2026 (2 shared cores, AMD EPYC with AVX-512, nothing beside it), `--steps 4
--rounds 5`:

                                                       later layers         all layers
    ours, augment none / fit, uint8 arrays           CPU 0.87, wall 0.72    0.82, 0.45
    ours, augment none / fit, float32 arrays             0.86,      0.84    0.81, 0.45
    ours, augment standard / fit, uint8 arrays           0.91,      0.67    0.87, 0.47
    ours, augment standard / fit, float32 arrays         0.90,      0.87    0.85, 0.48
    ours, augment none / ours, none, no average          1.00,      0.99    0.99, 0.98
    QAT / ours, both augment standard                    1.07,      1.09    1.08, 1.09
    waiting for input: augment none, standard, QAT   0.000, 0.020, 0.018    0.000, 0.014, 0.013

That ours is the faster one comes from batch normalisation, folded into the convolutions
(`tf/folded_pass.py`): TensorFlow's gradient of one that is frozen, which fit takes, also works on
one core. Before that, and with ranges that followed the data, the ratios of later layers were 1.04,
1.00, 1.05, 1.00, 1.00 and 1.18 of the CPU, on a processor with AVX2 alone.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.conversion import noise_photos
from tests.benchmarks.our_epochs import SEED, OurEpochs
from tests.benchmarks.timing import in_turns, median, ratio_line

N_CLASSES = 10
FIT_UINT8, FIT_FLOAT = "fit, uint8 arrays", "fit, float32 arrays"
OURS, OURS_VARIED, QAT = "ours, augment none", "ours, augment standard", "QAT, augment standard"
NO_AVERAGE = "ours, none, no average"


def measure(arguments: argparse.Namespace, folder: Path, trained_layers: str) -> list[str]:
    from edgedistill.tf.batches import Augmentation, TrainingPhotos
    from edgedistill.tf.fine_tuning import LATER, freeze_early_layers, freeze_normalisation
    from edgedistill.tf.networks import STUDENT_ARCH, build, release_networks
    from edgedistill.tf.qat import quantise_aware
    from edgedistill.tf.runtime import prepare
    from tests.benchmarks.usual_script import compiled_classifier

    release_networks()
    prepare(SEED, 0)
    pixels = noise_photos(folder, arguments.steps * arguments.batch, arguments.size)
    images = pixels.take(np.arange(len(pixels)))
    labels = np.arange(len(pixels)) % N_CLASSES

    def frozen(quantised: bool = False) -> Any:
        network = build(STUDENT_ARCH, arguments.size, N_CLASSES)
        if quantised:
            rows = np.arange(min(32, len(pixels)))
            network = quantise_aware(network, pixels, rows, full_input_range=True)
        freeze_normalisation(network)
        if trained_layers == LATER:
            freeze_early_layers(network)
        return network

    def ours(level: str, network: Any, **how: Any) -> OurEpochs:
        weights = np.ones(N_CLASSES, np.float32)
        photos = TrainingPhotos(pixels, (), labels, weights, augmentation=Augmentation(level))
        return OurEpochs(network, photos, arguments.batch, arguments.workers, **how)

    network = compiled_classifier(frozen(), 1e-4)
    fit = partial(network.fit, y=labels, batch_size=arguments.batch, verbose=0)
    ways: dict[str, Callable[[], Any]] = {
        OURS: ours("none", frozen()),
        FIT_UINT8: partial(fit, images),
        OURS_VARIED: ours("standard", frozen()),
        NO_AVERAGE: ours("none", frozen(), averaged=False),
        FIT_FLOAT: partial(fit, images.astype(np.float32)),
        QAT: ours("standard", frozen(quantised=True)),
    }
    taken = in_turns(ways, arguments.rounds)
    lines = [f"trained layers: {trained_layers}"]
    for way in (OURS, OURS_VARIED):
        lines += [ratio_line(taken, way, base, 1.05) for base in (FIT_UINT8, FIT_FLOAT)]
    lines += [ratio_line(taken, OURS, NO_AVERAGE, 1.05), ratio_line(taken, QAT, OURS_VARIED, 1.2)]
    for name, epoch in ways.items():
        a_step = median(taken[name]) / arguments.steps
        line = f"  {name:26}{a_step.cpu_s * 1e3:8.0f} CPU ms a step{a_step.wall_s * 1e3:8.0f} ms"
        if isinstance(epoch, OurEpochs):
            waited = np.median(epoch.waited_frac[1:])
            line += f"  input_wait_share {waited:.3f} (wanted at most 0.02)"
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--layers", nargs="+", default=["all", "later"])
    parser.add_argument("--quick", action="store_true", help="a try: 64 px, 4 steps, 2 rounds")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.size, arguments.steps, arguments.rounds = 64, 4, 2
    print(f"batch {arguments.batch}, {arguments.size} px, {arguments.steps} steps a round")  # noqa: T201
    for trained_layers in arguments.layers:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(measure(arguments, Path(folder) / "p", trained_layers)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
