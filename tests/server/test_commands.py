"""The commands as they are typed: python pipeline.py publish, submit, recurring."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipeline
from edgedistill.server.login import COOKIE, TOKEN, TOKEN_FILE
from tests.server.conftest import SMALL_PIPELINE
from tests.server.stand_in import Fault, StandIn

REPOSITORY = Path(__file__).parents[2]
SECRET = "t0p-s3cret-of-the-test"


@dataclass
class Typed:
    """A command, done: exit status and what it showed."""

    status: int
    shown: str
    errors: str


def typed(*words: str, **environment: str) -> Typed:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "pipeline.py"), *words],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return Typed(done.returncode, done.stdout, done.stderr)


def put_version(server: StandIn) -> None:
    made = server.add_pipeline("edgedistill", "team")
    server.add_version(made["pipeline_id"], "v1", SMALL_PIPELINE.encode())


def test_publish_uploads_once_and_says_so(
    server: StandIn, compiled_file: Path, tmp_path: Path
) -> None:
    server.token = SECRET
    told = tmp_path / "told.json"
    words = ("publish", "--host", server.url, "--namespace", "team",
             "--pipeline_file", str(compiled_file), "--output_file", str(told))  # fmt: skip
    first = typed(*words, **{TOKEN: SECRET})
    assert (first.status, first.errors) == (0, "")
    version = json.loads(told.read_text())["version_name"]
    pipeline_id, version_id = "pipeline-0001", "version-0002"
    assert first.shown.splitlines() == [
        f"Uploaded version {version} of pipeline small.",
        "Image edgedistill-train:0.1.0 names no registry, so few clusters find it: python "
        "pipeline.py compile --image REGISTRY/NAME:TAG --output_folder F compiles with one that "
        "they find.",
        f"Page: {server.url}/#/pipelines/details/{pipeline_id}/version/{version_id}",
    ]
    again = typed(*words, **{TOKEN: SECRET})
    assert (again.status, again.errors) == (0, "")
    assert again.shown.startswith(f"Nothing uploaded: version {version} of pipeline small has")
    assert list(server.files.values()) == [compiled_file.read_bytes()]


def test_publish_says_nothing_of_an_image_in_a_registry(
    server: StandIn, compiled_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["publish", "--host", server.url, "--namespace", "team",
             "--pipeline_file", str(compiled_file)]  # fmt: skip
    for image in ("gcr.io/me/train:1", "localhost:5000/train:1"):
        compiled_file.write_text(SMALL_PIPELINE.replace("edgedistill-train:0.1.0", image))
        assert pipeline.main(words) == 0
        assert "registry" not in capfd.readouterr().out


def test_a_login_over_plain_http_to_another_host_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TOKEN, SECRET)
    # The name is kept for such tests (RFC 6761): it is found nowhere.
    words = ["recurring", "list", "--host", "http://kf.invalid", "--namespace", "team"]
    assert pipeline.main(words) == 2
    warning, error = capfd.readouterr().err.splitlines()
    assert warning == (
        "Warning: the login goes to kf.invalid unencrypted, where others can read it: use https."
    )
    assert SECRET not in error


def test_submit_follows_the_run_and_ends_as_it_did(server: StandIn) -> None:
    put_version(server)
    server.life = [("RUNNING", {"teach": "RUNNING"}), ("FAILED", {"teach": "FAILED"})]
    run = typed("submit", "--host", server.url, "--namespace", "team", "--experiment", "trials",
                "--data_dir", "gs://b/p", "--seed", "7", "--run_name", "mine", "--wait", "true",
                KF_PIPELINES_UI_ENDPOINT="https://kf.my.org/pipeline")  # fmt: skip
    assert (run.status, run.errors) == (1, "")
    assert run.shown.splitlines()[:4] == [
        "Started mine with 7 parameters.",
        "Page: https://kf.my.org/pipeline/#/runs/details/run-0004",
        "      Teacher: running",
        "      Teacher: failed, 95 s",
    ]
    assert server.runs[0]["runtime_config"]["parameters"]["seed"] == 7


def test_recurring_schedules_lists_and_stops(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    put_version(server)
    place = ("--host", server.url, "--namespace", "team")
    words = ("recurring", "schedule", *place, "--experiment", "trials", "--job_name", "weekly",
             "--cron", "0 0 3 * * 1", "--data_dir", "gs://b/p")  # fmt: skip
    first = typed(*words)
    assert (first.status, first.errors) == (0, "")
    assert first.shown.splitlines() == [
        "Job weekly: scheduled; it runs v1.",
        f"Page: {server.url}/#/recurringrun/details/recurring-0004",
    ]
    for done, shown in (
        (words, "Job weekly: there already; it runs v1.\nPage:"),
        (("recurring", "list", *place), "weekly: cron 0 0 3 * * 1, on\n"),
        (("recurring", "stop", *place, "--job_name", "weekly"),
         "Job weekly: stopped; the runs that it started stay.\n"),
        (("recurring", "list", *place), "No job was scheduled by this command.\n"),
    ):  # fmt: skip
        assert pipeline.main(done) == 0
        assert capfd.readouterr().out.startswith(shown)
    assert server.recurring_runs == []


@pytest.mark.parametrize("variable", [TOKEN, TOKEN_FILE, COOKIE])
@pytest.mark.parametrize("what", ["401", "400 that repeats it", "web page", "no secret at all"])
def test_the_secret_is_shown_nowhere(
    variable: str, what: str, server: StandIn, tmp_path: Path, compiled_file: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    secret = f"session={SECRET}" if variable == COOKIE else SECRET
    echo = json.dumps({"message": f"bad header {secret} ({SECRET})"})
    server.faults = {
        "401": [Fault(status=401, body=echo)],
        "400 that repeats it": [Fault("GET .*/pipelines", status=400, body=echo)],
        "web page": [Fault(status=200, body=f"<html>{SECRET}</html>", content_type="text/html")],
        "no secret at all": [],
    }[what]
    if what == "no secret at all":
        secret = f"{secret}\nX-Other: 1"
    file = tmp_path / "token"
    file.write_text(secret)
    monkeypatch.setenv(variable, str(file) if variable == TOKEN_FILE else secret)
    caplog.set_level(logging.DEBUG)  # what libraries say only where somebody listens
    status = pipeline.main(["publish", "--host", server.url, "--namespace", "team",
                            "--pipeline_file", str(compiled_file)])  # fmt: skip
    shown, errors = capfd.readouterr()
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert SECRET not in shown + errors + caplog.text


def test_a_secret_as_a_flag_is_refused_and_not_repeated(
    server: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    for words in (["--token", SECRET], [f"--cookie={SECRET}"]):
        status = pipeline.main(["submit", "--host", server.url, "--experiment", "e", *words])
        shown, errors = capfd.readouterr()
        assert status == 2
        assert "does not exist" in errors
        assert SECRET not in shown + errors
    assert server.requests == []


RUN_X = ["submit", "--host", "http://x", "--experiment", "e"]
OUR_FILE = ["--pipeline_file", str(REPOSITORY / "manifests" / "pipeline.yaml")]
SCHEDULE_X = ["recurring", "schedule", *RUN_X[1:], "--job_name", "j"]
SLIPS = {
    ("publish",): "host must be given: add --host VALUE.",
    ("publish", "--host", "http://x", "--pipelin_name", "p"): "did you mean --pipeline_name?",
    ("publish", "--host", "x"): "host must begin with http",
    ("publish", "--host", "http://x", "--pipeline_file", "none.yaml"): "none.yaml cannot be read",
    ("submit", "--host", "http://x"): "experiment must be given",
    ("submit", "--host", "http://x", "--experimant", "e"): "did you mean --experiment?",
    (*RUN_X, "--timeout_s", "-1"): "timeout_s must be a number at least 0",
    (*RUN_X, "--wait", "yes"): "wait must be true or false; got yes.",
    (*RUN_X, "--wait"): "--wait has no value",
    (*RUN_X, "--seed", "1", "--seed", "2"): "--seed is given twice",
    (*RUN_X, "--enable_caching", "false"): "enable_caching needs --pipeline_file",
    (*RUN_X, *OUR_FILE, "--version_name", "v"): "give one",
    (*RUN_X, *OUR_FILE, "--data_dirr", "x"): "did you mean --data_dir?",
    (*RUN_X, *OUR_FILE, "--data_dir", "gs://b/p", "--lr_qat", "0"): "lr_qat must be a number",
    ("recurring",): "schedule, list or stop; got nothing",
    ("recurring", "start"): "schedule, list or stop; got start",
    (*RUN_X, "--pipeline_root", "nowhere"): "pipeline_root must be a place in a bucket",
    (*RUN_X, *OUR_FILE, "--data_dir", "/data"): "data_dir /data: this pipeline mounts no volume",
    (*SCHEDULE_X, "--cron", "@weekly", "--interval_s", "60"): "only one of cron and interval_s",
    (*SCHEDULE_X,): "one of cron and interval_s",
    (*SCHEDULE_X, "--cron", "0 3 * * 1"): "six fields",
    (*SCHEDULE_X, "--cron", "@weekly", "--max_concurrency", "11"): "at least 1 and at most 10",
    ("recurring", "stop", "--host", "http://x"): "job_name must be given",
}


@pytest.fixture(scope="module")
def after_slips() -> dict[str, list[object]]:
    """For each slip its status, what it showed, and whether kfp is loaded: in one interpreter."""
    code = """
