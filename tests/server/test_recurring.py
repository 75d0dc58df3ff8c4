"""What the server starts by itself: scheduled once, listed, stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgedistill.errors import ServerError, SettingError
from edgedistill.server.connection import Connection
from edgedistill.server.recurring import Scheduled, listed, schedule, stop
from edgedistill.server.schedule import Schedule
from edgedistill.server.source import Source
from edgedistill.server.submitting import source_on_server
from tests.server.conftest import SMALL_PIPELINE, Connect
from tests.server.stand_in import Fault, StandIn

VALUES = {"data_dir": "gs://b/p", "seed": 7}


@pytest.fixture
def connection(connect: Connect) -> Connection:
    return connect()


@pytest.fixture
def source(server: StandIn, connection: Connection) -> Source:
    pipeline = server.add_pipeline("photos", "team")
    server.add_version(pipeline["pipeline_id"], "v1", SMALL_PIPELINE.encode())
    return source_on_server(connection, "photos", "")


def weekly(**other: Any) -> Schedule:
    values: dict[str, Any] = {
        "job_name": "weekly", "experiment": "trials", "cron": "0 0 3 * * 1", "interval_s": 0,
        "max_concurrency": 1, "catchup": False, "service_account": "edgedistill-runner",
        "pipeline_root": "",
    }  # fmt: skip
    return Schedule(**{**values, **other})


def put(
    connection: Connection, source: Source, *, replace: bool = False, **other: Any
) -> Scheduled:
    return schedule(connection, source, VALUES, weekly(**other), replace=replace)


def test_a_job_is_scheduled_with_all_it_needs(
    server: StandIn, connection: Connection, source: Source
) -> None:
    assert put(connection, source).done == "scheduled"
    (job,) = server.recurring_runs
    assert job["display_name"] == "weekly"
    assert job["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert job["pipeline_version_reference"]["pipeline_version_id"] == source.version_id
    assert job["runtime_config"] == {"parameters": VALUES}
    assert (job["max_concurrency"], job["no_catchup"], job["mode"]) == (1, True, "ENABLE")
    assert job["service_account"] == "edgedistill-runner"
    assert job["experiment_id"] == server.experiments[0]["experiment_id"]


def test_an_interval_is_sent_as_one(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source, cron="", interval_s=86400, max_concurrency=2, catchup=True)
    (job,) = server.recurring_runs
    assert job["trigger"] == {"periodic_schedule": {"interval_second": 86400}}
    assert (job["max_concurrency"], job["no_catchup"]) == (2, False)
    assert listed(connection) == ["weekly: every 86400 s, on"]


def test_the_same_again_makes_nothing(
    server: StandIn, connection: Connection, source: Source
) -> None:
    first = put(connection, source)
    again = put(connection, source)
    assert (again.recurring_run_id, again.done) == (first.recurring_run_id, "there already")
    assert len(server.sent("POST .*/recurringruns")) == 1


@pytest.mark.parametrize("other", [{"cron": "@daily"}, {"max_concurrency": 2}, {"catchup": True}])
def test_other_settings_are_refused_unless_they_shall_replace(
    other: dict[str, Any], server: StandIn, connection: Connection, source: Source
) -> None:
    first = put(connection, source)
    with pytest.raises(SettingError, match="job weekly is there and has other settings"):
        put(connection, source, **other)
    replaced = put(connection, source, replace=True, **other)
    assert replaced.done == "replaced"
    (job,) = server.recurring_runs
    assert job["recurring_run_id"] == replaced.recurring_run_id != first.recurring_run_id


def test_other_parameters_and_another_version_are_other_settings(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source)
    with pytest.raises(SettingError, match="other settings"):
        schedule(connection, source, {**VALUES, "seed": 8}, weekly(), replace=False)
    newer = SMALL_PIPELINE.replace("0.1.0", "2").encode()
    server.add_version(server.pipelines[0]["pipeline_id"], "v2", newer)
    with pytest.raises(SettingError, match="other settings"):
        put(connection, source_on_server(connection, "photos", "v2"))


def test_a_replacement_that_fails_leaves_the_old_job(
    server: StandIn, connection: Connection, source: Source
) -> None:
    first = put(connection, source)
    server.faults = [Fault("POST .*/recurringruns", status=400, body='{"message": "no"}')]
    with pytest.raises(Exception, match="no"):
        put(connection, source, replace=True, cron="@daily")
    assert [j["recurring_run_id"] for j in server.recurring_runs] == [first.recurring_run_id]


def test_two_commands_at_the_same_time_leave_one_job(
    server: StandIn, connection: Connection, source: Source
) -> None:
    first = put(connection, source)
    twin = {**server.recurring_runs[0], "recurring_run_id": "twin",
            "created_at": "2026-06-01T00:00:00Z"}  # fmt: skip
    server.recurring_runs.append(twin)
    assert put(connection, source).recurring_run_id == first.recurring_run_id
    assert len(server.recurring_runs) == 1


def test_a_job_whose_answer_was_lost_is_not_made_twice(
    server: StandIn, connection: Connection, source: Source
) -> None:
    server.faults = [Fault("POST .*/recurringruns", after=True)]
    assert put(connection, source).recurring_run_id == "recurring-0004"
    assert len(server.recurring_runs) == 1


def a_lost_answer(server: StandIn) -> Fault:
    return Fault("DELETE .*", after=True)


def another_that_is_faster(server: StandIn) -> Fault:
    return Fault("DELETE .*", status=200, body="", do_first=lambda: server.recurring_runs.pop(0))


@pytest.mark.parametrize("what_happens", [a_lost_answer, another_that_is_faster])
def test_a_job_that_is_gone_already_is_ended(
    what_happens: Callable[[StandIn], Fault],
    server: StandIn,
    connection: Connection,
    source: Source,
) -> None:
    put(connection, source)
    server.faults = [what_happens(server)]
    replaced = put(connection, source, replace=True, cron="@daily")
    assert replaced.done == "replaced"
    assert [j["recurring_run_id"] for j in server.recurring_runs] == [replaced.recurring_run_id]
    server.faults = [what_happens(server)]
    assert stop(connection, "weekly") == 1
    assert server.recurring_runs == []


def test_a_job_that_may_not_be_ended_is_told(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source)
    server.faults = [Fault("DELETE .*", status=403)]
    with pytest.raises(ServerError, match="does not allow this login to end job weekly"):
        stop(connection, "weekly")


def test_a_new_job_that_is_not_listed_is_told_and_leaves_the_old_one(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source)
    jobs = "GET .*/recurringruns"
    server.faults = [Fault(jobs, status=200, body=""), Fault(jobs, status=200, body="{}")]
    with pytest.raises(ServerError, match="job weekly is there, but does not list it; try again"):
        put(connection, source, replace=True, cron="@daily")
    assert len(server.recurring_runs) == 2
    assert put(connection, source, replace=True, cron="@daily").done == "replaced"
    assert len(server.recurring_runs) == 1


def test_a_job_that_was_switched_off_is_switched_on(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source)
    server.recurring_runs[0]["status"] = "DISABLED"
    assert listed(connection) == ["weekly: cron 0 0 3 * * 1, off"]
    assert put(connection, source).done == "switched on again"
    assert listed(connection) == ["weekly: cron 0 0 3 * * 1, on"]


def test_what_others_scheduled_is_neither_listed_nor_stopped_nor_replaced(
    server: StandIn, connection: Connection, source: Source
) -> None:
    put(connection, source, job_name="mine")
    foreign = {**server.recurring_runs[0], "recurring_run_id": "f", "display_name": "weekly",
               "description": "by hand"}  # fmt: skip
    server.recurring_runs.append(foreign)
    assert listed(connection) == ["mine: cron 0 0 3 * * 1, on"]
    with pytest.raises(SettingError, match="no job weekly was scheduled by this command"):
        stop(connection, "weekly")
    with pytest.raises(SettingError, match="was not scheduled by this command"):
        put(connection, source, replace=True)
    assert foreign in server.recurring_runs


def test_stopping_ends_the_job_of_that_name_alone(
    server: StandIn, connection: Connection, source: Source
) -> None:
    for name in ("daily", "weekly", "yearly"):
        put(connection, source, job_name=name)
    stop(connection, "weekly")
    assert [line.partition(":")[0] for line in listed(connection)] == ["daily", "yearly"]
    with pytest.raises(SettingError, match="there is yearly"):
        stop(connection, "yearlyy")
    with pytest.raises(SettingError, match="there is yearly"):
        stop(connection, "other")  # like none: the newest
    stop(connection, "yearly")
    stop(connection, "daily")
    with pytest.raises(SettingError, match="there is none at all"):
        stop(connection, "daily")


def test_jobs_of_a_file_are_known_again_by_its_content(
    server: StandIn, connection: Connection, compiled_file: Path
) -> None:
    from edgedistill.server.source import source_of_file

    assert put(connection, source_of_file(compiled_file, None)).done == "scheduled"
    assert put(connection, source_of_file(compiled_file, None)).done == "there already"
    with pytest.raises(SettingError, match="other settings"):
        put(connection, source_of_file(compiled_file, False))


@pytest.mark.parametrize(
    ("cron", "interval_s", "says"),
    [("", 0, "one of cron and interval_s"), ("@daily", 5, "one of cron and interval_s"),
     # KFP would read it as second 0, minute 3, of each hour in January.
     ("0 3 * * 1", 0, "six fields, .* write '0 0 3 \\* \\* 1'"),
     ("0 3 *", 0, "six fields"), ("often", 0, "six fields")],
)  # fmt: skip
def test_times_that_would_be_taken_for_others_are_refused(
    cron: str, interval_s: int, says: str
) -> None:
    with pytest.raises(SettingError, match=says):
        weekly(cron=cron, interval_s=interval_s)
    assert weekly(cron="@weekly").cron == "@weekly"
