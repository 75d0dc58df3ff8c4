"""What a run says of the machine and the code that it was done with."""

import os
import subprocess
from pathlib import Path

from edgedistill.machine import gpu_names, processor_name
from edgedistill.run_metadata import environment, git_revision


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


def test_the_machine_is_named_where_it_may_change_a_result() -> None:
    machine = environment()["machine"]
    assert machine["processor"] == processor_name()
    assert machine["gpus"] == (", ".join(gpu_names()) or "none")
