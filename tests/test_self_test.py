"""The self-test of an installation: what it says, and that it sees what is missing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgedistill import self_test
from edgedistill.errors import WeightsError
from edgedistill.self_test import MissingError, checks_of, passes


def test_every_step_and_every_network_is_checked() -> None:
    names = list(checks_of(downloaded_weights=True))
    assert names == [
        "KFP starts a step", "writable", "steps", "buckets and HEIC",
        "weights efficientnet_lite1", "weights efficientnet_lite2",
        "weights efficientnet_b3", "weights resnet101", "int8 file",
    ]  # fmt: skip


def test_a_check_that_passes_is_a_line_with_what_it_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert passes("disk", lambda: "there")
    assert re.fullmatch(r"ok      disk: there \(\d+\.\d s\)\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MissingError("nothing is there"), "nothing is there"),
        (WeightsError("the file does not fit"), "the file does not fit"),
        (ImportError("no module x"), "ImportError no module x"),
        (ValueError("of two\nlines"), "ValueError of two lines"),
    ],
)
def test_a_check_that_fails_is_one_line_with_the_reason(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def check() -> str:
        raise error

    assert not passes("disk", check)
    assert re.fullmatch(rf"FAILED  disk: {line} \(\d+\.\d s\)\n", capsys.readouterr().out)


def test_one_missing_thing_makes_the_status_1_and_the_others_are_checked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> str:
        raise MissingError("gone")

    checks = {"first": missing, "second": lambda: "there"}
    monkeypatch.setattr(self_test, "checks_of", lambda **_: checks)
    assert self_test.main([]) == 1
    assert "ok      second" in capsys.readouterr().out
    monkeypatch.setattr(self_test, "checks_of", lambda **_: {"second": checks["second"]})
    assert self_test.main([]) == 0
    assert capsys.readouterr().out.endswith("1 of 1 checks passed\n")


@pytest.mark.parametrize("words", [["--downloaded_weights", "perhaps"], ["--weights", "true"]])
def test_a_wrong_flag_is_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert self_test.main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_python_without_kfp_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(MissingError, match=r"ended with status 1: .*kfp"):
        self_test.step_starts()


def test_a_shell_that_is_not_there_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not passes("KFP starts a step", self_test.step_starts)


def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    with pytest.raises(MissingError, match=r"nowhere cannot be written: No such file"):
        self_test.writable()


@pytest.mark.slow
def test_weights_that_were_left_out_fail_only_where_they_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDISTILL_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingError, match="build it with DOWNLOADED_WEIGHTS=true"):
        self_test.weights_load("efficientnet_b3", required=True)
    assert self_test.weights_load("efficientnet_b3", required=False).startswith("left out")
    # 5,416,680 with the head of 1000 classes; of 3 it has 1,281,000 - 3,843 less: 4.14 million,
    # and the moving means and variances besides.
    assert self_test.weights_load("efficientnet_lite1", required=True) == "4.2 million numbers"


@pytest.mark.slow
def test_an_int8_file_that_says_something_else_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edgedistill.tf import self_check
    from edgedistill.tf.interpreter import predict_outputs

    assert self_check.export_and_run() > 1000
    monkeypatch.setattr(
        self_check, "predict_outputs", lambda *given: predict_outputs(*given)[::-1] * 2
    )
    with pytest.raises(ValueError, match="off by"):
        self_check.export_and_run()


def test_it_starts_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edgedistill.self_test", "--downloaded_weights", "maybe"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "downloaded_weights" in done.stderr
