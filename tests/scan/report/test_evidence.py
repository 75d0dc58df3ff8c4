from edgedistill.scan.findings import (
    BAD_FILE,
    CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    Finding,
    ShownFinding,
)
from edgedistill.scan.report.evidence import left_out_section, odd_section, pair_sections
from tests.scan.report.planted import bad, flat, noise, pair, planted


def test_the_gravest_kind_comes_first_and_what_was_not_found_not_at_all():
    kinds = (DUPLICATE, NEAR_DUPLICATE, OTHER_LABEL, CONFLICT)
    facts = planted(
        n_found=dict.fromkeys(kinds, 1), shown={k: [pair(k, "a/1", "b/2")] for k in kinds}
    )
    assert [section.title for section in pair_sections(facts)] == [
        "Under two labels",
        "Nearly equal, but labelled differently",
        "Nearly equal photos of one class",
        "The same photo more than once in a class",
    ]
    assert pair_sections(planted(n_found={CONFLICT: 0})) == []


def test_the_two_photos_of_a_pair_stand_side_by_side_with_labels_and_places():
    shown = {OTHER_LABEL: [pair(OTHER_LABEL, "cup/1.jpg", "bowl/2.jpg", "97.5% alike")]}
    (section,) = pair_sections(planted(n_found={OTHER_LABEL: 1}, shown=shown))
    (exhibit,) = section.galleries[0].exhibits
    assert [(s.name, s.text) for s in exhibit.shots] == [
        ("cup", "cup/1.jpg"), ("bowl", "bowl/2.jpg"),
    ]  # fmt: skip
    assert exhibit.text == "97.5% alike"
    first, second = (s.picture for s in exhibit.shots)
    assert first is not None
    assert second is not None
    assert first.data != second.data
    assert [first.alt, second.alt] == ["Photo labelled cup", "Photo labelled bowl"]


def test_pairs_keep_their_order_and_the_rest_is_counted():
    shown = {NEAR_DUPLICATE: [pair(NEAR_DUPLICATE, f"a/{i}", f"a/x{i}") for i in range(30)]}
    (section,) = pair_sections(planted(n_found={NEAR_DUPLICATE: 1246}, shown=shown))
    places = [e.shots[0].text for e in section.galleries[0].exhibits]
    assert places == [f"a/{i}" for i in range(12)]
    assert section.paragraphs[0].startswith("1,246 pairs. ")
    assert section.paragraphs[1] == "And 1,234 more in findings.csv."


def test_a_pair_that_both_of_its_photos_tell_is_shown_once_and_counted_twice():
    shown = {
        CONFLICT: [
            pair(CONFLICT, "a/1", "b/1"), pair(CONFLICT, "a/2", "b/2"),
            pair(CONFLICT, "b/1", "a/1"), pair(CONFLICT, "b/2", "a/2"),
        ]
    }  # fmt: skip
    (section,) = pair_sections(planted(n_found={CONFLICT: 5}, shown=shown))
    exhibits = section.galleries[0].exhibits
    assert [[s.text for s in e.shots] for e in exhibits] == [["a/1", "b/1"], ["a/2", "b/2"]]
    assert section.paragraphs[1] == "And 1 more in findings.csv."


def test_files_that_a_manifest_lists_under_two_labels_are_told_apart_by_them():
    found = [
        Finding(CONFLICT, "1.jpg", "a", "1.jpg", "b"),
        Finding(CONFLICT, "1.jpg", "a", "2.jpg", "b"),
        Finding(CONFLICT, "1.jpg", "b", "2.jpg", "a"),
    ]
    shown = {CONFLICT: [ShownFinding(f, flat(1), flat(1)) for f in found]}
    (section,) = pair_sections(planted(n_found={CONFLICT: 3}, shown=shown))
    assert len(section.galleries[0].exhibits) == 3
    assert len(section.paragraphs) == 1


def test_findings_that_none_is_shown_of_are_counted_all_the_same():
    (section,) = pair_sections(planted(n_found={DUPLICATE: 3}))
    assert section.paragraphs[0].startswith("3 photos. ")
    assert section.paragraphs[1] == "And 3 more in findings.csv."
    assert section.galleries == []


def test_odd_photos_stand_by_kind_the_most_frequent_first():
    def odd(kind, i):
        return ShownFinding(Finding(kind, f"cup/{i}.jpg", "cup", detail="9 x 9 px"), flat(i))

    facts = planted(
        n_found={"tiny": 2, "very dark": 40},
        shown={"tiny": [odd("tiny", i) for i in range(2)],
               "very dark": [odd("very dark", i) for i in range(24)]},
    )  # fmt: skip
    section = odd_section(facts)
    assert section is not None
    dark, tiny = section.galleries
    assert dark.title == "Very dark: 40 photos; 28 more in findings.csv"
    assert tiny.title == "Tiny: 2 photos"
    assert [len(g.exhibits) for g in section.galleries] == [12, 2]
    (shot,) = tiny.exhibits[1].shots
    assert (shot.name, shot.text, tiny.exhibits[1].text) == ("cup", "cup/1.jpg", "9 x 9 px")
    assert odd_section(planted(n_found={CONFLICT: 1})) is None


def test_pictures_that_are_too_large_give_way_to_the_count():
    shown = {OTHER_LABEL: [pair(OTHER_LABEL, f"a/{i}", f"b/{i}") for i in range(12)]}
    shown[OTHER_LABEL] = [
        ShownFinding(one.finding, noise(0).repeat(3, 0).repeat(3, 1)[:112, :112], noise(1))
        for one in shown[OTHER_LABEL]
    ]
    (section,) = pair_sections(planted(n_found={OTHER_LABEL: 12}, shown=shown))
    n = len(section.galleries[0].exhibits)
    assert 0 < n < 12
    assert section.paragraphs[1] == f"And {12 - n} more in findings.csv."


def test_files_left_out_stand_together_by_reason():
    shown = [bad(f"a/{i}.heic", "is no photo") for i in range(5)]
    shown.insert(1, bad("b/x.jpg", "is cut short"))
    section = left_out_section(planted(n_found={BAD_FILE: 6}, shown={BAD_FILE: shown}))
    assert section is not None
    assert section.paragraphs == ["6 files cannot be used."]
    assert [list(row) for row in section.all_tables[0].rows] == [
        ["is no photo", "5", "a/0.heic, a/1.heic, a/2.heic and 2 more"],
        ["is cut short", "1", "b/x.jpg"],
    ]


def test_files_left_out_that_have_no_room_are_counted():
    shown = [bad(f"a/{i}.heic", f"reason {i}") for i in range(45)]
    section = left_out_section(planted(n_found={BAD_FILE: 1045}, shown={BAD_FILE: shown}))
    assert section is not None
    assert len(section.all_tables[0].rows) == 40
    assert section.paragraphs == [
        "1,045 files cannot be used. The first 40 by reason; bad_files.txt and findings.csv have "
        "1,005 more."
    ]
    assert left_out_section(planted()) is None


def test_only_of_groups_that_split_draws_it_is_said_that_they_stay_whole():
    kinds = (DUPLICATE, NEAR_DUPLICATE)
    n_found = dict.fromkeys(kinds, 1)
    for section in pair_sections(planted(n_found=n_found)):
        assert "form groups that split never divides" in section.paragraphs[0]
    divided = planted(n_found=n_found, split_counts={"train": 3000, "test": 1000})
    for section in pair_sections(divided):
        assert "never divides" not in section.paragraphs[0]
        assert "own division is kept, also where it parts them" in section.paragraphs[0]
