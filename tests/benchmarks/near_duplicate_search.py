# ruff: noqa: T201
"""Near-duplicate search over 100,000 and 1,000,000 generated fingerprints.

    nice python -m tests.benchmarks.near_duplicate_search [--photos 100000 1000000]

The coefficients are normal, with standard deviations and means over frequencies like those of real
photos (low ones heavier and lopsided), and every tenth photo belongs to a family of
look-alikes with a common part. 2 % are copies of another photo, with noise that turns about as
many signs as a crop by 2 to 5 % does. n log n would grow 12-fold from the first to the second.

Seen on 22 November 2026 at a least likeness of 0.875 (2 shared cores, other work beside it):

    photos    | search  | processor | peak before -> after | recall | pairs  | largest group
      100,000 |  29.4 s |    14.4 s |     398 ->   489 MiB | 1.0000 |  2,000 | 2
    1,000,000 | 200.5 s |   160.2 s |     728 -> 1,881 MiB | 0.9996 | 19,992 | 2
    growth of the processor's seconds: 11.1

"Before" holds the fingerprints (285 MiB for a million) and what generating them left.
"""

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.groups import groups_of
from edgedistill.core.near_duplicates import near_duplicate_pairs
from edgedistill.core.perceptual import N_BYTES

COPIES_FRAC = 0.02
FAMILY_SIZE = 1_000


def generated(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Fingerprints of n photos; the last 2 % are copies of the rows that are also returned."""
    generator = np.random.default_rng(seed)
    values = np.empty((n, N_BYTES), np.int8)
    lean = generator.normal(0, 6, N_BYTES)
    n_families = max(1, n // (10 * FAMILY_SIZE))
    families = generator.normal(0, 10, (n_families, N_BYTES))
    for start in range(0, n, 50_000):
        rows = np.arange(start, min(n, start + 50_000))
        spread = generator.uniform(9, 15, (len(rows), 1))
        drawn = generator.normal(0, 1, (len(rows), N_BYTES)) * spread + lean
        alike = rows % 10 == 0
        drawn[alike] = drawn[alike] * 0.8 + families[rows[alike] // 10 % n_families]
        values[rows] = np.clip(np.rint(drawn), -127, 127)
    n_copies = int(n * COPIES_FRAC)
    sources = generator.choice(n - n_copies, n_copies, replace=False)
    copied = values[sources].astype(np.float64)
    noise = generator.normal(0, 0.15, copied.shape) * copied.std(axis=1, keepdims=True)
    values[n - n_copies :] = np.clip(np.rint(copied + noise), -127, 127)
    return values.view(np.uint8), sources


def measure(n: int) -> float:
    """Prints one line of the table; the processor seconds that the search took."""
    fingerprints, sources = generated(n, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    start, start_cpu = time.perf_counter(), time.process_time()
    pairs, _ = near_duplicate_pairs(fingerprints)
    found, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    groups = groups_of(n, pairs)
    grouped = time.perf_counter() - start - found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    recall = float((groups[sources] == groups[n - len(sources) :]).mean())
    largest = int(np.bincount(groups).max())
    print(
        f"{n:>9,} | {found:7.1f} s | {cpu:6.1f} s | {grouped:5.1f} s | "
        f"{before:6.0f} -> {peak:6.0f} MiB | {recall:6.4f} | {len(pairs):>7,} | {largest}",
        flush=True,
    )
    return cpu


def main() -> None:
    """Prints the table and the growth."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, nargs="+", default=[100_000, 1_000_000])
    sizes = parser.parse_args().photos
    print("photos | search | processor | groups | peak before -> after | recall | pairs | largest")
    seconds = [measure(n) for n in sizes]
    print(f"growth: {seconds[-1] / seconds[0]:.1f}")


if __name__ == "__main__":
    main()
