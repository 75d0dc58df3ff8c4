"""The command line with the real pipeline, as far as it goes without TensorFlow."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pipeline
from edgedistill.artifacts import MODEL_FILE, RUN_METADATA, TRAINING_CONFIG
from edgedistill.core.fingerprint import dataset_digest, pixel_digest
from edgedistill.presets import resolve
from edgedistill.run_metadata import environment
from tests.storage.servers import Bucket

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes, one of which has no readable photo: scan finds out only when it decodes."""
    folder = tmp_path / "größere python3 photos"
    for name in ("cup", "mug"):
        (folder / name).mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(folder / "cup" / f"{number}.png")
    (folder / "mug" / "0.jpg").write_bytes(b"no photo")
    return folder


def start(photos: Path, out: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", "--data_dir", str(photos),
         "--output_dir", str(out), "--teacher_arch", "efficientnet_lite2", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_step_that_refuses_ends_the_run_with_its_sentence_and_status_2(
    photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = start(photos, out)
    shown, errors = run.communicate(timeout=60)
    assert run.returncode == 2, errors
    assert shown.startswith("[1/7] scan\n")
    sentence, place = errors.splitlines()
    assert re.fullmatch(r"scan failed: .*\bmug\b.*\.", sentence)
    log = Path(place.removeprefix("Its log: "))
    assert log.read_text(encoding="utf-8").splitlines()[-1] == sentence.removeprefix(
        "scan failed: "
    )
    assert not out.exists()


def test_a_stopped_run_says_so_in_one_line(photos: Path, tmp_path: Path) -> None:
    run = start(photos, tmp_path / "out")
    assert run.stdout is not None
    assert run.stdout.readline() == "[1/7] scan\n"
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors == (
        "Stopped by SIGINT; the same command goes on after the last finished step, in a training "
        "after its last finished epoch.\n"
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--data_dir", "", "--output_dir", "out"], "data_dir must not be empty."),
        (["--data_dir", "sample", "--output_dir", ""], "output_dir must be given"),
        (["--data_dir", "sample", "--output_dir", "/"], "must be a folder of its own; got /."),
        (["--data_dir", "~no such user/x", "--output_dir", "out"], "who does not exist."),
        (["--data_dir", "sample", "--output_dir", "out", "--unknown_uri", "odd"],
         "odd does not exist; it must hold photos that belong to no class."),
        (
            ["--data_dir", "sample", "--output_dir", "out", "--epochs_teacher", "0",
             "--teacher_weights", "none"],
            "epochs_teacher must be at least 1",
        ),
    ],
)  # fmt: skip
def test_places_that_cannot_be_are_one_sentence(
    tmp_path: Path, flags: list[str], sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", *flags],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_weights_of_every_teacher_are_looked_for_before_any_work(
    photos: Path, tmp_path: Path
) -> None:
    missing, out = tmp_path / "no such.h5", tmp_path / "out"
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", "--data_dir", str(photos),
         "--output_dir", str(out), "--teacher_arch", "efficientnet_lite2,resnet101",
         "--teacher_weights", f"imagenet,{missing}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "resnet101" in done.stderr
    assert str(missing) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == [photos.name]


@pytest.mark.slow
def test_weights_in_a_bucket_are_looked_at_before_any_work(
    photos: Path, tmp_path: Path, bucket: Bucket
) -> None:
    place = bucket.put("lite1.pth", b"no weights")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", "--data_dir", str(photos),
         "--output_dir", str(tmp_path / "out"), "--teacher_arch", "efficientnet_lite2",
         "--student_weights", place],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"weights of efficientnet_lite1 must be .+; {place} is .+\n", done.stderr)
    assert [p.name for p in tmp_path.iterdir()] == [photos.name]


