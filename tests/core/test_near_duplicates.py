from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from edgedistill.core import near_duplicates
from edgedistill.core.groups import groups_of
from edgedistill.core.letterbox import letterbox
from edgedistill.core.near_duplicates import near_duplicate_pairs
from edgedistill.core.perceptual import N_BYTES, comparable, mirrored, perceptual_fingerprint

TRASHNET = Path(__file__).parents[3] / "shared" / "data" / "trashnet"


def invented(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Fingerprints of n different pictures."""
    values = np.random.default_rng(seed).normal(0, 12, (n, N_BYTES))
    return np.clip(np.rint(values), -127, 127).astype(np.int8).view(np.uint8)


def disturbed(fingerprints: NDArray[np.uint8], seed: int = 1) -> NDArray[np.uint8]:
    """The same pictures with noise of an eighth of their deviation: 1 % of their energy."""
    noise = np.random.default_rng(seed).normal(0, 1.5, fingerprints.shape)
    values = np.clip(np.rint(fingerprints.view(np.int8) + noise), -127, 127)
    return values.astype(np.int8).view(np.uint8)


def fingerprint(image: NDArray[np.uint8], size_px: int = 240) -> NDArray[np.uint8]:
    return perceptual_fingerprint(letterbox(image, size_px), *image.shape[:2])


def test_copies_are_paired_with_their_originals_and_nothing_else():
    originals = invented(2_000)
    both = np.concatenate([originals, disturbed(originals[:100])])
    pairs, scores = near_duplicate_pairs(both)
    assert pairs.tolist() == [[row, 2_000 + row] for row in range(100)]
    assert pairs.dtype == np.int64
    # 1 % of the energy is noise.
    assert scores.min() > 0.95
    assert scores.max() <= 1


def test_mirrored_copies_are_paired():
    originals = invented(500)
    both = np.concatenate([originals, disturbed(mirrored(originals[:50]))])
    pairs, _ = near_duplicate_pairs(both)
    assert pairs.tolist() == [[row, 500 + row] for row in range(50)]


def test_equal_fingerprints_are_all_paired_with_the_first_by_row():
    rows = invented(3)[[0, 1, 2, 1, 1]]
    pairs, scores = near_duplicate_pairs(rows)
    assert pairs.tolist() == [[1, 3], [1, 4]]
    assert scores.tolist() == [1, 1]


def test_pairs_do_not_depend_on_the_order_of_photos():
    family = invented(1)[0].view(np.int8)
    noise = np.random.default_rng(2).normal(0, 2, (200, N_BYTES))
    rows = np.clip(np.rint(family + noise), -127, 127).astype(np.int8).view(np.uint8)
    order = np.random.default_rng(3).permutation(200)
    pairs, scores = near_duplicate_pairs(rows)
    shuffled, shuffled_scores = near_duplicate_pairs(rows[order])
    named = {
        tuple(sorted(order[pair].tolist())): s
        for pair, s in zip(shuffled, shuffled_scores, strict=True)
    }
    assert len(pairs) > 100
    assert named == {tuple(p): s for p, s in zip(pairs.tolist(), scores.tolist(), strict=True)}


def test_a_burst_of_a_thousand_is_one_group_and_costs_a_few_pairs_each():
    burst = disturbed(np.repeat(invented(1), 1_000, axis=0))
    pairs, _ = near_duplicate_pairs(burst)
    assert len(pairs) <= 8 * 1_000  # all pairs would be 499,500
    assert set(groups_of(1_000, pairs)) == {0}


def test_all_copies_of_a_photo_come_into_its_group():
    sources = np.arange(1_200) % 200
    pairs, _ = near_duplicate_pairs(disturbed(invented(200)[sources]))
    np.testing.assert_array_equal(groups_of(1_200, pairs), sources)


def test_thousands_of_equal_photos_are_one_group_by_as_many_pairs():
    pairs, _ = near_duplicate_pairs(np.repeat(invented(1), 5_000, axis=0))
    assert len(pairs) == 4_999
    assert set(groups_of(5_000, pairs)) == {0}


def test_photos_without_a_fingerprint_are_in_no_pair():
    pairs, scores = near_duplicate_pairs(np.zeros((50, N_BYTES), np.uint8))
    assert pairs.shape == (0, 2)
    assert scores.shape == (0,)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_photos_have_no_pairs(n: int):
    assert near_duplicate_pairs(invented(n)).pairs.shape == (0, 2)


def test_handwritten_digits_are_too_small_to_be_near_duplicates():
    images = load_digits().images * (255 / 16)  # 1,797 of 8 x 8 px, levels 0 to 16
    found = [
        fingerprint(np.repeat(np.rint(image).astype(np.uint8)[:, :, None], 3, axis=2), 64)
        for image in images
    ]
    assert not comparable(np.stack(found)).any()
    assert len(near_duplicate_pairs(np.stack(found)).pairs) == 0


def test_least_likeness_is_a_bound():
    originals = invented(200)
    both = np.concatenate([originals, disturbed(originals)])
    scores = near_duplicate_pairs(both, least_likeness=0.9).likeness
    middle = float(np.median(scores))
    assert near_duplicate_pairs(both, least_likeness=middle).likeness.min() >= middle


@pytest.mark.skipif(not TRASHNET.is_dir(), reason="needs TrashNet's photos")
def test_real_photos_of_one_scene_are_paired_and_look_alikes_are_not():
    # Looked at: each pair shows one sheet of paper twice. glass24, 74, 339 and 444 are four
    # bottles from above on one background; the caps plastic102 and 294 have two colours.
    same = [(101, 108), (136, 148), (147, 99), (305, 308)]
    names = [f"paper/paper{number}" for pair in same for number in pair]
    names += [f"glass/glass{number}" for number in (24, 74, 132, 339)]
    names += [f"plastic/plastic{number}" for number in (102, 294, 336)]
    names += [f"cardboard/cardboard{number}" for number in range(1, 30)]
    images = [np.asarray(Image.open(TRASHNET / f"{name}.jpg").convert("RGB")) for name in names]
    pairs, _ = near_duplicate_pairs(np.stack([fingerprint(image) for image in images]))
    assert pairs.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("wrong", [np.zeros((2, 8), np.uint8), np.zeros((2, N_BYTES), np.int8)])
def test_other_arrays_are_refused(wrong):
    with pytest.raises(ValueError, match="fingerprints must be uint8"):
        near_duplicate_pairs(wrong)


def test_more_photos_than_keys_have_room_for_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(near_duplicates, "MOST_PHOTOS", 3)
    with pytest.raises(ValueError, match="at most 3 different photos; got 4"):
        near_duplicate_pairs(invented(4))
