"""How many old photos change split when a collection grows.

    python -m tests.benchmarks.split_stability [FOLDER OF CLASS FOLDERS]

A part of the photos is split 80/10/10, then all of them; counted is the share of the part that is
in another split afterwards. The photos are those of trashnet, beside the repository (2,527 in 6
classes), by the digests of their decoded pixels; without them, as many made-up digests. Cases:

    alone            no groups but equal pixels
    near             the photos that scan would find to be near duplicates of each other
    bursts           1 in 20 photos begins a group of 2 or 3 of its class; photos are added singly,
                     so that many of them join a group that was there
    long bursts      4 in 10 begin a group of 2 to 8, which leaves 1 photo in 8 alone; whole groups
                     are added
    long, torn       the same groups, but photos are added singly
    scenes           every photo in one of 300 groups that hold all classes; whole groups are added
    shuffle          no groups; the list shuffled by the seed and cut, which most scripts do

"off" is by how many photos a class is off its wish where it is most, of all draws. For long bursts
and scenes a single group is several per cent of a class, and each that changes sides counts whole.

Seen on 2026-11-22, 2 shared cores, 20 seeds:

    64 photos are near duplicates of another
    2,527 photos, read in 10.5 s
                    growth  moved, mean    worst   off  s a draw
    alone              10%        0.79%    1.14%     0     0.054
    alone               1%        0.33%    0.52%     0     0.051
    near               10%        0.88%    1.36%     0     0.038
    near                1%        0.32%    0.48%     0     0.046
    bursts             10%        1.07%    1.60%     0     0.047
    bursts              1%        0.26%    0.52%     0     0.048
    long bursts        10%        2.01%    3.22%     1     0.047
    long bursts         1%        0.34%    1.00%     1     0.043
    long, torn         10%        4.44%    6.28%     1     0.046
    long, torn          1%        0.81%    1.92%     1     0.046
    scenes             10%        3.23%    5.11%    13     0.207
    scenes              1%        1.42%    3.28%    13     0.196
    shuffle            10%       34.24%   35.69%    22     0.002
    shuffle             1%       33.11%   34.40%    22     0.002
"""

# ruff: noqa: T201

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from edgedistill.core.decode import decode_photo
from edgedistill.core.fingerprint import pixel_digest
from edgedistill.core.groups import groups_of
from edgedistill.core.letterbox import letterbox
from edgedistill.core.near_duplicates import near_duplicate_pairs
from edgedistill.core.perceptual import perceptual_fingerprint
from edgedistill.core.splits import Item, Split, split_counts, stratified_group_split

TRASHNET = Path(__file__).parents[3] / "shared" / "data" / "trashnet"
MADE_UP = {"cardboard": 403, "glass": 501, "metal": 410, "paper": 594, "plastic": 482, "trash": 137}
SEEDS = range(20)
Draw = Callable[[Sequence[Item], int], Split]


def read_items(folder: Path) -> list[Item]:
    """The photos of a folder with one folder a class, near duplicates in groups.

    Where there is no folder: as many made-up photos without groups.
    """
    if not folder.is_dir():
        print(f"{folder} is not there: made-up digests, and nothing near")
        rng = random.Random(0)
        return [
            Item(name, f"{rng.getrandbits(256):064x}", f"{name}/{i}")
            for name, n in MADE_UP.items()
            for i in range(n)
        ]
    items, fingerprints = [], []
    for path in sorted(folder.glob("*/*.jpg")):
        image = decode_photo(path.read_bytes())
        items.append(Item(path.parent.name, pixel_digest(Image.fromarray(image)), str(path)))
        fingerprints.append(perceptual_fingerprint(letterbox(image, 240), *image.shape[:2]))
    groups = groups_of(len(items), near_duplicate_pairs(np.stack(fingerprints)).pairs).tolist()
    sizes = Counter(groups)
    print(f"{sum(sizes[group] > 1 for group in groups):,} photos are near duplicates of another")
    return [
        item._replace(group=f"near {group}" if sizes[group] > 1 else "")
        for item, group in zip(items, groups, strict=True)
    ]


