import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from edgedistill.report.page import (
    Exhibit,
    Gallery,
    Headline,
    Picture,
    Section,
    Shot,
    Table,
    exhibit_html,
    render_page,
)

PNG, JPEG, WEBP = b"\x89PNG....", b"\xff\xd8....", b"RIFF....WEBP"
VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Collects tags and fails on one that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parse(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def framed_gallery(text: str, *, folded: bool = False) -> Gallery:
    pair = Exhibit([Shot(Picture(WEBP, text), text, text), Shot(None, text, text)], text=text)
    row = Exhibit([Shot(Picture(WEBP, text)), Shot(Picture(WEBP, ""))], title=text, text=text)
    return Gallery([pair, row], 200, text, folded)


def full_page(text: str = "text") -> str:
    table = Table([text, "n"], [[text, "1"], ["b", "–"]], title=text)
    sections = [
        Section(text, [text], [text], table, images=[Picture(PNG, text, text)]),
        Section(text, tables=[table, Table(["a"], [["x"]], title=text, folded=True)]),
        Section(text, images=[Picture(PNG, text), Picture(JPEG, text, wide=True)]),
        Section(text, galleries=[framed_gallery(text), framed_gallery(text, folded=True)]),
        Section(text, bullets=[text], tables=[table, table], ordered=True, abreast=True),
    ]
    return render_page(text, text, sections, [Headline(text, text, text)])


def test_a_page_is_well_formed_and_needs_no_other_file():
    page = full_page()
    for tag, attributes in parse(page).seen:
        assert tag not in {"a", "script", "link", "iframe", "object", "base", "form"}
        assert str(attributes.get("src", "data:image/")).startswith("data:image/")
    assert not re.search(r"https?://|@import|url\(", page)


def test_every_text_is_escaped():
    odd = "<script>alert(\"&amp;')</script>"
    parser = parse(full_page(odd))
    assert "script" not in {tag for tag, _ in parser.seen}
    # A gallery has its title, three texts of each of two shots less one name, and two captions:
    # 1 + 2 * 2 + 1 + 2 texts; the last section its heading, a bullet and two tables of 3 texts.
    assert parser.text.count(odd) >= 12 + 2 * 8 + 8
    assert odd in {attributes.get("alt") for _, attributes in parser.seen}


def test_pictures_are_told_apart_by_their_content():
    sources = [a["src"] for tag, a in parse(full_page()).seen if tag == "img"]
    assert [str(s).partition(";")[0] for s in sources] == [
        "data:image/png", "data:image/png", "data:image/jpeg", *["data:image/webp"] * 6,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "is_number"),
    [
        (["1", "2,527", "0.5", "91.3%", "12 px", "−0.4", "< 0.001", "–", ""], True),
        (["1", "two"], False),
        (["3a"], False),
        (["–", ""], False),
        (["2026-11-22"], False),
    ],
)
def test_a_column_of_numbers_is_set_flush_right(cells, is_number):
    table = Table(["name", "value"], [["x", cell] for cell in cells])
    page = render_page("t", "l", [Section("s", table=table)])
    numbers = [a for tag, a in parse(page).seen if tag == "td" and a.get("class") == "number"]
    assert len(numbers) == (len(cells) if is_number else 0)


def test_a_row_that_does_not_fit_its_header_is_refused():
    with pytest.raises(ValueError, match="zip"):
        render_page("t", "l", [Section("s", table=Table(["a", "b"], [["x", "y", "z"]]))])


def test_a_table_without_header_texts_has_no_head():
    page = render_page("t", "l", [Section("s", table=Table(["", ""], [["x", "y"]]))])
    assert "thead" not in {tag for tag, _ in parse(page).seen}


def test_a_page_without_plots_does_not_load_matplotlib():
    code = "import sys, edgedistill.report.page; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_steps_are_numbered_and_other_bullets_are_not():
    for ordered, tag in ((True, "ol"), (False, "ul")):
        page = render_page("t", "l", [Section("s", bullets=["a", "b"], ordered=ordered)])
        assert f"<{tag}><li>a</li><li>b</li></{tag}>" in page


def test_tables_stand_abreast_but_for_folded_ones():
    tables = [
        Table(["a"], [["first"]]), Table(["a"], [["second"]]),
        Table(["a"], [["third"]], "open me", folded=True),
    ]  # fmt: skip
    page = render_page("t", "l", [Section("s", tables=tables, abreast=True)])
    abreast = page[page.index('<div class="abreast">') : page.index("<details>")]
    assert "first" in abreast
    assert "second" in abreast
    assert "third" in page[page.index("<details>") :]
    assert page.count("third") == 1


def test_each_column_has_a_header_cell_that_says_so():
    page = render_page("t", "l", [Section("s", table=Table(["a", "n"], [["x", "1"]]))])
    heads = [a for tag, a in parse(page).seen if tag == "th"]
    assert heads == [{"scope": "col"}, {"scope": "col", "class": "number"}]


def test_a_gallery_folds_and_says_how_wide_its_columns_are():
    folded = Gallery([Exhibit([Shot(None)], "cup")], 120, "Photos", folded=True)
    page = render_page("t", "l", [Section("s", galleries=[folded])])
    parts = page[page.index("<details>") : page.index("</details>")]
    assert parts.startswith("<details><summary>Photos</summary>")
    assert 'style="--cell:120px"' in parts
    assert "no picture" in parts


def test_an_exhibit_is_as_long_in_the_page_as_it_is_by_itself():
    exhibit = Exhibit([Shot(Picture(WEBP, "a"), "é", "<")], text="why")
    assert exhibit_html(exhibit) in render_page(
        "t", "l", [Section("s", galleries=[Gallery([exhibit], 100)])]
    )
