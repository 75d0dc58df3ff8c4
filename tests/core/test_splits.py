import hashlib
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from typing import TypedDict

import pytest

from edgedistill.core.leaks import alone, divided_groups, leaked_rows
from edgedistill.core.splits import (
    ClassTooSmallError,
    Item,
    Split,
    TooFewGroupsError,
    group_numbers,
    honoured_split,
    shares_of_train,
    split_counts,
    stratified_group_split,
)


class Shares(TypedDict):
    val_frac: float
    test_frac: float


TENTHS: Shares = {"val_frac": 0.1, "test_frac": 0.1}


def digest(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def items(**photos_of: int) -> list[Item]:
    return [
        Item(name, digest((name, i)), f"{name}/{i}.jpg")
        for name, n in photos_of.items()
        for i in range(n)
    ]


def in_groups(photos: list[Item], rng: random.Random, largest: int, share: float) -> list[Item]:
    """Some of the photos, taken in their order, in groups of 2 to `largest`."""
    grouped: list[Item] = []
    number = 0
    while len(grouped) < len(photos):
        size = rng.randint(2, largest) if rng.random() < share else 1
        number += 1
        group = f"g{number}" if size > 1 else ""
        start = len(grouped)
        grouped += [p._replace(group=group) for p in photos[start : start + size]]
    return grouped


def counts_of(photos: list[Item], split: Split) -> dict[str, tuple[int, ...]]:
    parts = [Counter(photos[row].label_name for row in rows) for rows in split]
    return {p.label_name: tuple(part[p.label_name] for part in parts) for p in photos}


def farthest_from_the_wish(photos: list[Item], split: Split) -> int:
    n_of = Counter(p.label_name for p in photos)
    return max(
        abs(have - wish)
        for label, counts in counts_of(photos, split).items()
        for have, wish in zip(counts, split_counts(n_of[label], **TENTHS), strict=True)
    )


def places(photos: list[Item], split: Split) -> list[set[str]]:
    return [{photos[row].filepath for row in rows} for rows in split]


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
        (10, 0.0, 0.1, (9, 0, 1)),  # no val is asked for
        (2, 0.1, 0.0, (1, 1, 0)),
    ],
)
def test_val_and_test_get_their_rounded_share_and_train_the_rest(n, val_frac, test_frac, expected):
    assert split_counts(n, val_frac, test_frac) == expected


@pytest.mark.parametrize(
    ("n", "val", "test"),
    [(2, 0.1, 0.1), (1, 0.0, 0.1), (9, 0.0, 0.0), (9, -0.1, 0.2), (9, 0.5, 0.5)],
)
def test_counts_refuse_what_cannot_be_split(n, val, test):
    with pytest.raises(ValueError, match="must be"):
        split_counts(n, val, test)


def test_every_photo_is_in_one_split_and_every_class_in_all_three():
    photos = items(cup=3, plate=40, fork=7)
    split = stratified_group_split(photos, **TENTHS, seed=1)
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
    first = stratified_group_split(photos, val_frac=0.2, test_frac=0.2, seed=seed)
    second = stratified_group_split(shuffled, val_frac=0.2, test_frac=0.2, seed=seed)
    for rows, other_rows in zip(first, second, strict=True):
        assert {photos[r] for r in rows} == {shuffled[r] for r in other_rows}


def test_a_renamed_photo_stays_where_it_was():
    photos = items(cup=20)
    renamed = [p._replace(filepath=f"cup/z{i}.png") for i, p in enumerate(reversed(photos))][::-1]
    assert stratified_group_split(
        photos, val_frac=0.2, test_frac=0.2, seed=5
    ) == stratified_group_split(renamed, val_frac=0.2, test_frac=0.2, seed=5)


def test_another_seed_draws_other_photos():
    photos = items(cup=30)
    draws = {
        tuple(stratified_group_split(photos, val_frac=0.2, test_frac=0.2, seed=s).test)
        for s in range(10)
    }
    assert len(draws) == 10


