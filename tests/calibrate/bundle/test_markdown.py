import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from edgedistill.calibrate.bundle.markdown import escaped, paragraph, table

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Names of classes are lines without white space at their ends.
NAMES = st.text(string.punctuation + "a1 杯🦊", min_size=1).filter(lambda x: x == x.strip())


def shown_cells(markdown: str) -> list[str]:
    """What a reader sees in the cells of a table, by a Markdown parser that is not ours."""
    cells = []
    for token in PARSER.parse(markdown):
        if token.type == "inline":
            assert token.children is not None
            assert {child.type for child in token.children} <= {"text", "text_special"}
            cells.append("".join(child.content for child in token.children))
    return cells


@given(NAMES)
def test_an_escaped_name_is_shown_as_it_is(name):
    markdown = table(("class", "n"), [(escaped(name), "1")])
    assert shown_cells(markdown) == ["class", "n", name.replace("  ", " \N{NO-BREAK SPACE}"), "1"]


@pytest.mark.parametrize("name", ["a|b", "*a*", "`a`", "<b>", "&amp;", "a\\|b", "![x](y)", "\\"])
def test_a_name_with_mark_up_is_shown_as_it_is(name):
    assert shown_cells(table(("c",), [(escaped(name),)])) == ["c", name]


def test_a_name_without_mark_up_is_left_alone():
    assert escaped("Grüner Tee - 杯子 1") == "Grüner Tee - 杯子 1"


def test_a_paragraph_is_broken_into_lines():
    text = paragraph("word " * 50)
    assert text.endswith("word\n")
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) == 3  # 20 words of 5 columns a line: 50 take two and a half


def test_no_line_begins_inside_code():
    text = paragraph("x" * 90 + " `score = (q - 1) * 2` end")
    assert text.splitlines()[1] == "`score = (q - 1) * 2` end"


def test_the_lines_of_an_item_are_indented():
    lines = paragraph("- " + "word " * 30, indent=2).splitlines()
    assert lines[0].startswith("- word")
    assert lines[1].startswith("  word")
