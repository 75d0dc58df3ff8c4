import pytest

from edgedistill.scan.report.wording import counted, in_words, listed, quoted, visible


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b.jpg", "a b.jpg"),
        ("Käse/猫.jpg", "Käse/猫.jpg"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("bell\x07", "bell\\x07"),
        ("gpj\u202eexe.", "gpj\\u202eexe."),  # would turn the rest of the name round
        ("a\u200bb", "a\\u200bb"),  # looks like "ab"
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\udce9"),
    ],
)
def test_what_cannot_be_seen_is_written_as_escapes(name, shown):
    assert visible(name, 100) == shown
    assert shown.encode()


def test_a_long_text_loses_its_middle():
    # 9 characters: " … " takes 3 of them, 3 are left for either end.
    assert visible("0123456789", 9) == "012 … 789"
    assert visible("0123456789", 10) == "0123456789"


def test_a_name_from_right_to_left_leaves_the_sentence_around_it_alone():
    assert quoted("שלום") == "'\u2068שלום\u2069'"
    assert quoted("cup") == "'cup'"


def test_counts_have_their_nouns():
    assert [counted(n, "photo") for n in (0, 1, 2, 1234)] == [
        "0 photos", "1 photo", "2 photos", "1,234 photos",
    ]  # fmt: skip
    assert counted(2, "class", "classes") == "2 classes"
    assert [in_words(n) for n in (1, 10, 11)] == ["one", "ten", "11"]
    assert [listed("abc"[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
