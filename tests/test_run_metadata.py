"""What a run says of the machine and the code that it was done with."""

import os
import subprocess
from pathlib import Path

from edgedistill.run_metadata import environment, git_revision, gpu_names, processor_name


def test_a_revision_is_given_where_there_is_one(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
              "GIT_COMMITTER_EMAIL": "a@b"}  # fmt: skip
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, env={**os.environ, **author})
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert git_revision(tmp_path) == head


def test_a_processor_has_its_makers_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Xeon(R) 8481C: 2.70GHz\n\n"
        "processor\t: 1\nmodel name\t: Xeon(R) 8481C: 2.70GHz\n"
    )
    assert processor_name(cpuinfo) == "Xeon(R) 8481C: 2.70GHz"


def test_a_processor_without_a_makers_name_has_its_architecture(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    architectures = {os.uname().machine}
    assert processor_name(cpuinfo) in architectures
    assert processor_name(tmp_path / "absent") in architectures


def test_gpus_are_read_from_their_driver_each_by_its_name(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / f"0000:0{number}:00.0"
        folder.mkdir()
        (folder / "information").write_text("Model: \t\t NVIDIA A10\nIRQ:   \t\t 31\n")
    assert gpu_names(tmp_path) == ["NVIDIA A10", "NVIDIA A10"]
    assert gpu_names(tmp_path / "absent") == []


def test_the_machine_is_named_where_it_may_change_a_result() -> None:
    machine = environment()["machine"]
    assert machine["processor"] == processor_name()
    assert machine["gpus"] == (", ".join(gpu_names()) or "none")
