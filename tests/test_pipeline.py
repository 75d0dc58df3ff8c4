"""The command line with the real pipeline, as far as it goes without TensorFlow."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

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


def start(photos: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "pipeline.py"), "run", "--data_dir", str(photos),
         "--output_dir", str(out), "--teacher_arch", "efficientnet_lite2"],
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
    assert errors == "Stopped by SIGINT; the same command goes on after the last finished step.\n"


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--data_dir", "", "--output_dir", "out"], "data_dir must not be empty."),
        (["--data_dir", "sample", "--output_dir", ""], "output_dir must be given"),
        (["--data_dir", "sample", "--output_dir", "/"], "must be a folder of its own; got /."),
        (["--data_dir", "~no such user/x", "--output_dir", "out"], "who does not exist."),
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
