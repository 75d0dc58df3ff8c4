"""The stand-in is as strict as a server: what passes here would pass there, as far as we know."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.server.conftest import SMALL_PIPELINE
from tests.server.models import UnknownFieldError, check_body, check_parameters
from tests.server.stand_in import StandIn


def ask(server: StandIn, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.url}/apis/v2beta1{path}", content, method=method,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [("POST", "/pipelines", {"display_name": "p", "tag": 1}, 400, 'unknown field "tag"'),
     ("POST", "/pipelines", {"display_name": 1.5}, 400, "invalid value"),
     ("GET", "/pipelines?name=p", None, 400, "unknown query parameter name"),
     ("GET", "/pipelines?namespace=secret", None, 403, "not authorized"),
     ("GET", "/experiments", None, 400, "empty namespace"),
     ("POST", "/runs", {"experiment_id": "none"}, 404, "Experiment none not found"),
     ("GET", "/runs/none", None, 404, "Run none not found"),
     ("DELETE", "/recurringruns/none", None, 404, "Job none not found"),
     ("GET", "/elsewhere", None, 404, "Not Found")],
)  # fmt: skip
def test_what_the_api_does_not_have_is_refused(
    method: str, path: str, body: Any, status: int, says: str, server: StandIn
) -> None:
    got, told = ask(server, method, path, body)
    assert got == status
    assert says in told["message"]


def test_bodies_are_held_against_the_models_at_every_depth() -> None:
    run = {"display_name": "r", "runtime_config": {"parameters": {"a": 1}},
           "pipeline_version_reference": {"pipeline_version_id": "v"}}  # fmt: skip
    check_body(run, "V2beta1Run")
    with pytest.raises(UnknownFieldError, match='"pipelineRoot"'):
        check_body({**run, "runtime_config": {"pipelineRoot": "x"}}, "V2beta1Run")
    with pytest.raises(ValueError, match="enum"):
        check_body({"mode": "SOMETIMES"}, "V2beta1RecurringRun")


@pytest.mark.parametrize(
    ("values", "says"),
    [({}, "a is not optional"), ({"a": 1.0, "b": "x"}, "b requires type BOOLEAN"),
     ({"a": True}, "a requires type NUMBER_INTEGER"), ({"a": 1, "c": 1}, "c is not an input")],
)  # fmt: skip
def test_parameters_are_held_against_the_pipeline(values: dict[str, Any], says: str) -> None:
    declared = {"a": {"parameterType": "NUMBER_INTEGER"},
                "b": {"parameterType": "BOOLEAN", "defaultValue": False}}  # fmt: skip
    check_parameters({"a": 1}, declared)
    with pytest.raises(ValueError, match=says):
        check_parameters(values, declared)


def test_a_name_is_taken_once_in_its_place(server: StandIn) -> None:
    body = {"display_name": "p", "namespace": "team"}
    assert ask(server, "POST", "/pipelines", body)[0] == 200
    assert ask(server, "POST", "/pipelines", body)[0] == 409
    assert ask(server, "POST", "/pipelines", {**body, "namespace": "other"})[0] == 200


def test_lists_come_in_pages_and_in_the_order_that_is_asked_for(server: StandIn) -> None:
    pipeline_id = server.add_pipeline("p", "team")["pipeline_id"]
    for name in "abc":
        server.add_version(pipeline_id, name, SMALL_PIPELINE.encode())
    path = f"/pipelines/{pipeline_id}/versions?sort_by=created_at%20desc"
    _, first = ask(server, "GET", path)
    _, second = ask(server, "GET", f"{path}&page_token={first['next_page_token']}")
    names = [v["display_name"] for v in first["pipeline_versions"] + second["pipeline_versions"]]
    assert names == ["c", "b", "a"]
    assert "next_page_token" not in second
