"""Flags of the command line: each slip is one sentence, exit status 2, and touches nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from edgedistill.arguments import read_flags, read_run_arguments
from edgedistill.errors import SettingError
from edgedistill.setting_texts import settings_by_step
from edgedistill.settings import all_settings

REPOSITORY = Path(__file__).parents[1]


def test_both_ways_to_write_a_flag_are_one() -> None:
    known = ("lr_qat", "qat", "data_dir")
    assert read_flags(["--qat", "true", "--data_dir=a=b"], known) == {
        "qat": "true",
        "data_dir": "a=b",
    }
    assert read_flags(["--lr_qat", "-1"], known) == {"lr_qat": "-1"}
    assert read_flags(["--data_dir="], known) == {"data_dir": ""}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--sede", "1"], "--sede is not a setting; did you mean --seed?"),
        (["--output-dir", "x"], "--output-dir is not a setting; did you mean --output_dir?"),
        (["--zzz", "1"], "--zzz is not a setting; --help lists them all."),
        (["--seed"], "--seed has no value; write --seed VALUE."),
        (["--seed", "--qat", "true"], "--seed has no value; write --seed VALUE."),
        (["--seed", "1", "--seed=2"], "--seed is given twice; once is enough."),
        (["photos"], "photos is not a flag; settings are written --name value."),
        (["-seed", "1"], "-seed is not a flag; settings are written --name value."),
        (["--", "1"], "-- is not a flag; settings are written --name value."),
        (["--qat", "maybe"], "qat must be true or false; got maybe."),
        (["--seed", "1.5"], "seed must be a whole number at least 0 and at most 2147483647; "
         "got 1.5."),
        (["--lr_qat", "nan"], "lr_qat must be a number greater than 0 and at most 1; got nan."),
        (["--preset", "fast"], "preset must be one of standard, quick; got fast."),
        (["--overwrite", "yes"], "overwrite must be true or false; got yes."),
        (["--output_dir", "x"], "data_dir must be given: add --data_dir VALUE."),
        (["--data_dir", "x"], "output_dir must be given: add --output_dir FOLDER."),
        (["--data_dir", "x", "--train_frac", "0.9"], "train_frac, val_frac and test_frac must add "
         "up to 1; got 0.9 + 0.1 + 0.1 = 1.1."),
    ],
)  # fmt: skip
def test_a_slip_is_named_in_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(SettingError) as refused:
        read_run_arguments(words)
    assert str(refused.value) == sentence


def test_a_flag_overrides_its_preset() -> None:
    words = ["--data_dir", "sample", "--output_dir", "out"]
    quick = read_run_arguments([*words, "--preset", "quick", "--epochs_student", "7"]).settings
    assert (quick["epochs_qat"], quick["epochs_student"]) == (2, 7)
    assert quick["batch_size"] == all_settings()["batch_size"].default


def test_places_become_absolute_and_words_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--data_dir", "my photos", "--output_dir", "out", "--teacher_weights", "b3.h5"]
    wanted = read_run_arguments(words)
    assert wanted.settings["data_dir"] == str(tmp_path / "my photos")
    assert wanted.settings["teacher_weights"] == str(tmp_path / "b3.h5")
    assert wanted.settings["student_weights"] == "imagenet"
    assert wanted.output_dir == tmp_path / "out"
    sample = read_run_arguments(["--data_dir", "sample", "--output_dir", "out"])
    assert sample.settings["data_dir"] == "sample"
    assert sample.settings["unknown_uri"] == ""
    for name in ("baseline_uri", "export_uri", "checkpoint_uri"):
        given = read_run_arguments([*words, f"--{name}", "shelf"]).settings
        assert (given[name], sample.settings[name]) == (str(tmp_path / "shelf"), "")
    unknown = read_run_arguments([*words, "--unknown_uri", "odd"]).settings["unknown_uri"]
    assert unknown == str(tmp_path / "odd")
    bucket = read_run_arguments(["--data_dir", "gs://bucket/photos", "--output_dir", "out"])
    assert bucket.settings["data_dir"] == "gs://bucket/photos"


def test_automatic_size_is_resolved_and_whole_numbers_become_floats() -> None:
    words = ["--data_dir", "sample", "--output_dir", "out", "--teacher_arch", "resnet101"]
    settings = read_run_arguments([*words, "--distill_alpha", "1"]).settings
    assert settings["teacher_img_size"] == "224"
    assert type(settings["distill_alpha"]) is float


def teachers(*words: str) -> tuple[object, ...]:
    """What the flags become of networks, image size and weights of two teachers."""
    always = ["--data_dir", "sample", "--output_dir", "out"]
    archs = ["--teacher_arch", "efficientnet_lite2, resnet101"]
    settings = read_run_arguments([*always, *archs, *words]).settings
    return tuple(settings[f"teacher_{name}"] for name in ("arch", "img_size", "weights"))


def test_several_teachers_stand_without_blanks_and_auto_stays_where_their_sizes_differ() -> None:
    archs = "efficientnet_lite2,resnet101"
    assert teachers() == (archs, "auto", "imagenet")
    assert teachers("--teacher_img_size", "96") == (archs, "96", "imagenet")


def test_files_of_several_teachers_become_absolute_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, _, weights = teachers("--teacher_weights", "imagenet, r.h5")
    assert weights == f"imagenet,{tmp_path}/r.h5"
    _, _, weights = teachers("--teacher_weights", "s3://b/l.pth,r.h5")
    assert weights == f"s3://b/l.pth,{tmp_path}/r.h5"
    with pytest.raises(SettingError, match=r"teacher_weights must not be empty\."):
        teachers("--teacher_weights", "imagenet,")


def test_a_folder_with_a_comma_will_do_for_one_teachers_file_and_is_refused_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a,b").mkdir()
    monkeypatch.chdir(tmp_path / "a,b")
    words = ["--data_dir", "sample", "--output_dir", "out", "--teacher_weights", "b3.h5"]
    one = read_run_arguments(words).settings
    assert one["teacher_weights"] == f"{tmp_path}/a,b/b3.h5"
    with pytest.raises(SettingError, match=r"which is 2; got imagenet,.*/a,b/r\.h5\."):
        teachers("--teacher_weights", "imagenet,r.h5")


def test_help_shows_every_setting_once() -> None:
    names = [d.name for group in settings_by_step().values() for d in group]
    assert sorted(names) == sorted(all_settings())


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), *words],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_of_run_gives_default_unit_and_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert pipeline.main(["run", "--help"]) == 0
    page = capsys.readouterr().out
    for name in all_settings():
        assert page.count(f"\n  --{name} ") == 1
    epochs = page[page.index("--epochs_qat ") :].splitlines()
    assert epochs[1].endswith("[default 10; epochs; at least 1 and at")
    assert page.index("\nscan:") < page.index("--student_img_size") < page.index("\nsplit:")


def test_the_bare_command_shows_an_example_of_each_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pipeline.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    examples = [line.split() for line in lines if line.startswith("    python pipeline.py")]
    assert list(dict.fromkeys(words[2] for words in examples)) == list(pipeline.COMMANDS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--qat", "maybe"], "qat must be true or false; got maybe."),
        (["train"], f"train is no command; there are {', '.join(pipeline.COMMANDS)}."),
        (["compile", "--seed", "1"], "--seed is not a setting; --help lists them all."),
    ],
)
def test_a_refusal_is_one_line_on_stderr_and_status_2(words: list[str], sentence: str) -> None:
    done = run_command(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{sentence}\n")


def test_a_missing_data_folder_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    missing, out = tmp_path / "no photos", tmp_path / "out"
    done = run_command("run", "--data_dir", str(missing), "--output_dir", str(out))
    assert done.returncode == 2
    assert str(missing) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
