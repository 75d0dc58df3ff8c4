import random

import pytest

from edgedistill.core.splits import ClassTooSmallError, Item, split_counts, stratified_split


def items(**photos_of: int) -> list[Item]:
    return [
        Item(name, f"{name}-{i:04d}", f"{name}/{i}.jpg")
        for name, n in photos_of.items()
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("n", "val_frac", "test_frac", "expected"),
    [
        (100, 0.1, 0.1, (80, 10, 10)),
        (14, 0.1, 0.1, (12, 1, 1)),  # 1.4 rounds to 1
        (15, 0.1, 0.1, (11, 2, 2)),  # 1.5 rounds up
        (90, 0.35, 0.35, (26, 32, 32)),  # 31.5, which is 31.499999999999996 in doubles
        (3, 0.1, 0.1, (1, 1, 1)),  # 0.3 is raised to 1
        (4, 0.45, 0.45, (1, 1, 2)),  # 1.8 rounds to 2 and 2; val gives one up for train
        (3, 0.2, 0.75, (1, 1, 1)),  # 0.6 -> 1 and 2.25 -> 2; test, the larger, gives one up
    ],
)
def test_val_and_test_get_their_rounded_share_and_train_the_rest(n, val_frac, test_frac, expected):
    assert split_counts(n, val_frac, test_frac) == expected


@pytest.mark.parametrize(("n", "val", "test"), [(2, 0.1, 0.1), (9, 0.0, 0.1), (9, 0.5, 0.5)])
def test_counts_refuse_what_cannot_be_split(n, val, test):
    with pytest.raises(ValueError, match="must be"):
        split_counts(n, val, test)


def test_every_photo_is_in_one_split_and_every_class_in_all_three():
    photos = items(cup=3, plate=40, fork=7)
    split = stratified_split(photos, val_frac=0.1, test_frac=0.1, seed=1)
    assert sorted(split.train + split.val + split.test) == list(range(50))
    for rows in split:
        assert {photos[row].label_name for row in rows} == {"cup", "plate", "fork"}
        assert rows == sorted(rows)
    # plate 32 + 4 + 4, fork 0.7 -> 1: 5 + 1 + 1, cup 1 + 1 + 1.
    assert [len(rows) for rows in split] == [38, 6, 6]


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_the_photos_does_not_matter(seed):
    copies = [Item("cup", "the same", f"cup/copy{i}.jpg") for i in range(6)]
    photos = items(cup=20, plate=30) + copies
    shuffled = random.Random(0).sample(photos, len(photos))
    first = stratified_split(photos, val_frac=0.2, test_frac=0.2, seed=seed)
    second = stratified_split(shuffled, val_frac=0.2, test_frac=0.2, seed=seed)
    for rows, other_rows in zip(first, second, strict=True):
        assert {photos[r] for r in rows} == {shuffled[r] for r in other_rows}


def test_a_renamed_photo_stays_where_it_was():
    photos = items(cup=20)
    renamed = [p._replace(filepath=f"cup/z{i}.png") for i, p in enumerate(reversed(photos))][::-1]
    assert stratified_split(photos, val_frac=0.2, test_frac=0.2, seed=5) == stratified_split(
        renamed, val_frac=0.2, test_frac=0.2, seed=5
    )


def test_another_seed_draws_other_photos():
    photos = items(cup=30)
    draws = {
        tuple(stratified_split(photos, val_frac=0.2, test_frac=0.2, seed=s).test) for s in range(10)
    }
    assert len(draws) == 10


def test_each_photo_is_drawn_about_equally_often():
    # 300 draws of 4 in 20: each photo is expected 60 times, with a deviation of about 6.9.
    photos = items(cup=20)
    times = [0] * 20
    for seed in range(300):
        for row in stratified_split(photos, val_frac=0.2, test_frac=0.2, seed=seed).test:
            times[row] += 1
    assert min(times) > 60 - 4 * 7
    assert max(times) < 60 + 4 * 7


def test_two_photos_of_the_same_pixels_stand_next_to_each_other():
    # Half of 20 pairs go to train: 16 of 32 photos for train, and cuts can part at most 2 pairs.
    photos = [Item("cup", f"{i // 2}", f"cup/{i}.jpg") for i in range(32)]
    split = stratified_split(photos, val_frac=0.25, test_frac=0.25, seed=3)
    assert [len(rows) for rows in split] == [16, 8, 8]
    for rows in split:
        assert all((row ^ 1) in rows for row in rows)


def test_the_first_class_that_is_too_small_is_named():
    with pytest.raises(ClassTooSmallError) as caught:
        stratified_split(items(tray=1, plate=9, cup=2), val_frac=0.1, test_frac=0.1, seed=0)
    assert (caught.value.label_name, caught.value.n_photos) == ("cup", 2)
