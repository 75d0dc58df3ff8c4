import re
import subprocess
import sys
from itertools import pairwise

import pytest

from edgedistill.scan.findings import (
    BAD_FILE,
    CONFLICT,
    DUPLICATE,
    NEAR_DUPLICATE,
    OTHER_LABEL,
    Finding,
    ShownFinding,
)
from edgedistill.scan.report.page import render_scan_page
from tests.report.test_page import parse
from tests.scan.report.planted import bad, flat, noise, pair, planted

LIMIT_BYTES = 2_000_000
ODD = "very dark"
PAIRS = (CONFLICT, OTHER_LABEL, NEAR_DUPLICATE, DUPLICATE)


def every_finding(n: int = 3, name: str = "img"):
    """Facts with findings of every kind, each shown."""
    shown = {kind: [pair(kind, f"a/{name}{i}", f"b/{name}{i}") for i in range(n)] for kind in PAIRS}
    shown[BAD_FILE] = [bad(f"a/{name}{i}", f"{name} is cut short") for i in range(n)]
    odd = Finding(ODD, f"a/{name}", "a", detail="12 x 13 px")
    shown[ODD] = [ShownFinding(odd, flat(3))] * n
    return shown


def full_facts(**others):
    n_found = {
        CONFLICT: 1012, OTHER_LABEL: 2003, NEAR_DUPLICATE: 3017, DUPLICATE: 4021,
        BAD_FILE: 5023, ODD: 6029,
    }  # fmt: skip
    return planted(
        {"a": 23_456, "b": 34_567, "c": 117},
        n_found=n_found, shown=every_finding(), n_grouped=7919, leak_share=0.0731,
        split_counts={"train": 50_123, "test": 8_017}, **others,
    )  # fmt: skip


@pytest.fixture(scope="module")
def full_page() -> str:
    return render_scan_page(full_facts(), flat)


def texts(page: str) -> str:
    return " ".join(parse(page).text)


def test_the_page_is_well_formed_and_needs_no_other_file(full_page):
    for tag, attributes in parse(full_page).seen:
        assert tag not in {"a", "script", "link", "iframe", "object", "base", "form"}
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")
        assert tag != "img" or "alt" in attributes
    assert not re.search(r"https?://|@import|url\(", full_page)


def test_the_verdict_stands_before_all_else_and_the_evidence_after_the_classes(full_page):
    places = [
        full_page.index(text)
        for text in (
            '<p class="lead">These photos can be trained on, but look at', '<div class="cards">',
            "<h2>Look at this first", "<h2>Divided already", "<h2>Classes",
            "<h2>What the network sees", "<h2>Under two labels", "<h2>Nearly equal, but",
            "<h2>Nearly equal photos of", "<h2>The same photo", "<h2>Odd photos",
            "<h2>Files left out", "<h2>Labels that look wrong",
        )
    ]  # fmt: skip
    assert all(before < after for before, after in pairwise(places))


def test_every_headline_is_the_facts_number(full_page):
    cards = re.findall(
        r'<span class="label">(.*?)</span><span class="value">(.*?)</span>'
        r'<span class="remark">(.*?)</span>',
        full_page,
    )
    assert cards == [
        ("photos", "58,140", "in the catalogue"),  # 23,456 + 34,567 + 117
        ("classes", "3", "of 117 to 34,567 photos"),
        ("left out", "6,035", "5,023 unusable, 1,012 under two labels"),
        ("grouped photos", "7,919", "share a group with another"),
        (
            "leak share", "7.3%",
            "of its own test photos, with one of their group in train or val",
        ),
    ]  # fmt: skip


def test_every_number_of_the_facts_is_in_the_page(full_page):
    told = texts(full_page)
    for number in (
        "1,012 photos lie under two labels", "2,003 pairs of nearly equal photos", "5,023 files (",
        "34,567", "23,456", "50,123 for train", "8,017 for test", "3,017 pairs. ",
        "4,021 photos. ", "Very dark: 6,029 photos", "And 2,000 more", "And 3,014 more",
        "7.3% of the test photos", "40.34%",  # 23,456 / 58,140
    ):  # fmt: skip
        assert number in told


def test_a_collection_without_faults_has_a_short_page():
    page = render_scan_page(planted(), flat)
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == ["Classes", "What the network sees", "Labels that look wrong"]
    assert "nothing stands out" in page


def test_the_leak_of_a_test_that_is_drawn_is_told_as_what_was_avoided():
    assert "if drawn one by one, with one of their group in train" in render_scan_page(
        planted(), flat
    )


def test_the_page_says_where_labels_that_look_wrong_are_found(full_page):
    place = full_page.index("<h2>Labels that look wrong")
    assert "shows only when a trained network contradicts it" in full_page[place:]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("\"quoted\" & 'quoted'", "\"quoted\" & 'quoted'"),
        ("two\nlines\x07", "two\\nlines\\x07"),
        ("gpj\u202eexe", "gpj\\u202eexe"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\udce9"),
        ("שלום", "שלום"),
    ],
)
def test_a_name_is_shown_as_text_whatever_it_holds(name, shown):
    facts = planted(
        {name: 50, "b": 5000}, data_dir=name, n_found=dict.fromkeys((*PAIRS, BAD_FILE, ODD), 3),
        shown=every_finding(name=name),
    )  # fmt: skip
    page = render_scan_page(facts, flat)
    parser = parse(page)
    page.encode("utf-8")
    assert {tag for tag, _ in parser.seen} <= {tag for tag, _ in parse(full_reference()).seen}
    assert not any("onerror" in attributes for _, attributes in parser.seen)
    told = "\n".join(parser.text)
    # Title and heading, class table, sheet, sentences; each kind's places and reasons.
    assert told.count(shown) > 2 + 4 + 8
    assert name == shown or name not in page


def full_reference() -> str:
    return render_scan_page(full_facts(), flat)


def test_a_thousand_classes_and_many_findings_stay_below_two_megabytes():
    counts = {f"class {i:04}": 5 + i % 90 for i in range(1000)}
    shown = every_finding(500)
    for kind in shown:
        shown[kind] = [ShownFinding(s.finding, noise(0), noise(1)) for s in shown[kind]]
    facts = planted(
        counts, n_found=dict.fromkeys(shown, 100_000), shown=shown, leak_share=0.3, n_grouped=900
    )
    page = render_scan_page(facts, noise)
    assert len(page.encode()) < LIMIT_BYTES
    names = set(re.findall("<figcaption><b>(class [0-9]+)</b>", page))
    assert names == set(counts)
    parse(page)


def test_names_of_nothing_but_escapes_stay_below_two_megabytes_too():
    quotes = '"' * 122  # six bytes each in HTML; a class name has at most 127
    counts = {f"{quotes}{i:05}": 9 for i in range(5000)}
    shown = {
        kind: [
            ShownFinding(
                Finding(kind, '"' * 4000 + str(i), quotes, '"' * 3999, quotes, '"' * 999 + str(i)),
                noise(0),
                noise(1),
            )
            for i in range(60)
        ]
        for kind in (*PAIRS, BAD_FILE, ODD, "tiny", "blurred")
    }
    facts = planted(
        counts, n_found=dict.fromkeys(shown, 60), shown=shown, data_dir=quotes * 40,
        split_counts={"train": 45_000},
    )  # fmt: skip
    page = render_scan_page(facts, noise)
    assert len(page.encode()) < LIMIT_BYTES
    assert "of 5,000 classes have room here" in page


def test_rendering_loads_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys, edgedistill.scan.report.page; "
        "print(sorted({'matplotlib', 'tensorflow', 'kfp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