def test_states_within_the_run_are_one_sentence(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data_dir", str(photos), "--output_dir", str(tmp_path / "out")]
    assert pipeline.main(["run", *words, "--checkpoint_uri", str(tmp_path / "out" / "x")]) == 2
    assert capsys.readouterr().err.startswith("checkpoint_uri must not lie in output_dir, ")
    assert [p.name for p in tmp_path.iterdir()] == [photos.name]


def test_a_run_under_nohup_outlives_its_terminal(photos: Path, tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "from edgedistill.processes import stop_signals_raise\n"
        "with stop_signals_raise(): signal.raise_signal(signal.SIGHUP); print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "alive\n", done.stderr


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """Two classes of four photos of noise."""
    folder = tmp_path / "readable photos"
    draw = np.random.default_rng(3)
    for name in ("cup", "mug"):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            noise = draw.integers(0, 256, (30, 40, 3)).astype(np.uint8)
            Image.fromarray(noise).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path, readable: Path) -> Path:
    """A run of them as if it had been done, with the digest of its photos and of its file."""
    photos = (
        (str(p.relative_to(readable)), p.parent.name, pixel_digest(Image.open(p)))
        for p in readable.rglob("*.png")
    )
    folder = tmp_path / "out put"
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(b"model")
    settings = resolve({"data_dir": str(readable), "teacher_arch": "efficientnet_lite2"})
    TRAINING_CONFIG.write(folder, {"settings": {**settings, "teacher_img_size": "64"}})
    digests = {
        "data": dataset_digest(photos), "split": "-", "teacher": "-", "student": "-",
        "file": hashlib.sha256(b"model").hexdigest(),
    }  # fmt: skip
    made_with = {**environment(), "compute_threads": 2, "digests": digests}
    RUN_METADATA.write(folder, {**dict.fromkeys(RUN_METADATA.keys), **made_with})
    return folder


def test_settings_without_effect_redo_no_finished_step(readable: Path, tmp_path: Path) -> None:
    others = ["--log_level", "DEBUG", "--checkpoint_uri", str(tmp_path / "states")]
    for flags, n_reused in (([], 0), ([*others, "--data_workers", "1"], 2), (["--seed", "7"], 1)):
        run = start(readable, tmp_path / "new", *flags)
        assert run.stdout is not None
        lines = list(iter(run.stdout.readline, "[3/7] teacher\n"))
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        assert sum("reused from an earlier run" in line for line in lines) == n_reused, lines


def verify(out: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "verify", str(out), *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_repetition_ends_at_the_first_difference_and_leaves_nothing(
    out: Path, readable: Path, tmp_path: Path
) -> None:
    moved = readable.rename(tmp_path / "moved photos")
    before = content(out)
    run = verify(out, "--data_dir", str(moved))
    shown, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (1, "")
    assert shown.startswith(f"Repeats the run of {out} from nothing, with 2 compute threads, in ")
    assert "[2/7] split" in shown
    assert "[3/7]" not in shown
    assert shown.splitlines()[-6:] == [
        "data      same", "split     differs", "teacher   not reached", "student   not reached",
        "file      not reached",
        f"{out} was not repeated; the first difference is in the split: "
        "the same photos were divided in another way.",
    ]  # fmt: skip
    assert content(out) == before
    assert {p.name for p in tmp_path.iterdir()} == {out.name, moved.name}


def test_a_repetition_in_which_a_step_fails_is_no_verdict(out: Path, photos: Path) -> None:
    run = verify(out, "--data_dir", str(photos), "--keep", "true")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 2
    sentence, _, log = errors.strip().rpartition(" Its log: ")
    assert sentence.startswith(f"{out} could not be judged: scan failed: ")
    assert "mug" in Path(log).read_text(encoding="utf-8")


def test_a_repetition_whose_step_is_ended_by_others_tells_of_its_log(out: Path) -> None:
    run = verify(out, "--keep", "true")
    assert run.stdout is not None
    assert run.stdout.readline().startswith("Repeats the run of ")
    assert run.stdout.readline() == "[1/7] scan\n"
    until, children = time.monotonic() + 20, ""
    while not children and time.monotonic() < until:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text(encoding="utf-8")
    os.kill(int(children.split()[0]), signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 2
    sentence, _, log = errors.strip().rpartition(" Its log: ")
    assert sentence == f"{out} could not be judged: a step was ended by SIGTERM."
    assert Path(log).is_file()


def test_a_stopped_repetition_leaves_the_run_as_it_was(out: Path, readable: Path) -> None:
    before = content(out)
    run = verify(out)
    assert run.stdout is not None
    assert run.stdout.readline().startswith("Repeats the run of ")
    assert run.stdout.readline() == "[1/7] scan\n"
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors == "Stopped by SIGINT; the run's folder is as it was.\n"
    assert content(out) == before
    assert {p.name for p in out.parent.iterdir()} == {out.name, readable.name}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "verify needs the folder of a run: python pipeline.py verify FOLDER"),
        (["--keep", "true"], "verify needs the folder of a run"),
        (["{out}", "--seed", "3"], "--seed is not a setting"),
        (["{out}", "--keep", "yes"], "keep must be true or false; got yes."),
        (["{out}", "--data_dir="], "data_dir must not be empty."),
        (["{out}", "--data_dir", "{out}/gone"], "must not lie inside each other"),
        (["{out}", "--data_dir", "{out}.gone"], "out put.gone"),
        (["{out}.gone"], "holds none."),
    ],
)
def test_what_cannot_be_judged_is_one_sentence_and_status_2(
    out: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = {p.name for p in out.parent.iterdir()}
    assert pipeline.main(["verify", *(word.format(out=out) for word in words)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err
    assert len(shown.err.splitlines()) == 1
    assert {p.name for p in out.parent.iterdir()} == before


def test_help_of_verify_says_what_its_exit_status_means(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pipeline.main(["verify", "--help"]) == 0
    page = capsys.readouterr().out
    assert "1: it differs; 2: it cannot be judged." in page
    assert "--keep true|false" in page
    assert "left empty" not in page  # it would be refused
    assert "left out: where they were." in page
