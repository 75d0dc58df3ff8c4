import pytest

from edgedistill.scan.findings import BAD_FILE, CONFLICT, DUPLICATE, NEAR_DUPLICATE, OTHER_LABEL
from edgedistill.scan.report.verdict import division, n_left_out, odd_found, standing_out, verdict
from tests.scan.report.planted import planted


def clauses(**facts) -> list[str]:
    return [remark.clause for remark in standing_out(planted(**facts))]


def test_a_collection_without_faults_is_not_talked_ill_of():
    assert verdict(planted()) == "These photos can be trained on: nothing stands out."
    assert standing_out(planted()) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"n_found": {CONFLICT: 12}}, ["12 photos lie under two labels and were left out"]),
        ({"n_found": {CONFLICT: 1}}, ["1 photo lies under two labels and was left out"]),
        (
            {"n_found": {OTHER_LABEL: 1}},
            ["1 pair of nearly equal photos has different labels"],
        ),
        # 4,000 photos and 41 files: 41 / 4041 = 1.01 %, 40 / 4040 = 0.99 %.
        ({"n_found": {BAD_FILE: 41}}, ["41 files (1.0%) were unusable and left out"]),
        ({"n_found": {BAD_FILE: 40}}, []),
        ({"counts": {"a": 100, "b": 99}}, ["class 'b' has only 99 photos"]),
        ({"counts": {"a": 100, "b": 100}}, []),
        (
            {"counts": {"c": 14, "b": 99, "a": 130}},
            ["2 of 3 classes have fewer than 100 photos, the smallest, 'c', only 14"],
        ),
        (
            {"counts": {"a": 1000, "b": 100}},
            ["the largest class has 10 times the photos of the smallest"],
        ),
        ({"counts": {"a": 999, "b": 100}}, []),
        (
            {"leak_share": 0.031, "n_grouped": 4, "n_found": {NEAR_DUPLICATE: 2}},
            [
                "3.1% of the test photos would have had a near duplicate in train "
                "(now kept together)"
            ],
        ),
        # One pair explains two grouped photos: the others are grouped by the collection itself.
        (
            {"leak_share": 0.5, "n_grouped": 3000, "n_found": {NEAR_DUPLICATE: 1}},
            [
                "50.0% of the test photos would have had a photo of their own group in train "
                "(now kept together)"
            ],
        ),
        ({"leak_share": 0.0099, "n_grouped": 2, "n_found": {DUPLICATE: 1}}, []),
        # 80 of 4,000 are 2 %.
        ({"n_found": {"very dark": 80, "tiny": 79}}, ["many photos look odd (2.0% very dark)"]),
        ({"n_found": {"very dark": 79}}, []),
        ({"n_found": {NEAR_DUPLICATE: 500, DUPLICATE: 500}}, []),
    ],
)
def test_a_remark_is_made_where_its_reason_is_and_nowhere_else(facts, expected):
    assert clauses(**facts) == expected


def everything():
    return planted(
        {"a": 1000, "b": 14},
        n_found={
            "blurred": 300, BAD_FILE: 100, NEAR_DUPLICATE: 7, OTHER_LABEL: 3, CONFLICT: 12,
        },
        leak_share=0.031,
        n_grouped=20,
    )  # fmt: skip


def test_what_matters_most_comes_first():
    telling = [
        "two labels", "different labels", "unusable", "'b' has only 14", "71 times",  # 1000 / 14
        "near duplicate in train", "blurred",
    ]  # fmt: skip
    told = [remark.clause for remark in standing_out(everything())]
    assert len(told) == len(telling)
    assert all(word in clause for word, clause in zip(telling, told, strict=True))


def test_the_verdict_names_three_things_and_counts_the_rest():
    # 100 of 1014 + 112 files are 8.9 %.
    assert verdict(everything()) == (
        "These photos can be trained on, but look at seven things first: 12 photos lie under two "
        "labels and were left out; 3 pairs of nearly equal photos have different labels; 100 files "
        "(8.9%) were unusable and left out; and four more below."
    )
    assert verdict(planted({"a": 120, "b": 14})) == (
        "These photos can be trained on, but look at one thing first: class 'b' has only 14 photos."
    )


