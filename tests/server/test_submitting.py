"""Starting runs: what is sent, and that it is sent once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgedistill.errors import ServerError, SettingError
from edgedistill.server.compiled import CompiledPipeline
from edgedistill.server.connection import Connection
from edgedistill.server.parameters import every_parameter
from edgedistill.server.source import Source, new_run_name, source_of_file
from edgedistill.server.submitting import Submission, source_on_server, submit
from edgedistill.server.target import Patience
from tests.server.conftest import SMALL_PIPELINE, Connect
from tests.server.stand_in import Fault, StandIn

SUBMISSION = Submission("trials", "first run", "edgedistill-runner", "")
VALUES: dict[str, Any] = {
    "affinity": {"nodeAffinity": {}}, "cpu": "4", "data_dir": "gs://b/p", "lr_qat": 0.001,
    "qat": False, "seed": 7, "tolerations": [],
}  # fmt: skip


@pytest.fixture
def published(server: StandIn) -> str:
    """The id of a version on the server."""
    pipeline = server.add_pipeline("photos", "team")
    content = SMALL_PIPELINE.encode()
    version = server.add_version(pipeline["pipeline_id"], "v1", content)
    return str(version["pipeline_version_id"])


def start(connection: Connection, source: Source, wanted: Submission = SUBMISSION) -> str:
    texts = {"data_dir": "gs://b/p", "lr_qat": "0.001", "qat": "false", "seed": "7",
             "affinity": '{"nodeAffinity": {}}'}  # fmt: skip
    values = every_parameter(source.compiled, texts, ())
    return submit(connection, source, values, wanted)


def test_a_published_version_runs_by_reference_with_every_parameter(
    server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect()
    run_id = start(connection, source_on_server(connection, "photos", ""))
    (run,), (experiment,) = server.runs, server.experiments
    assert run["run_id"] == run_id
    assert server.sent("POST .*/runs")[0].body == {
        "display_name": "first run",
        "experiment_id": experiment["experiment_id"],
        "pipeline_version_reference": {
            "pipeline_id": server.pipelines[0]["pipeline_id"], "pipeline_version_id": published,
        },
        "runtime_config": {"parameters": VALUES},
        "service_account": "edgedistill-runner",
    }  # fmt: skip
    assert (experiment["display_name"], experiment["namespace"]) == ("trials", "team")


def test_a_file_is_sent_whole_with_what_it_says_of_kubernetes(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    start(connect(), source_of_file(compiled_file, None))
    pipeline, platform = yaml.safe_load_all(SMALL_PIPELINE)
    (request,) = server.sent("POST .*/runs")
    sent = CompiledPipeline.of_server(request.body["pipeline_spec"])
    assert sent.digest == CompiledPipeline(pipeline, platform).digest
    assert "pipeline_version_reference" not in request.body
    assert request.body["runtime_config"]["parameters"] == VALUES


def test_caching_is_sent_as_wished_for_each_task(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    start(connect(), source_of_file(compiled_file, False))
    (request,) = server.sent("POST .*/runs")
    inner = request.body["pipeline_spec"]["pipeline_spec"]["components"]["comp-inner"]
    assert not inner["dag"]["tasks"]["teach"].get("cachingOptions", {}).get("enableCache")


def test_the_newest_version_runs_unless_another_is_named(
    server: StandIn, connect: Connect, published: str
) -> None:
    newer = server.add_version(
        server.pipelines[0]["pipeline_id"], "v2", SMALL_PIPELINE.replace("0.1.0", "2").encode()
    )
    connection = connect()
    newest = source_on_server(connection, "photos", "")
    assert (newest.version_id, newest.name) == (newer["pipeline_version_id"], "v2")
    assert source_on_server(connection, "photos", "v1").version_id == published
    with pytest.raises(SettingError, match="has no version v3; there is v2"):
        source_on_server(connection, "photos", "v3")
    with pytest.raises(SettingError, match="has no version other; there is v2"):
        source_on_server(connection, "photos", "other")  # like none: the newest


def test_ones_own_pipeline_comes_before_the_shared_one(server: StandIn, connect: Connect) -> None:
    connection = connect()
    with pytest.raises(SettingError, match="no pipeline photos in namespace team: publish it"):
        source_on_server(connection, "photos", "")
    for namespace in ("", "team"):
        pipeline = server.add_pipeline("photos", namespace)
        with pytest.raises(SettingError, match="has no version"):
            source_on_server(connection, "photos", "")
        server.add_version(pipeline["pipeline_id"], f"of {namespace}", SMALL_PIPELINE.encode())
        assert source_on_server(connection, "photos", "").name == f"of {namespace}"


def test_an_experiment_is_made_once_also_in_a_race(
    server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect()
    source = source_on_server(connection, "photos", "")

    def other_is_faster() -> None:
        server.experiments.append(
            {"experiment_id": "theirs", "display_name": "trials", "namespace": "team",
             "created_at": "2026-01-01T00:00:00Z"}
        )  # fmt: skip

    server.faults = [Fault("POST .*/experiments", status=200, body="", do_first=other_is_faster)]
    start(connection, source)
    start(connection, source)
    assert {run["experiment_id"] for run in server.runs} == {"theirs"}


@pytest.mark.parametrize(
    "fault",
    [Fault(after=True), Fault(after=True, status=504), Fault(after=True, status=0),
     Fault(after=True, delay_s=0.6)],
    ids=["503", "504", "broken off", "timed out"],
)  # fmt: skip
def test_a_run_whose_answer_was_lost_is_found_and_not_started_twice(
    fault: Fault, server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect(patience=Patience(answer_within_s=0.3, waits_s=(0.01, 0.01)))
    source = source_on_server(connection, "photos", "")
    earlier = start(connection, source)  # of the same name
    server.faults = [Fault(**{**vars(fault), "matches": "POST .*/runs"})]
    again = start(connection, source)
    assert len(server.runs) == 2
    assert again == server.runs[1]["run_id"] != earlier


def test_a_run_that_appears_after_the_gateways_answer_is_not_started_twice(
    server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect(patience=Patience(answer_within_s=5.0, waits_s=(0.6,)))
    server.faults = [Fault("POST .*/runs", status=504, later_s=0.1)]
    run_id = start(connection, source_on_server(connection, "photos", ""))
    assert [run["run_id"] for run in server.runs] == [run_id]
    assert len(server.sent("POST .*/runs")) == 1


def test_the_run_of_the_last_try_is_found(
    server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect(patience=Patience(answer_within_s=5.0, waits_s=(0.01,)))
    server.faults = [Fault("POST .*/runs"), Fault("POST .*/runs", after=True)]
    run_id = start(connection, source_on_server(connection, "photos", ""))
    assert [run["run_id"] for run in server.runs] == [run_id]


def test_a_run_is_started_when_the_server_is_back(
    server: StandIn, connect: Connect, published: str
) -> None:
    server.faults = [Fault("POST .*/runs", times=2)]
    connection = connect()
    start(connection, source_on_server(connection, "photos", ""))
    assert len(server.runs) == 1
    assert len(server.sent("POST .*/runs")) == 3


def test_a_server_that_refuses_the_run_is_quoted(
    server: StandIn, connect: Connect, published: str
) -> None:
    connection = connect()
    source = source_on_server(connection, "photos", "")
    with pytest.raises(ServerError, match=r"cannot start run first run \(400\): .*data_dir"):
        submit(connection, source, {"seed": 1}, SUBMISSION)


def test_names_of_runs_differ(compiled_file: Path) -> None:
    source = source_of_file(compiled_file, None)
    names = {new_run_name(source) for _ in range(40)}
    assert len(names) > 20  # of two hex digits, within a second
    assert all(name.startswith("small 20") for name in names)
