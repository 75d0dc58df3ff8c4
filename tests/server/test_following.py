"""Following a run: each outcome, what is shown meanwhile, and a server that is away."""

import io
import re

import pytest

from edgedistill.console import Console
from edgedistill.errors import ServerError
from edgedistill.server.following import Outcome, Pace, follow
from tests.server.conftest import SMALL_PIPELINE, Connect
from tests.server.stand_in import Fault, StandIn

TITLES = {"scan": "Photos", "teach": "Teacher"}
QUICK = Pace(first_s=0.005, unseen_s=0.3)


@pytest.fixture
def run_id(server: StandIn) -> str:
    server.runs.append({"run_id": "r1", "experiment_id": "e", "display_name": "run"})
    return "r1"


def watch(connect: Connect, run_id: str, timeout_s: float = 10.0) -> tuple[Outcome, list[str]]:
    shown = io.StringIO()
    outcome = follow(
        connect(), run_id, TITLES, Console(shown), timeout_s=timeout_s, pace=QUICK
    )  # fmt: skip
    return outcome, [line.strip() for line in shown.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("state", "outcome", "status", "word"),
    [("SUCCEEDED", Outcome.SUCCEEDED, 0, "succeeded"), ("FAILED", Outcome.FAILED, 1, "failed"),
     ("SKIPPED", Outcome.FAILED, 1, "skipped"), ("CANCELED", Outcome.CANCELLED, 4, "cancelled")],
)  # fmt: skip
def test_each_end_of_a_run_has_its_exit_status(
    state: str, outcome: Outcome, status: int, word: str, server: StandIn, connect: Connect,
    run_id: str,
) -> None:  # fmt: skip
    server.life = [("PENDING", {}), ("RUNNING", {}), ("CANCELING", {}), ("PAUSED", {}), (state, {})]
    got, lines = watch(connect, run_id)
    assert got == outcome == status
    assert re.fullmatch(rf"Run {word}, followed for \d+ s\.", lines[-1])
    assert server.looks == 5  # none of the states before is an end


def test_a_line_tells_when_a_tasks_state_changes_and_only_then(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.life = [
        ("RUNNING", {"root": "RUNNING", "scan-driver": "RUNNING"}),
        ("RUNNING", {"root": "RUNNING", "scan-driver": "SUCCEEDED", "scan": "RUNNING"}),
        ("RUNNING", {"root": "RUNNING", "scan": "RUNNING", "executor": "RUNNING"}),
        ("RUNNING", {"scan": "SUCCEEDED", "teach": "RUNNING"}),
        ("SUCCEEDED", {"scan": "SUCCEEDED", "teach": "SUCCEEDED"}),
    ]
    _, lines = watch(connect, run_id)
    # From 00:00:00 to 00:01:35 are 95 seconds; what runs has the epoch for an end.
    assert lines[:-1] == [
        "Photos: running", "Photos: succeeded, 95 s", "Teacher: running", "Teacher: succeeded, 95 s"
    ]  # fmt: skip


def test_a_server_that_gives_titles_for_names_is_understood_too(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.life = [("SUCCEEDED", {"Photos": "SUCCEEDED", "Other": "SUCCEEDED"})]
    _, lines = watch(connect, run_id)
    assert lines[:-1] == ["Photos: succeeded, 95 s"]


def test_a_failed_run_says_which_task_and_why(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.life = [("FAILED", {"scan": "SUCCEEDED", "teach": "FAILED"})]
    outcome, lines = watch(connect, run_id)
    assert outcome is Outcome.FAILED
    assert lines[-1] == "Teacher: teach exited with 1"


def test_a_run_that_does_not_end_in_time_is_left_running(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.life = [("RUNNING", {})]
    outcome, lines = watch(connect, run_id, timeout_s=0.1)
    assert int(outcome) == 5
    assert lines == ["Not ended after 0.1 s; the run goes on."]
    assert not server.sent("terminate")


def test_a_server_that_is_away_for_a_while_does_not_end_the_following(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.life = [("RUNNING", {}), ("SUCCEEDED", {})]
    server.faults = [Fault("GET .*/runs/r1", times=3), Fault("GET .*/runs/r1", status=0)]
    outcome, lines = watch(connect, run_id)
    assert outcome is Outcome.SUCCEEDED
    away = [line for line in lines if "The run goes on meanwhile" in line]
    assert len(away) == 2  # 503 and the connection that broke off, each once


def test_a_server_that_stays_away_ends_it(server: StandIn, connect: Connect, run_id: str) -> None:
    server.faults = [Fault("GET .*/runs/r1", times=10_000)]
    with pytest.raises(ServerError, match="is not available"):
        watch(connect, run_id)


def test_a_login_that_expires_meanwhile_ends_it(
    server: StandIn, connect: Connect, run_id: str
) -> None:
    server.faults = [Fault("GET .*/runs/r1", status=401, body="{}")]
    with pytest.raises(ServerError, match="401"):
        watch(connect, run_id)


def test_the_small_pipeline_is_one_that_a_server_takes(server: StandIn) -> None:
    assert server.read_spec(SMALL_PIPELINE.encode())["pipeline_spec"]["root"]
