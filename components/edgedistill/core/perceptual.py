"""A photo's fingerprint for near duplicates, and how alike two fingerprints are.

The fingerprint holds the photo's low spatial frequencies, each weighted by its frequency: detail
counts as much as the large light and dark areas, which look-alikes on one background share. It
knows neither colour nor brightness nor contrast nor aspect ratio.

The split follows from these numbers, so they must be the same on every machine. Every sum is of
integers below 2**53 in doubles: exact in whatever order BLAS adds. What remains are single
divisions, products and square roots, element by element, which IEEE 754 rounds in one way only.
"""

import functools
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.core.letterbox import letterboxed_content

LEAST_SIDE_PX = 32
"""A photo whose shorter side is below this says too little: MNIST's ones would all be alike."""

LEAST_CONTENT_PX = 16
"""Nor is one compared that is so long and thin that its letterboxed content is narrower."""

LEAST_CONTRAST = 2.0
"""Standard deviation of the low frequencies, in levels of 255, below which a photo is flat."""

_SIDE = 32  # of the picture that is analysed
_BAND = 24  # frequencies with u + v below this are kept
_UNIT = 48  # a coefficient of frequency f is stored as 48 * f * its share of the norm
_ROWS = [(u, s - u) for s in range(1, _BAND) for u in range(s + 1)]
_VERTICAL: Final = np.array([u for u, _ in _ROWS])
_HORIZONTAL: Final = np.array([v for _, v in _ROWS])
_FREQUENCY: Final = _VERTICAL + _HORIZONTAL

N_BYTES = len(_ROWS)
"""Bytes of a fingerprint: 299."""

TURNED_BY_MIRROR: Final = _HORIZONTAL % 2 == 1
"""Which coefficients change sign when left and right are exchanged; shape (299,)."""

Floats = NDArray[np.float64]


def _cosines(n: int, bits: int) -> Floats:
    """Rows of the cosine transform (DCT-II) of n samples, in integers of 2**-bits; (_BAND, n)."""
    return np.array(
        [
            [
                round(2**bits * (math.sqrt(0.5) if u == 0 else 1) * math.cos(angle))
                for angle in (math.pi * u * (2 * place + 1) / (2 * n) for place in range(n))
            ]
            for u in range(_BAND)
        ],
        np.float64,
    )


_ANALYSIS: Final = _cosines(_SIDE, 10)


def perceptual_fingerprint(
    letterboxed: NDArray[np.uint8], height_px: int, width_px: int
) -> NDArray[np.uint8]:
    """The low frequencies of a photo, whatever its size, brightness and contrast.

    Args:
        letterboxed: shape (side, side, 3), what `letterbox` made of the photo.
        height_px: of the original.
        width_px: of the original.

    Returns:
        Shape (299,): int8 coefficients seen as bytes. All zero where the photo cannot be
        compared: it is small, very long and thin, or flat (see the constants above).

    Raises:
        ValueError: not a square RGB image of uint8, or a length is below 1.
    """
    content = letterboxed_content(letterboxed, height_px, width_px)
    height, width = content.shape[:2]
    if min(height_px, width_px) < LEAST_SIDE_PX or min(height, width) < LEAST_CONTENT_PX:
        return np.zeros(N_BYTES, np.uint8)
    luma = Image.fromarray(content).convert("L")
    # Two calls, as in `letterbox`: Pillow's versions differ in which direction comes first.
    across = luma.resize((_SIDE, height), Image.Resampling.BILINEAR)
    small = np.asarray(across.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64)
    return _stored(small)


def _stored(small: Floats) -> NDArray[np.uint8]:
    """The fingerprint of a (32, 32) picture of whole levels."""
    # Sums reach 2**38; in units of 2**-8 afterwards, so that the sum of squares stays below 2**50.
    spectrum = np.rint(_ANALYSIS @ small @ _ANALYSIS.T / 2**12)[_VERTICAL, _HORIZONTAL]
    energy = float(spectrum @ spectrum)
    # The transform multiplies a picture's sum of squares by (32 / 2)**2, and 2**8 is its unit.
    contrast = math.sqrt(energy) / (_SIDE / 2 * 2**8) / _SIDE
    if contrast < LEAST_CONTRAST:
        return np.zeros(N_BYTES, np.uint8)
    weighted: Floats = np.rint(spectrum * (_UNIT * _FREQUENCY) / math.sqrt(energy))
    stored: NDArray[np.int8] = np.clip(weighted, -127, 127).astype(np.int8)
    return stored.view(np.uint8)


