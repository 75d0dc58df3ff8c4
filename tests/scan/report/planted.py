"""Facts of a scan with planted findings, for the tests of its report."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.scan.findings import Finding, ScanFacts, ShownFinding

# Enough photos of each class that nothing is too small.
WHOLE = {"cup": 2000, "plate": 2000}


def flat(row: int) -> NDArray[np.uint8]:
    """A photo of one colour, which a WebP file keeps nearly as it is; another colour each row."""
    colour = np.array([row * 37 % 256, row * 91 % 256, row * 151 % 256], np.uint8)
    return np.broadcast_to(colour, (64, 64, 3)).copy()


def noise(row: int) -> NDArray[np.uint8]:
    """The photo that no format makes small."""
    return np.random.default_rng(row % 5).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def planted(
    counts: Mapping[str, int] = WHOLE,
    *,
    n_found: Mapping[str, int] | None = None,
    shown: Mapping[str, Sequence[ShownFinding]] | None = None,
    split_counts: Mapping[str, int] | None = None,
    by_split: Mapping[str, Mapping[str, int]] | None = None,
    n_groups: Mapping[str, int] | None = None,
    n_grouped: int = 0,
    leak_share: float = 0.0,
    data_dir: str = "photos",
) -> ScanFacts:
    """Facts; `split_counts` is dealt evenly over the classes where `by_split` is not given."""
    if split_counts:
        by_split = {
            name: {part: (n + i) // len(counts) for part, n in split_counts.items()}
            for i, name in enumerate(counts)
        }
    return ScanFacts(
        data_dir, counts, by_split or {}, n_groups or counts, n_grouped, leak_share,
        n_found or {}, shown or {},
    )  # fmt: skip


def pair(kind: str, first: str, other: str, detail: str = "") -> ShownFinding:
    """Two photos named label/file."""
    labels = first.split("/")[0], other.split("/")[0]
    finding = Finding(kind, first, labels[0], other, labels[1], detail)
    return ShownFinding(finding, flat(1), flat(2))


def bad(place: str, reason: str) -> ShownFinding:
    return ShownFinding(Finding("bad file", place, place.split("/")[0], detail=reason))