def bursts(items: Sequence[Item], rng: random.Random, share: float, longest: int) -> list[Item]:
    """Photos of one class, at random, in groups of 2 to `longest`."""
    shuffled = sorted(rng.sample(items, len(items)), key=lambda item: item.label_name)
    grouped: list[Item] = []
    while len(grouped) < len(shuffled):
        start = len(grouped)
        size = rng.randint(2, longest) if rng.random() < share else 1
        label = shuffled[start].label_name
        taken = [item for item in shuffled[start : start + size] if item.label_name == label]
        name = f"burst {start}" if len(taken) > 1 else ""
        grouped += [item._replace(group=name) for item in taken]
    return grouped


def scenes(items: Sequence[Item], rng: random.Random) -> list[Item]:
    """Every photo in a group that holds all classes."""
    return [item._replace(group=f"scene {rng.randrange(300)}") for item in items]


def by_hash(items: Sequence[Item], seed: int) -> Split:
    return stratified_group_split(items, val_frac=0.1, test_frac=0.1, seed=seed)


def by_shuffle(items: Sequence[Item], seed: int) -> Split:
    rows = random.Random(seed).sample(range(len(items)), len(items))
    train, val, _ = split_counts(len(items), 0.1, 0.1)
    return Split(rows[:train], rows[train : train + val], rows[train + val :])


def moved_share(old: Sequence[Item], every: Sequence[Item], draw: Draw, seed: int) -> float:
    before, after = (
        {items[row].filepath: part for part, rows in enumerate(draw(items, seed)) for row in rows}
        for items in (old, every)
    )
    return sum(after[place] != part for place, part in before.items()) / len(before)


def largest_difference(items: Sequence[Item], split: Split) -> int:
    counts = [Counter(items[row].label_name for row in rows) for rows in split]
    return max(
        abs(part[label] - wish)
        for label, n in Counter(item.label_name for item in items).items()
        for part, wish in zip(counts, split_counts(n, 0.1, 0.1), strict=True)
    )


def remains(items: Sequence[Item], growth: float, rng: random.Random, whole: bool) -> list[Item]:
    """What there was before the collection grew by that share, by photos or by whole groups."""
    chance: dict[str, float] = {}
    kept = []
    for item in items:
        name = item.group if whole and item.group else item.filepath
        if chance.setdefault(name, rng.random()) < 1 / (1 + growth):
            kept.append(item)
    return kept


def main() -> None:
    """Prints the table."""
    started = time.monotonic()
    near = read_items(Path(sys.argv[1]) if len(sys.argv) > 1 else TRASHNET)
    items = [item._replace(group="") for item in near]
    print(f"{len(items):,} photos, read in {time.monotonic() - started:.1f} s")
    cases: list[tuple[str, Callable[[random.Random], list[Item]], bool, Draw]] = [
        ("alone", lambda rng: items, False, by_hash),
        ("near", lambda rng: near, False, by_hash),
        ("bursts", lambda rng: bursts(items, rng, 0.05, 3), False, by_hash),
        ("long bursts", lambda rng: bursts(items, rng, 0.4, 8), True, by_hash),
        ("long, torn", lambda rng: bursts(items, rng, 0.4, 8), False, by_hash),
        ("scenes", lambda rng: scenes(items, rng), True, by_hash),
        ("shuffle", lambda rng: items, False, by_shuffle),
    ]
    print(f"{'':14}{'growth':>8}{'moved, mean':>13}{'worst':>9}{'off':>6}{'s a draw':>10}")
    for name, make, whole, draw in cases:
        for growth in (0.1, 0.01):
            moved, off, seconds = [], [], 0.0
            for seed in SEEDS:
                rng = random.Random(seed)
                every = make(rng)
                begun = time.monotonic()
                off.append(largest_difference(every, draw(every, seed)))
                seconds += time.monotonic() - begun
                old = remains(every, growth, rng, whole)
                moved.append(moved_share(old, every, draw, seed))
            print(
                f"{name:14}{growth:8.0%}{sum(moved) / len(moved):13.2%}{max(moved):9.2%}"
                f"{max(off):6}{seconds / len(SEEDS):10.3f}"
            )


if __name__ == "__main__":
    main()