def test_a_class_that_cannot_be_split_is_not_called_fit():
    told = planted({"a": 200, "b": 2})
    assert verdict(told).startswith(
        "These photos cannot be split for training yet. Look at three things first: class 'b' has "
        "only 2 photos, and a split needs 3; "
    )
    assert "will stop at such a class" in standing_out(told)[0].advice
    assert "cannot" not in verdict(planted({"a": 200, "b": 3}))


def test_a_class_of_too_few_groups_is_not_called_fit_however_many_its_photos():
    counts = {"a": 500, "b": 500, "c": 500}
    two = planted(counts, n_groups={"a": 3, "b": 2, "c": 1}, leak_share=0.9, n_grouped=1500)
    assert verdict(two).startswith("These photos cannot be split for training yet.")
    assert clauses(counts=counts, n_groups={"a": 3, "b": 2, "c": 1}) == [
        "class 'b' has 500 photos but only 2 groups of them, and a split needs 3, and so have 1 "
        "more"
    ]
    assert clauses(counts=counts, n_groups={"a": 3, "b": 3, "c": 3}) == []


@pytest.mark.parametrize(
    ("b", "n_groups", "expected"),
    [
        ({"val": 200, "test": 200}, 0, "no photo in train, and a split needs 1"),
        ({"val": 200, "train": 200, "test": 200}, 1, ""),
        # No photo in val: train gives some to it.
        ({"train": 200, "test": 200}, 1, "200 photos in train but only 1 group of them, and a "
         "split needs 2"),
        ({"train": 200, "test": 200}, 2, ""),
        ({"train": 1, "test": 400}, 1, "only 1 photo in train, and a split needs 2"),
    ],
)  # fmt: skip
def test_a_divided_collection_must_have_enough_in_train(b, n_groups, expected):
    # Of a, val has photos where it has some of b.
    by_split = {"a": dict.fromkeys(b, 200) | {"train": 200}, "b": b}
    counts = {name: sum(of.values()) for name, of in by_split.items()}
    facts = planted(counts, by_split=by_split, n_groups={"a": 200, "b": n_groups})
    told = [f"class 'b' has {expected}"] if expected else []
    assert [remark.clause for remark in standing_out(facts)] == told
    assert ("cannot be split" in verdict(facts)) == bool(expected)


def test_every_remark_says_what_to_do():
    words = ("Keep the file", "Look at", "Convert", "collect", "use_class_weights", "needs", "Take")
    for remark in standing_out(everything()):
        assert remark.advice.endswith(".")
        assert any(word.lower() in remark.advice.lower() for word in words)


def test_a_divided_collection_is_told_what_is_kept_and_what_is_missing():
    assert division(planted()) == []
    assert division(planted(split_counts={"train": 3000, "val": 500, "test": 500})) == [
        "This collection is divided already, and its division is kept as it is: 3,000 for train, "
        "500 for val and 500 for test."
    ]
    assert division(planted(split_counts={"train": 3200, "test": 799, "": 1})) == [
        "This collection is divided already, and its division is kept as it is: 3,200 for train "
        "and 799 for test.",
        "It has none for val: these are taken from train.",
        "1 photo belongs to no part.",
    ]
    assert "nothing can be trained" in division(planted(split_counts={"test": 4000}))[1]


def test_a_leak_is_not_called_mended_where_the_collection_keeps_its_own_division():
    facts = planted(split_counts={"train": 3000, "test": 1000}, leak_share=0.2)
    (remark,) = standing_out(facts)
    assert remark.clause == ("20.0% of the test photos have a near duplicate in train or val")
    assert "division is kept" in remark.advice


def test_a_test_that_split_will_draw_is_mended_also_of_a_divided_collection():
    facts = planted(split_counts={"train": 3000, "val": 1000}, leak_share=0.2)
    (remark,) = standing_out(facts)
    assert remark.clause.endswith("would have had a near duplicate in train (now kept "
                                  "together)")  # fmt: skip


def test_left_out_and_odd_are_counted_apart():
    facts = planted(
        n_found={CONFLICT: 12, BAD_FILE: 5, DUPLICATE: 9, OTHER_LABEL: 2, NEAR_DUPLICATE: 4,
                 "tiny": 1, "blurred": 3, "very dark": 0}
    )  # fmt: skip
    assert n_left_out(facts) == 17
    assert list(odd_found(facts).items()) == [("blurred", 3), ("tiny", 1)]