def test_each_photo_is_drawn_about_equally_often():
    # 300 draws of 4 in 20: each photo is expected 60 times, with a deviation of about 6.9.
    photos = items(cup=20)
    times = [0] * 20
    for seed in range(300):
        for row in stratified_group_split(photos, val_frac=0.2, test_frac=0.2, seed=seed).test:
            times[row] += 1
    assert min(times) > 60 - 4 * 7
    assert max(times) < 60 + 4 * 7


def test_photos_of_the_same_pixels_stay_together_whatever_their_groups_and_classes():
    pair = [Item("cup", "twin", "cup/a.jpg", "g1"), Item("plate", "twin", "plate/a.jpg", "g2")]
    more = [Item("cup", "x", "cup/b.jpg", "g1"), Item("plate", "y", "plate/b.jpg", "g2")]
    photos = items(cup=20, plate=20) + pair + more
    for seed in range(20):
        split = stratified_group_split(photos, val_frac=0.2, test_frac=0.2, seed=seed)
        assert [len({40, 41, 42, 43} & set(rows)) for rows in split].count(4) == 1


def test_the_first_class_that_is_too_small_is_named():
    with pytest.raises(ClassTooSmallError) as caught:
        stratified_group_split(items(tray=1, plate=9, cup=2), **TENTHS, seed=0)
    error = caught.value
    assert (error.label_name, error.n_photos, error.least) == ("cup", 2, 3)


def test_a_class_of_many_photos_in_two_groups_is_refused():
    photos = items(plate=9) + [p._replace(group=f"g{i % 2}") for i, p in enumerate(items(cup=40))]
    with pytest.raises(TooFewGroupsError) as caught:
        stratified_group_split(photos, **TENTHS, seed=0)
    error = caught.value
    assert (error.label_name, error.n_photos, error.n_groups, error.least) == ("cup", 40, 2, 3)


@pytest.mark.parametrize("seed", range(40))
def test_groups_stay_whole_and_counts_within_the_largest_of_the_wish(seed):
    rng = random.Random(seed)
    largest = rng.choice([2, 3, 8, 12])
    classes = {f"c{i}": rng.randint(12 * largest, 400) for i in range(rng.randint(1, 5))}
    photos = in_groups(items(**classes), rng, largest, share=rng.choice([0.05, 0.5, 1.0]))
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert sorted(itertools.chain(*split)) == list(range(len(photos)))
    assert divided_groups(group_numbers(photos), split) == set()
    assert min(min(counts) for counts in counts_of(photos, split).values()) > 0
    assert farthest_from_the_wish(photos, split) <= largest


@pytest.mark.parametrize("seed", range(20))
def test_with_photos_alone_to_deal_the_counts_are_just_as_wished(seed):
    photos = in_groups(items(cup=300, plate=200), random.Random(seed), 4, share=0.1)
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert farthest_from_the_wish(photos, split) == 0


@pytest.mark.parametrize("seed", range(20))
def test_groups_of_many_classes_leave_each_class_near_its_wish(seed):
    rng = random.Random(seed)
    photos = [
        p._replace(group=f"scene {rng.randrange(60)}") for p in items(cup=400, plate=500, fork=130)
    ]
    largest = max(Counter(p.group for p in photos).values())
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert divided_groups(group_numbers(photos), split) == set()
    assert farthest_from_the_wish(photos, split) <= largest


@pytest.mark.parametrize("seed", range(10))
def test_neither_order_nor_names_of_files_and_groups_matter(seed):
    rng = random.Random(seed)
    photos = in_groups(items(cup=60, plate=90, fork=30), rng, 6, share=0.4)
    photos[70] = photos[70]._replace(group="g1")  # a group of two classes
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    shuffled = rng.sample(photos, len(photos))
    again = stratified_group_split(shuffled, **TENTHS, seed=seed)
    assert places(shuffled, again) == places(photos, split)
    renamed = [
        p._replace(filepath=f"{1000 - row}.png", group=p.group and digest(p.group))
        for row, p in enumerate(photos)
    ]
    assert stratified_group_split(renamed, **TENTHS, seed=seed) == split