def comparable(fingerprints: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which fingerprints hold a picture; shape (n,) for fingerprints of shape (n, 299)."""
    holds: NDArray[np.bool_] = np.any(fingerprints != 0, axis=1)
    return holds


def coefficients(fingerprints: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The signed coefficients, lowest frequency first, shape (n, 299)."""
    return fingerprints.view(np.int8)


def mirrored(fingerprints: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The fingerprints of the photos' mirror images (left and right exchanged), (n, 299)."""
    values = coefficients(fingerprints)
    return np.where(TURNED_BY_MIRROR, -values, values).view(np.uint8)


# Two fingerprints are compared as pictures of 24 x 24 places: `first` is laid over `second` with
# the stretch and shift of each axis that fit best (Lucas and Kanade 1981, with the mean gradient
# of both as in Malis 2004), twice on the pictures and once on their detail.
_GRID = 24
_PLACES: Final = 2.0 * np.arange(_GRID) - (_GRID - 1)  # half places from the middle, whole numbers
_SYNTHESIS: Final = _cosines(_GRID, 8)
_DEQUANTISED: Final = np.rint(2**10 / _FREQUENCY)
_LARGEST = 511.0
_STRETCHES = 8  # steps of 1/64 to either side
_SHIFTS = 16  # steps of 1/8 place to either side
_BLUR: Final = (1, 4, 6, 4, 1)
_ROUNDS = 2
_CHUNK = 50  # pairs whose terms stay in the cache


def _sampling(stretch: float, shift: float) -> Floats:
    """Weights in 1/64 that sample a row at (1 + stretch) * place + shift; (24, 24), cubic."""
    middle = (_GRID - 1) / 2
    weights = np.zeros((_GRID, _GRID))
    for row, place in enumerate(_PLACES / 2):
        source = min(max(place * (1 + stretch) + shift + middle, 0), _GRID - 1)
        start = int(source)
        t = source - start
        # Keys 1981, a = -1/2; beyond the edge the last place goes on.
        cubic = (
            (-t + 2 * t**2 - t**3) / 2,
            (2 - 5 * t**2 + 3 * t**3) / 2,
            (t + 4 * t**2 - 3 * t**3) / 2,
            (-(t**2) + t**3) / 2,
        )
        for offset, weight in enumerate(cubic, start=-1):
            weights[row, min(max(start + offset, 0), _GRID - 1)] += weight
    return np.rint(weights * 64)


@functools.cache
def _warps() -> Floats:
    """Every sampling of a row, (2 * _STRETCHES + 1, 2 * _SHIFTS + 1, 24, 24).

    Not a constant: it takes 0.1 s, which a process that only fingerprints need not spend.
    """
    return np.array(
        [
            [_sampling(a / 64, b / 8) for b in range(-_SHIFTS, _SHIFTS + 1)]
            for a in range(-_STRETCHES, _STRETCHES + 1)
        ]
    )


def likeness(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Floats:
    """How much of the second photo's detail the first explains, after they were aligned.

    Args:
        first: shape (n, 299), fingerprints that can be compared.
        second: shape (n, 299), compared row by row.

    Returns:
        Shape (n,), at most 1: 1 for one picture, about 0 for two that have nothing in common.
    """
    chunks = range(0, len(first), _CHUNK)
    parts = [
        _aligned(_pictures(first[s : s + _CHUNK]), _pictures(second[s : s + _CHUNK]))
        for s in chunks
    ]
    return np.concatenate([np.zeros(0), *parts])


def _pictures(fingerprints: NDArray[np.uint8]) -> Floats:
    """The fingerprints as pictures of whole numbers with a deviation of 24, (n, 24, 24)."""
    spectra = np.zeros((len(fingerprints), _BAND, _BAND))
    spectra[:, _VERTICAL, _HORIZONTAL] = coefficients(fingerprints) * _DEQUANTISED
    pictures = _SYNTHESIS.T @ spectra @ _SYNTHESIS
    return np.clip(np.rint(pictures / 2**26), -_LARGEST, _LARGEST)


def _aligned(first: Floats, second: Floats) -> Floats:
    solution, _ = _fit(first, second, detail=False)
    motion = _motion(solution)
    # The wider view is the one to sample from: beyond the narrower one's edge nothing is known.
    swap = motion[0] + motion[2] > 0
    chosen = swap[:, None, None]
    first, second = np.where(chosen, second, first), np.where(chosen, first, second)
    motion = [np.where(swap, -part, part) for part in motion]
    for _ in range(_ROUNDS - 1):
        solution, _ = _fit(_warped(first, motion), second, detail=False)
        motion = [old + new for old, new in zip(motion, _motion(solution), strict=True)]
    return _fit(_warped(first, motion), second, detail=True)[1]


def _motion(solution: list[Floats]) -> list[Floats]:
    """Stretch and shift across, stretch and shift down, from the fit's weights."""
    gain = np.maximum(solution[0], 0.3)  # a poor fit must not fling the picture away
    # A gradient here is 4 times a place's slope, and `_PLACES` counts half places.
    return [
        8 * solution[2] / gain,
        4 * solution[1] / gain,
        8 * solution[4] / gain,
        4 * solution[3] / gain,
    ]


def _warped(pictures: Floats, motion: list[Floats]) -> Floats:
    warps = _warps()
    across = warps[_step(motion[0], 64, _STRETCHES), _step(motion[1], 8, _SHIFTS)]
    down = warps[_step(motion[2], 64, _STRETCHES), _step(motion[3], 8, _SHIFTS)]
    sampled: Floats = np.rint(down @ pictures @ across.transpose(0, 2, 1) / 64**2)
    return sampled


def _step(value: Floats, per_unit: int, most: int) -> NDArray[np.int64]:
    return np.clip(np.rint(value * per_unit), -most, most).astype(np.int64) + most


def _detail(pictures: Floats) -> Floats:
    """The pictures without what a blur over 5 places keeps, times 16, in whole numbers."""
    padded = np.pad(pictures, ((0, 0), (2, 2), (2, 2)), mode="edge")
    down, blurred = np.zeros_like(padded[:, :_GRID]), np.zeros_like(pictures)
    for i, weight in enumerate(_BLUR):
        down += weight * padded[:, i : i + _GRID]
    for i, weight in enumerate(_BLUR):
        blurred += weight * down[:, :, i : i + _GRID]
    detail: Floats = np.rint((256 * pictures - blurred) / 16)
    return detail


def _fit(first: Floats, second: Floats, *, detail: bool) -> tuple[list[Floats], Floats]:
    """Least squares of second on first and its slopes: weights, and the share explained."""
    total = first + second
    across, down = np.zeros_like(total), np.zeros_like(total)
    across[:, :, 1:-1] = total[:, :, 2:] - total[:, :, :-2]
    down[:, 1:-1] = total[:, 2:] - total[:, :-2]
    terms = [first, across, across * _PLACES, down, down * _PLACES[:, None], second]
    if detail:
        terms = [_detail(term) for term in terms]
    # The outermost places have no slope.
    inner = [term[:, 1:-1, 1:-1].reshape(len(first), -1) for term in terms]
    stacked = np.stack(inner, axis=1)
    products = stacked @ stacked.transpose(0, 2, 1)
    return _solved(products)


def _solved(products: Floats) -> tuple[list[Floats], Floats]:
    """Solves the normal equations of each pair by elimination, one operation at a time.

    Not by LAPACK, whose roundings differ between machines.

    Args:
        products: shape (n, k + 1, k + 1), sums of products of k terms and, last, the target.
    """
    k = products.shape[1] - 1
    rows = [[products[:, i, j].copy() for j in range(k + 1)] for i in range(k)]
    for i in range(k):
        rows[i][i] = rows[i][i] * 1.001 + 1  # a picture without slopes has no unique answer
    for i in range(k):
        for j in range(i + 1, k):
            factor = rows[j][i] / rows[i][i]
            rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    weights: list[Floats] = [np.zeros(0)] * k
    for i in reversed(range(k)):
        rest = rows[i][k]
        for j in range(i + 1, k):
            rest = rest - rows[i][j] * weights[j]
        weights[i] = rest / rows[i][i]
    explained = np.zeros(len(products))
    for i in range(k):
        inner = 2 * products[:, i, k]
        for j in range(k):
            inner = inner - products[:, i, j] * weights[j]
        explained = explained + weights[i] * inner
    return weights, explained / np.maximum(products[:, k, k], 1)
