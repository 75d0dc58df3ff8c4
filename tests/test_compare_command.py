"""The command `compare`, from its words to the page, as far as a user meets it."""

import os
from pathlib import Path

import pytest

import pipeline
from edgedistill.arguments import read_compare_arguments
from edgedistill.errors import SettingError
from edgedistill.report.compare_page import TITLE
from tests.finished_runs import Run, Said

PHOTOS = [Said("cup/1.jpg", "cup", "cup"), Said("cup/2.jpg", "cup", "mug")]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the runs a and b."""
    for name in ("a", "b"):
        Run(PHOTOS).write(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_folders_and_flags_come_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = read_compare_arguments(["a", "--output", "x.html", "b", "--overwrite=true", "c"])
    assert wanted.folders == (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert (wanted.output, wanted.overwrite) == (tmp_path / "x.html", True)
    assert read_compare_arguments(["a", "b"]).output == tmp_path / "compare.html"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "b", "--outptu", "x"], "--outptu is not a setting; did you mean --output?"),
        (["a", "b", "--output"], "--output has no value; write --output VALUE."),
        (["a", "b", "--output", "--overwrite", "true"], "--output has no value; write --output "
         "VALUE."),
        (["a", "b", "--output="], "output must not be empty."),
        (["a", ""], "the folder of a run must not be empty."),
        (["a", "b", "--overwrite", "yes"], "overwrite must be true or false; got yes."),
    ],
)  # fmt: skip
def test_a_slip_is_named_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(SettingError) as refused:
        read_compare_arguments(words)
    assert str(refused.value) == sentence


def test_the_page_is_written_into_the_current_folder_and_the_runs_stay(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(runs)
    assert pipeline.main(["compare", "a", "b"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.splitlines()[1] == "a  50.0% (48.0 to 52.0) of 2"
    assert shown.out.splitlines()[-1] == f"Page: {runs / 'compare.html'}"
    after = content(runs)
    page = after.pop(str(runs / "compare.html"))
    assert f"<title>{TITLE}</title>".encode() in page
    assert after == before


def test_an_earlier_page_is_replaced_and_another_file_only_when_told_to(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = runs / "compare.html"
    place.write_text("<title>Mine</title>", encoding="utf-8")
    assert pipeline.main(["compare", "a", "b"]) == 2
    assert capsys.readouterr().err == (
        f"{place} is no page of compare: choose another --output, or add --overwrite true.\n"
    )
    assert place.read_text(encoding="utf-8") == "<title>Mine</title>"
    assert pipeline.main(["compare", "a", "b", "--overwrite", "true"]) == 0
    Run([Said("cup/1.jpg", "cup", "mug")]).write(runs / "c")
    assert pipeline.main(["compare", "b", "c"]) == 0
    assert "<td>folder</td>" in place.read_text(encoding="utf-8")
    assert f"{runs / 'c'}" in place.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "compare takes 2 to 10 output folders of finished runs; got 0: "),
        (["a"], "compare takes 2 to 10 output folders of finished runs; got 1: "),
        (["a", "./a"], "/a is given twice; "),
        (["a", "gone"], "/gone is no folder."),
        (["a", "a/labels.txt"], "/labels.txt is no folder."),
        (["a", "b", "--output", "a"], "output must be a file; "),
        (["a", "b", "--output", "a/labels.txt"], "a/labels.txt is no page of compare: "),
        (["a", "b", "--output", "a/labels.txt/x.html"], "output cannot be made: "),
        (["a", "b", "--output", "pipe", "--overwrite", "true"], "/pipe is none."),
        (["a", "b", "--output", "x" * 300], "File name too long."),
    ],
)
def test_what_cannot_be_compared_is_one_sentence_status_2_and_no_page(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    os.mkfifo(runs / "pipe")
    before = content(runs)
    assert pipeline.main(["compare", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
    assert content(runs) == before


def test_a_link_to_a_run_is_the_same_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "link").symlink_to(runs / "a")
    assert pipeline.main(["compare", "a", "link"]) == 2
    assert "is given twice" in capsys.readouterr().err


def test_help_of_compare_says_what_it_takes_and_what_its_status_means(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pipeline.main(["compare", "--help"]) == 0
    page = capsys.readouterr().out
    assert "2 to 10 finished runs" in page
    assert "--output TEXT" in page
    assert "[default compare.html]" in page
    assert "--overwrite true|false" in page
    assert "Exit status 0: the page is written; 2: " in page