@pytest.mark.parametrize("seed", range(20))
def test_a_group_of_half_a_class_goes_to_train(seed):
    photos = [p._replace(group="burst" if i < 50 else "") for i, p in enumerate(items(cup=100))]
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert set(range(50)) <= set(split.train)
    assert [len(rows) for rows in split] == [80, 10, 10]


@pytest.mark.parametrize("seed", range(20))
def test_a_group_too_large_for_train_leaves_a_photo_for_each_other_part(seed):
    # 97 of 100 are one group, which train, wanting 80, is the least hurt by; 3 are left for 20.
    photos = [p._replace(group="burst" if i < 97 else "") for i, p in enumerate(items(cup=100))]
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert set(range(97)) <= set(split.train)
    assert sorted(map(len, split[1:])) == [1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_of_three_groups_the_large_one_is_trained_on(seed):
    sizes = [2] * 5 + [40] * 30 + [9] * 6
    names = [f"g{size}" for size in sizes]
    photos = [p._replace(group=g) for p, g in zip(items(cup=41), names, strict=True)]
    split = stratified_group_split(photos, **TENTHS, seed=seed)
    assert split.train == list(range(5, 35))
    assert min(map(len, split)) == 5


def small_collection(seed: int) -> list[Item]:
    """Groups that hold several classes, few enough to try every division."""
    rng = random.Random(seed)
    n_groups, n_classes = rng.randint(3, 6), rng.randint(1, 4)
    return [
        Item(f"c{c}", digest((seed, g, c, k)), f"{g}/{c}/{k}", f"g{g}")
        for g in range(n_groups)
        for c in rng.sample(range(n_classes), rng.randint(1, n_classes))
        for k in range(rng.choice([1, 2, 5]))
    ]


def overfull(photos: list[Item], split: Split) -> int:
    """Photos that are too many of their class in their part."""
    return sum(
        max(0, have - wish)
        for counts in counts_of(photos, split).values()
        for have, wish in zip(counts, split_counts(sum(counts), **TENTHS), strict=True)
    )


def divisions(photos: list[Item]) -> Iterator[Split]:
    """Every division of the groups that brings each class into each part."""
    groups = sorted({p.group for p in photos})
    for parts in itertools.product(range(3), repeat=len(groups)):
        split = Split([], [], [])
        for row, photo in enumerate(photos):
            split[parts[groups.index(photo.group)]].append(row)
        if min(min(counts) for counts in counts_of(photos, split).values()) > 0:
            yield split


# In the last two, every move from the first start is blocked by another class.
@pytest.mark.parametrize("seed", [*range(40), 4339, 5619])
def test_every_class_is_everywhere_if_any_division_of_the_groups_does_that(seed):
    photos = small_collection(seed)
    if next(divisions(photos), None):
        split = stratified_group_split(photos, **TENTHS, seed=seed)
        assert min(min(counts) for counts in counts_of(photos, split).values()) > 0
        assert divided_groups(group_numbers(photos), split) == set()
    else:
        with pytest.raises(ValueError, match=r"has . (photos|groups)"):
            stratified_group_split(photos, **TENTHS, seed=seed)


def test_of_all_divisions_of_few_groups_the_best_is_nearly_always_found():
    lost = []
    for seed in range(100):
        photos = small_collection(seed)
        least = min((overfull(photos, split) for split in divisions(photos)), default=None)
        if least is not None:
            lost.append(
                overfull(photos, stratified_group_split(photos, **TENTHS, seed=seed)) - least
            )
    assert len(lost) > 30
    assert min(lost) == 0
    assert lost.count(0) / len(lost) >= 0.9


def test_more_pairs_move_few_of_the_old_where_no_photo_is_alone():
    for seed in range(10):
        every = [
            p._replace(group=f"pair {i // 2}") for i, p in enumerate(items(cup=400, plate=500))
        ]
        rng = random.Random(seed)
        kept = {group for group in sorted({p.group for p in every}) if rng.random() < 10 / 11}
        old = [p for p in every if p.group in kept]
        before = places(old, stratified_group_split(old, **TENTHS, seed=seed))
        after = places(every, stratified_group_split(every, **TENTHS, seed=seed))
        stayed = sum(len(a & b) for a, b in zip(before, after, strict=True))
        assert 1 - stayed / len(old) < 0.02


def test_large_groups_are_not_drawn_to_train_more_often_than_small_ones():
    # 30 groups of 10 and 300 photos alone: of 40 draws, test holds a tenth of either, about.
    photos = [
        p._replace(group=f"g{i // 10}" if i < 300 else "") for i, p in enumerate(items(cup=600))
    ]
    tests = [stratified_group_split(photos, **TENTHS, seed=seed).test for seed in range(40)]
    in_groups_share = sum(row < 300 for rows in tests for row in rows) / sum(map(len, tests))
    # Each draw takes 3 groups of 30 in the mean, with a deviation of 1.6 or less: 0.5 +- 0.043.
    assert in_groups_share == pytest.approx(0.5, abs=4 * 0.043)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_tenth_more_photos_move_few_of_the_old(grouped):
    moved = []
    for seed in range(10):
        rng = random.Random(seed)
        every = items(cup=400, plate=500, fork=140)
        if grouped:
            every = in_groups(every, rng, 3, share=0.05)
        old = [p for p in every if rng.random() < 10 / 11]
        before = places(old, stratified_group_split(old, **TENTHS, seed=seed))
        after = places(every, stratified_group_split(every, **TENTHS, seed=seed))
        stayed = sum(len(a & b) for a, b in zip(before, after, strict=True))
        moved.append(1 - stayed / len(old))
    # A shuffle of all moves 1 - (0.8**2 + 0.1**2 + 0.1**2) = 34 %.
    assert max(moved) < 0.03


def test_without_val_or_test_the_others_share_everything():
    photos = items(cup=20, plate=10)
    split = stratified_group_split(photos, val_frac=0.0, test_frac=0.2, seed=1)
    assert [len(rows) for rows in split] == [24, 0, 6]
    split = stratified_group_split(photos, val_frac=0.2, test_frac=0.0, seed=1)
    assert [len(rows) for rows in split] == [24, 6, 0]


def test_a_split_that_was_made_is_kept():
    photos, parts = items(cup=6), ["test", "train", "val", "train", "test", "train"]
    split = honoured_split(photos, parts, **TENTHS, seed=0)
    assert split == Split([1, 3, 5], [2], [0, 4])


def test_what_a_made_split_lacks_is_drawn_from_its_train():
    # 90 in train: val_frac / (train_frac + val_frac) = 0.1 / 0.9 of them are 10.
    photos, parts = items(cup=100), ["train"] * 90 + ["test"] * 10
    split = honoured_split(photos, parts, **TENTHS, seed=0)
    assert split.test == list(range(90, 100))
    assert [len(rows) for rows in split] == [80, 10, 10]
    parts = ["train"] * 90 + ["val"] * 10
    split = honoured_split(photos, parts, val_frac=0.1, test_frac=0.3, seed=0)
    # 0.3 / 0.9 of 90 are 30.
    assert split.val == list(range(90, 100))
    assert [len(rows) for rows in split] == [60, 10, 30]
    whole = honoured_split(photos, ["train"] * 100, **TENTHS, seed=0)
    assert whole == stratified_group_split(photos, **TENTHS, seed=0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"train"}, (0.1, 0.3)),
        ({"train", "val"}, (0, 0.3 / 0.9)),
        ({"train", "test"}, (0.1 / 0.7, 0)),
        ({"train", "val", "test"}, (0, 0)),
    ],
)
def test_shares_of_train_keep_the_proportions(given, expected):
    assert shares_of_train(given, 0.1, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(20))
