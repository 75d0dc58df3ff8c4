"""A child's output in pieces, and the two ways its lines can go."""

import io

import pytest

from edgedistill.console import Console
from edgedistill.processes import Lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def cut(*chunks: bytes) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    states: list[str] = []
    cutter = Lines(lines.append, states.append)
    for chunk in chunks:
        cutter.feed(chunk)
    cutter.close()
    return lines, states


def test_lines_are_whole_wherever_the_pieces_are_cut() -> None:
    text = "eins\nzwei für drei\r\nvier".encode()
    for place in range(len(text)):
        assert cut(text[:place], text[place:])[0] == ["eins", "zwei für drei", "vier"]


def test_a_bar_that_overwrites_itself_is_one_line_in_its_last_state() -> None:
    # As tqdm writes: a carriage return before each state, a line feed at the end.
    lines, states = cut(b"\r 10%", b"\r 60%", b"\r100%", b"\n")
    assert lines == ["100%"]
    assert states == [" 10%", " 10%", " 60%", " 60%", "100%"]


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    assert cut(b"a\xffb\n")[0] == ["a\ufffdb"]


def test_a_bar_is_shown_on_a_terminal_and_left_out_of_a_file() -> None:
    for stream, shown in (
        (io.StringIO(), "[1/2] scan\n      done\n"),
        (Terminal(), "[1/2] scan\n      10%\r\x1b[K      20%\r\x1b[K      done\n"),
    ):
        console = Console(stream)
        console.heading(1, 2, "scan")
        console.progress("10%")
        console.progress("20%")
        console.line("done")
        assert stream.getvalue() == shown


def test_a_letter_that_the_terminal_has_not_got_stops_nothing() -> None:
    held = io.BytesIO()
    terminal = io.TextIOWrapper(held, encoding="ascii")
    Console(terminal).line("Größe 5")
    assert held.getvalue() == b"      Gr??e 5\n"


@pytest.mark.parametrize("text", ["", "\n", "\r\r"])
def test_nothing_to_show_is_not_shown(text: str) -> None:
    assert cut(text.encode())[1] == []
