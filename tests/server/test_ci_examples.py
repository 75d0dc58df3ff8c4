"""The examples for CI: linted, and what they run is run against the stand-in server."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgedistill.server.login import TOKEN
from tests.server.conftest import SMALL_PIPELINE
from tests.server.stand_in import StandIn

REPOSITORY = Path(__file__).parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted((REPOSITORY / "manifests" / "ci").glob("*.sh"))
PROGRAMS = Path(sys.executable).parent
BROKEN_WORKFLOW = "name: x\non: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    step: []\n"


def run_blocks(workflow: Path) -> list[dict[str, Any]]:
    """The steps that run a script."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"] if "run" in step]


def lint_workflow(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAMS / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def shellcheck(script: str) -> str:
    done = subprocess.run(
        [str(PROGRAMS / "shellcheck"), "--shell=bash", "-"],
        input=script, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout


def test_there_are_examples() -> None:
    assert {p.name for p in WORKFLOWS} == {"publish.yml", "retrain.yml"}
    assert {p.name for p in SCRIPTS} == {"publish_and_submit.sh"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_are_what_github_takes(path: Path, tmp_path: Path) -> None:
    linted = lint_workflow(path)
    assert linted.returncode == 0, linted.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(BROKEN_WORKFLOW)
    assert lint_workflow(broken).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_may_read_alone_and_put_no_value_into_a_script(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for step in run_blocks(path):
        # An input in a script would be run as one; a secret would stand in the process list.
        assert "${{" not in step["run"]
        assert "secrets." not in step.get("name", "")
        assert shellcheck("#!/bin/bash\nset -e\n" + step["run"]) == ""  # GitHub's own shell


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_scripts_have_no_fault_that_shellcheck_finds(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert shellcheck(path.read_text(encoding="utf-8")) == ""
    assert "SC2086" in shellcheck("#!/bin/bash\nls $1\n")


def resolved(text: str, values: dict[str, str]) -> str:
    """The text with ${{ a || b }} replaced by the first of them that is not empty."""

    def value(match: re.Match[str]) -> str:
        names = [name.strip() for name in match.group(1).split("||")]
        found = (n.strip("'") if n.startswith("'") else values.get(n, "") for n in names)
        return next((v for v in found if v), "")

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def test_the_workflows_publish_and_retrain(server: StandIn, tmp_path: Path) -> None:
    server.token = "of-the-ci"
    values = {
        "vars.KFP_HOST": server.url, "vars.KFP_NAMESPACE": "team", "vars.DATA_DIR": "gs://b/p",
        "secrets.KFP_TOKEN": "of-the-ci", "vars.IMAGE": "registry.my.org/train:7",
    }  # fmt: skip
    for path in WORKFLOWS:
        step = run_blocks(path)[-1]  # those before install and compile
        environment = {name: resolved(text, values) for name, text in step["env"].items()}
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            capture_output=True, text=True, timeout=120, check=False, cwd=REPOSITORY,
            env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **environment,
                 "RUNNER_TEMP": str(tmp_path), "GITHUB_RUN_ID": "4711"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "names no registry" not in done.stdout
    (published,) = server.files.values()
    assert images_of(published) == {"registry.my.org/train:7"}
    # The server reuses a step of the same values, also where the photos are others by now.
    (parameters,) = (run["runtime_config"]["parameters"] for run in server.runs)
    assert parameters["data_version"] == "4711"
    (run,) = server.runs
    assert run["pipeline_version_reference"]["pipeline_version_id"] == "version-0002"
    assert run["runtime_config"]["parameters"]["data_dir"] == "gs://b/p"
    assert run["runtime_config"]["parameters"]["epochs_teacher"] == 10


def images_of(compiled: bytes) -> set[str]:
    executors = next(yaml.safe_load_all(compiled))["deploymentSpec"]["executors"].values()
    return {executor["container"]["image"] for executor in executors}


def script_run(
    server: StandIn, file: Path, *words: str, image: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {
        "KFP_HOST": server.url, "KFP_NAMESPACE": "team", "DATA_DIR": "gs://b/p", TOKEN: "of-the-ci",
        "PIPELINE_FILE": str(file), "CHECK_COMPILED": "false", "PYTHON": sys.executable,
        "IMAGE": image,
    }  # fmt: skip
    return subprocess.run(
        [str(SCRIPTS[0]), *words], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_the_script_runs_the_content_that_it_published_and_ends_as_the_run_did(
    server: StandIn, compiled_file: Path
) -> None:
    server.token = "of-the-ci"
    first = script_run(server, compiled_file, "--seed", "7")
    assert (first.returncode, first.stderr) == (0, "")
    newer = server.add_version(
        "pipeline-0001", "newer", SMALL_PIPELINE.replace("0.1.0", "2").encode()
    )
    server.looks, server.life = 0, [("CANCELED", {})]
    again = script_run(server, compiled_file)
    assert (again.returncode, again.stderr) == (4, "")
    assert "Nothing uploaded" in again.stdout
    used = [r["pipeline_version_reference"]["pipeline_version_id"] for r in server.runs]
    assert used == ["version-0002", "version-0002"]
    assert newer["pipeline_version_id"] not in used
    seeds = [r["runtime_config"]["parameters"]["seed"] for r in server.runs]
    assert seeds == [7, 42]


def test_the_script_publishes_and_runs_with_the_clusters_image(
    server: StandIn, compiled_file: Path
) -> None:
    server.token = "of-the-ci"
    done = script_run(server, compiled_file, image="registry.my.org/train:7")
    assert (done.returncode, done.stderr) == (0, "")
    (published,) = server.files.values()
    assert images_of(published) == {"registry.my.org/train:7"}
    assert len(server.runs) == 1


@pytest.mark.parametrize("missing", ["KFP_HOST", "KFP_NAMESPACE", "DATA_DIR"])
def test_the_script_says_what_must_be_set(missing: str) -> None:
    values = {"KFP_HOST": "http://x", "KFP_NAMESPACE": "n", "DATA_DIR": "gs://b", missing: ""}
    done = subprocess.run(
        [str(SCRIPTS[0])], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHON": "false", **values},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"{missing} must be set to the ")


def test_the_script_stops_where_the_compiled_files_are_not_current(
    server: StandIn, tmp_path: Path
) -> None:
    # A repository whose compiler gives another file than the committed one.
    (tmp_path / "manifests" / "ci").mkdir(parents=True)
    (tmp_path / "components").mkdir()
    script = Path(shutil.copy(SCRIPTS[0], tmp_path / "manifests" / "ci"))
    committed = tmp_path / "manifests" / "pipeline.yaml"
    committed.write_text("old\n")
    (tmp_path / "pipeline.py").write_text(f"open({str(committed)!r}, 'w').write('new')\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    environment = {"KFP_HOST": server.url, "KFP_NAMESPACE": "n", "DATA_DIR": "d"}
    done = subprocess.run(
        [str(script)], capture_output=True, text=True, check=False,
        env={**os.environ, **environment, "PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 2  # to be mended: no run has failed
    assert "commit the new ones" in done.stderr
    assert "-old" in done.stdout
    assert server.requests == []