def test_photos_of_train_that_belong_together_by_way_of_test_stay_together(seed):
    photos = items(cup=30)
    photos[0] = photos[0]._replace(digest="twin")
    photos[1] = photos[1]._replace(group="g")
    photos[29] = photos[29]._replace(digest="twin", group="g")
    split = honoured_split(photos, ["train"] * 25 + ["test"] * 5, **TENTHS, seed=seed)
    assert (0 in split.val) == (1 in split.val)


def test_a_class_without_a_photo_in_its_own_train_is_refused():
    photos = items(cup=4, plate=4)
    parts = ["train", "train", "val", "test", "val", "val", "test", "test"]
    with pytest.raises(ClassTooSmallError) as caught:
        honoured_split(photos, parts, **TENTHS, seed=0)
    assert (caught.value.label_name, caught.value.n_photos, caught.value.least) == ("plate", 0, 1)


def test_a_class_may_be_missing_in_a_given_val_or_test():
    photos = items(cup=3, plate=1)
    split = honoured_split(photos, ["train", "val", "test", "train"], **TENTHS, seed=0)
    assert split == Split([0, 3], [1], [2])


@pytest.mark.parametrize("parts", [["train", "val", "tests"], ["train", "val", ""]])
def test_another_name_of_a_part_is_refused(parts):
    with pytest.raises(ValueError, match="parts must be"):
        honoured_split(items(cup=3), parts, **TENTHS, seed=0)