import contextlib, io, json, sys, pipeline
told = {}
for words in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        status = pipeline.main(words)
    told[" ".join(words)] = [status, errors.getvalue(), "kfp" in sys.modules]
print(json.dumps(told))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(list(SLIPS)),
        capture_output=True, text=True, timeout=60, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    told: dict[str, list[object]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("words", SLIPS, ids=" ".join)
def test_slips_are_refused_before_anything_is_asked_and_without_kfp(
    words: tuple[str, ...], after_slips: dict[str, list[object]]
) -> None:
    status, errors, kfp_is_loaded = after_slips[" ".join(words)]
    assert (status, kfp_is_loaded) == (2, False)
    assert SLIPS[words] in str(errors)
    assert len(str(errors).splitlines()) == 1


def test_help_tells_of_flags_statuses_and_login_without_waiting_for_kfp() -> None:
    code = """
import sys, pipeline
for command in ("publish", "submit", "recurring"):
    pipeline.main([command, "--help"])
    print("\\f")
sys.exit("kfp" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    for command, page in zip(
        ("publish", "submit", "recurring"), done.stdout.split("\f"), strict=False
    ):
        for part in (f"python pipeline.py {command}", "--host", "Exit status 0", TOKEN, COOKIE):
            assert part in page
        assert "--token" not in page


def test_a_dead_server_ends_in_one_sentence_and_status_2(
    compiled_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = pipeline.main(["publish", "--host", "http://127.0.0.1:9", "--namespace", "team",
                            "--pipeline_file", str(compiled_file)])  # fmt: skip
    shown, errors = capfd.readouterr()
    assert (status, shown) == (2, "")
    assert errors.startswith("http://127.0.0.1:9 refuses the connection: is the server")


def test_ctrl_c_while_following_leaves_the_run(server: StandIn) -> None:
    put_version(server)
    server.life = [("RUNNING", {})]
    words = ["submit", "--host", server.url, "--namespace", "team", "--experiment", "e",
             "--data_dir", "gs://b/p", "--wait", "true"]  # fmt: skip
    run = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "pipeline.py"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 30
    while not server.looks and time.monotonic() < until:
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors == (
        "Stopped by SIGINT; a run that was started goes on, and its page in the dashboard can end "
        "it.\n"
    )
    assert not server.sent("terminate|DELETE")