def test_leaks_and_divided_groups_are_counted_by_group():
    numbers = [7, 7, 8, 8, 9, 9, 5, 4]
    split = Split([0, 2, 6], [4], [1, 3, 5, 7])
    # 7 and 8 are in train and test, 9 in val and test; 5 and 4 are alone.
    assert leaked_rows(numbers, split) == [1, 3, 5]
    assert divided_groups(numbers, split) == {7, 8, 9}
    assert leaked_rows(numbers, split._replace(val=[])) == [1, 3]
    assert divided_groups([1, 1, 2], Split([0], [1], [2])) == {1}


def test_drawn_alone_repeated_photos_part_and_the_rest_stay_where_they_were():
    photos = items(cup=60)
    copies = [p._replace(filepath=f"{p.filepath} copy") for p in photos[:20]]
    parted = alone([p._replace(group="all") for p in photos + copies])
    assert {p.group for p in parted} == {""}
    assert len({p.digest for p in parted}) == 80
    assert [p.digest for p in parted[:60]] == [p.digest for p in photos]


def renamed(photos: list[Item]) -> list[Item]:
    """The same photos under names of the opposite order, listed by class and name."""
    others = [p._replace(filepath=f"{9999 - i}.jpg") for i, p in enumerate(photos)]
    return sorted(others, key=lambda p: (p.label_name, p.filepath))


def drawn_alone(photos: list[Item], parts: list[str]) -> list[tuple[str, str]]:
    """Classes and digests of the test photos that a draw without groups takes."""
    without = alone(photos, parts)
    split = (
        honoured_split(without, parts, **TENTHS, seed=1)
        if parts
        else stratified_group_split(without, **TENTHS, seed=1)
    )
    return sorted((photos[row].label_name, photos[row].digest) for row in split.test)


def test_drawn_alone_photos_of_one_place_in_two_folders_part_too():
    # A manifest may give the same relative path below two data_dirs.
    parted = alone([p for p in items(cup=10) for _ in range(3)])
    assert len({p.digest for p in parted}) == 30


@pytest.mark.parametrize("is_given", [False, True])
def test_what_is_drawn_alone_does_not_depend_on_names(is_given):
    photos = [p for p in items(cup=60, plate=60) for _ in range(3)]
    # Of each photo, one copy in a given val and two in train.
    parts = ["val" if i % 3 == 0 else "train" for i in range(360)] if is_given else []
    part_of = dict(zip((f"{9999 - i}.jpg" for i in range(360)), parts, strict=False))
    others = renamed(photos)
    assert [p.digest for p in others] != [p.digest for p in photos]
    again = drawn_alone(others, [part_of[p.filepath] for p in others] if is_given else [])
    assert again == drawn_alone(photos, parts)
