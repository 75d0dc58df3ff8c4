"""A server of Kubeflow Pipelines to test against: real HTTP, real state, strict about bodies.

It keeps pipelines, versions, experiments, runs and recurring runs, as far as KFP's own API does,
refuses what it does not know, and can be told to fail. What it says in refusals follows the
back end of KFP 2.17.
"""

import email
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.server.models import check_body, check_parameters

API = "/apis/v2beta1"


@dataclass
class Request:
    """A request as it came; `file` is what was uploaded."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    file: bytes = b""
    file_name: str = ""


@dataclass
class Fault:
    """What happens to the next `times` requests whose "METHOD path" matches.

    A status of 0 is no answer at all: the connection is closed. `after` does the work before;
    with `later_s` it is done that long after the answer, as behind a gateway that gave up.
    """

    matches: str = ""
    times: int = 1
    status: int = 503
    body: str = '{"error": "upstream connect error", "code": 14, "message": "no healthy upstream"}'
    content_type: str = "application/json"
    delay_s: float = 0.0
    after: bool = False
    later_s: float = 0.0
    do_first: Callable[[], object] = lambda: None

    @property
    def is_served(self) -> bool:
        """Whether the answer is the true one after all, and `do_first` all that is odd."""
        return self.status == 200 and not self.body


class RefusalError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *, upload: bool = False):
        super().__init__(message)
        self.status = status
        told = {"error_message": message, "error_details": message} if upload else {
            "error": message, "code": 3, "message": message, "details": [],
        }  # fmt: skip
        self.body = json.dumps(told)


@dataclass
class StandIn:
    """The server's state. Times go on by a second with each thing made."""

    multi_user: bool = True
    token: str = ""
    cookie: str = ""
    namespaces: tuple[str, ...] = ("team", "other")
    page_limit: int = 2
    unknown_fields: tuple[str, ...] = ()
    """Fields of compiled files that an older server does not know."""
    names_fields: bool = True
    url: str = ""
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring_runs: list[dict[str, Any]] = field(default_factory=list)
    life: list[tuple[str, dict[str, str]]] = field(
        default_factory=lambda: [("RUNNING", {}), ("SUCCEEDED", {})]
    )
    """State of a run, and of its tasks, at each look at it; the last one stays."""
    looks: int = 0
    requests: list[Request] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    made: int = 0

    def sent(self, matches: str) -> list[Request]:
        """The requests whose "METHOD path" matches."""
        return [r for r in self.requests if re.search(matches, f"{r.method} {r.path}")]

    def stamp(self, prefix: str) -> tuple[str, str]:
        """An id and a time for something new."""
        self.made += 1
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.made)
        return f"{prefix}-{self.made:04d}", when.isoformat().replace("+00:00", "Z")

    def add_pipeline(self, name: str, namespace: str, description: str = "") -> dict[str, Any]:
        same = [
            p for p in self.pipelines if (p["display_name"], p["namespace"]) == (name, namespace)
        ]
        if same:
            raise RefusalError(409, f"Pipeline {name} already exists")
        pipeline_id, when = self.stamp("pipeline")
        self.pipelines.append(
            {"pipeline_id": pipeline_id, "display_name": name, "namespace": namespace,
             "description": description, "created_at": when}
        )  # fmt: skip
        return self.pipelines[-1]

    def add_version(
        self, pipeline_id: str, name: str, content: bytes, description: str = ""
    ) -> dict[str, Any]:
        if not any(p["pipeline_id"] == pipeline_id for p in self.pipelines):
            raise RefusalError(400, "Failed to create a pipeline version", upload=True)
        if any((v["pipeline_id"], v["display_name"]) == (pipeline_id, name) for v in self.versions):
            raise RefusalError(409, "Failed to create a pipeline version", upload=True)
        spec = self.read_spec(content)
        version_id, when = self.stamp("version")
        self.files[version_id] = content
        self.versions.append(
            {"pipeline_id": pipeline_id, "pipeline_version_id": version_id, "display_name": name,
             "description": description, "created_at": when, "pipeline_spec": spec}
        )  # fmt: skip
        return self.versions[-1]

    def read_spec(self, content: bytes) -> dict[str, Any]:
        """The documents, read as strictly as a server of this kfp reads them, or older."""
        pipeline, platform = {}, {}
        for document in yaml.safe_load_all(content):
            if "platforms" in document:
                platform = document
            else:
                pipeline = document
        older = self.unknown_fields and _first_key(pipeline, self.unknown_fields)
        if older and not self.names_fields:
            raise RefusalError(
                400, "unknown template format: pipeline spec is invalid", upload=True
            )
        if older:
            message = f'invalid v2 pipeline spec: proto: (line 1:42): unknown field "{older}"'
            raise RefusalError(400, message, upload=True)
        try:
            json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
            json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        except json_format.ParseError as error:
            raise RefusalError(400, f"pipeline spec is invalid: {error}", upload=True) from None
        return {"pipeline_spec": pipeline, "platform_spec": platform} if platform else pipeline

    def spec_of(self, body: dict[str, Any]) -> dict[str, Any]:
        """The pipeline that a run or recurring run is of."""
        if spec := body.get("pipeline_spec"):
            spec = spec.get("pipeline_spec", spec)
            json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
            return dict(spec)
        wanted = body["pipeline_version_reference"]["pipeline_version_id"]
        for version in self.versions:
            if version["pipeline_version_id"] == wanted:
                spec = version["pipeline_spec"]
                return dict(spec.get("pipeline_spec", spec))
        raise RefusalError(404, f"PipelineVersion {wanted} not found.")

    def check_start(self, body: dict[str, Any]) -> None:
        if not any(e["experiment_id"] == body.get("experiment_id") for e in self.experiments):
            raise RefusalError(404, f"Experiment {body.get('experiment_id')} not found.")
        root = self.spec_of(body)["root"]
        declared = root.get("inputDefinitions", {}).get("parameters", {})
        check_parameters(body.get("runtime_config", {}).get("parameters", {}), declared)

    def look(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run as it is now."""
        state, tasks = self.life[min(self.looks, len(self.life) - 1)]
        self.looks += 1
        details = [_task(name, task_state) for name, task_state in tasks.items()]
        return {**run, "state": state, "run_details": {"task_details": details}}


def _task(name: str, state: str) -> dict[str, Any]:
    ended = state in ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
    told: dict[str, Any] = {
        "task_id": f"task-{name}",
        "display_name": name,
        "create_time": "2026-01-01T00:00:00Z",
        "start_time": "2026-01-01T00:00:00Z",
        # What has not ended ends at the epoch, in KFP's own answers too.
        "end_time": "2026-01-01T00:01:35Z" if ended else "1970-01-01T00:00:00Z",
        "state": state,
    }
    if state == "FAILED":
        told["error"] = {"code": 2, "message": f"{name} exited with 1"}
    return told


def _first_key(value: Any, keys: tuple[str, ...]) -> str:
    """The first of the keys that stands anywhere in the value, or ""."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        if key in keys:
            return str(key)
        if isinstance(one, dict | list) and (found := _first_key(one, keys)):
            return found
    return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: StandIn

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        request = self._read()
        with self.state.lock:
            self.state.requests.append(request)
            fault = self._fault(request)
        if fault is not None:
            fault.do_first()
            if fault.later_s:
                threading.Timer(fault.later_s, self._work, (request,)).start()
        if fault is None or fault.after or fault.is_served:
            status, body, kind = self._work(request)
        if fault is not None and not fault.is_served:
            time.sleep(fault.delay_s)
            status, body, kind = fault.status, fault.body, fault.content_type
        if not status:
            self.close_connection = True
            return
        self._send(status, body, kind)

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.state.faults:
            if fault.times and re.search(fault.matches, f"{request.method} {request.path}"):
                fault.times -= 1
                return fault
        return None

    def _work(self, request: Request) -> tuple[int, str, str]:
        with self.state.lock:
            return self._answer(request)

    def _answer(self, request: Request) -> tuple[int, str, str]:
        try:
            self._check_login(request)
            return 200, json.dumps(_route(self.state, request)), "application/json"
        except RefusalError as refusal:
            return refusal.status, refusal.body, "application/json"
        except ValueError as error:
            return 400, RefusalError(400, str(error)).body, "application/json"

    def _check_login(self, request: Request) -> None:
        state = self.state
        bearer = request.headers.get("authorization", "")
        if state.token and bearer != f"Bearer {state.token}":
            raise RefusalError(401, f"Unauthenticated: no valid identity in {bearer}")
        if state.cookie and state.cookie not in request.headers.get("cookie", ""):
            raise RefusalError(401, "Unauthenticated")
        wanted = request.query.get("namespace") or (request.body or {}).get("namespace")
        if state.multi_user and wanted and wanted not in state.namespaces:
            raise RefusalError(403, f"User is not authorized in namespace {wanted}")

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, query, headers)
        content = self.rfile.read(int(headers.get("content-length", 0)))
        kind = headers.get("content-type", "")
        if kind.startswith("multipart/form-data"):
            whole = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
            uploaded: Any = whole.get_payload()
            (part,) = uploaded
            assert part.get_param("name", header="content-disposition") == "uploadfile"
            request.file, request.file_name = part.get_payload(decode=True), part.get_filename()
        elif content:
            request.body = json.loads(content)
        return request

    def _send(self, status: int, body: str, kind: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if 300 <= status < 400:
            self.send_header("Location", f"{self.state.url}/login")
        self.end_headers()
        with suppress(OSError):  # the client may be gone
            self.wfile.write(content)


def _route(state: StandIn, request: Request) -> Any:
    """What the server gives for a request.

    Raises:
        RefusalError: it gives no success.
        ValueError: the body or the query is not as the API has it.
    """
    for method, pattern, query, handle in _ROUTES:
        match = re.fullmatch(API + pattern, request.path)
        if match and request.method == method:
            if unknown := set(request.query) - set(query.split()):
                raise ValueError(f"unknown query parameter {min(unknown)}")
            return handle(state, request, *match.groups())
    raise RefusalError(404, "Not Found")


_LIST = "page_token page_size sort_by filter"


def _listed(state: StandIn, request: Request, what: str, items: list[dict[str, Any]]) -> Any:
    query = request.query
    for predicate in json.loads(query.get("filter") or '{"predicates": []}')["predicates"]:
        if predicate.keys() != {"operation", "key", "stringValue"}:
            raise ValueError(f"unknown predicate {predicate}")
        if predicate["operation"] not in ("EQUALS", 1) or predicate["key"] != "display_name":
            raise ValueError(f"unsupported predicate {predicate}")
        items = [i for i in items if i["display_name"] == predicate["stringValue"]]
    if sort_by := query.get("sort_by"):
        key, _, order = sort_by.partition(" ")
        items = sorted(items, key=lambda i: i[key], reverse=order == "desc")
    start = int(query.get("page_token") or 0)
    size = min(int(query.get("page_size", 20)), state.page_limit)
    page = items[start : start + size]
    token = str(start + size) if start + size < len(items) else ""
    # As protojson: what is empty is left out.
    return {k: v for k, v in {what: page, "next_page_token": token}.items() if v}


def _space(state: StandIn, namespace: str | None) -> str:
    """The namespace as the server keeps it: none where there is one user."""
    return (namespace or "") if state.multi_user else ""


def _health(state: StandIn, request: Request) -> Any:
    return {"multi_user": state.multi_user, "pipeline_store": "database"}


def _list_pipelines(state: StandIn, request: Request) -> Any:
    space = _space(state, request.query.get("namespace"))
    items = [p for p in state.pipelines if p["namespace"] == space]
    return _listed(state, request, "pipelines", items)


def _create_pipeline(state: StandIn, request: Request) -> Any:
    body = request.body
    check_body(body, "V2beta1Pipeline")
    space = _space(state, body.get("namespace"))
    return state.add_pipeline(body["display_name"], space, body.get("description", ""))


def _upload_pipeline(state: StandIn, request: Request) -> Any:
    query = request.query
    state.read_spec(request.file)
    space = _space(state, query.get("namespace"))
    pipeline = state.add_pipeline(query["name"], space, query.get("description", ""))
    state.add_version(pipeline["pipeline_id"], query["name"], request.file, "")
    return pipeline


def _upload_version(state: StandIn, request: Request) -> Any:
    if not request.file_name.endswith((".yaml", ".zip", ".tar.gz")):
        raise RefusalError(400, "unexpected pipeline file format", upload=True)
    query = request.query
    return state.add_version(
        query["pipelineid"], query["name"], request.file, query.get("description", "")
    )


def _list_versions(state: StandIn, request: Request, pipeline_id: str) -> Any:
    items = [v for v in state.versions if v["pipeline_id"] == pipeline_id]
    return _listed(state, request, "pipeline_versions", items)


def _list_experiments(state: StandIn, request: Request) -> Any:
    space = _space(state, request.query.get("namespace"))
    if state.multi_user and not space:
        raise RefusalError(400, "An experiment cannot have an empty namespace in multi-user mode")
    items = [e for e in state.experiments if e["namespace"] == space]
    return _listed(state, request, "experiments", items)


def _create_experiment(state: StandIn, request: Request) -> Any:
    body = request.body
    check_body(body, "V2beta1Experiment")
    space = _space(state, body.get("namespace"))
    if any((e["display_name"], e["namespace"]) == (body["display_name"], space)
           for e in state.experiments):  # fmt: skip
        raise RefusalError(409, f"Experiment {body['display_name']} already exists")
    experiment_id, when = state.stamp("experiment")
    state.experiments.append({**body, "experiment_id": experiment_id, "namespace": space,
                              "created_at": when})  # fmt: skip
    return state.experiments[-1]


def _create_run(state: StandIn, request: Request) -> Any:
    check_body(request.body, "V2beta1Run")
    state.check_start(request.body)
    run_id, when = state.stamp("run")
    state.runs.append({**request.body, "run_id": run_id, "created_at": when, "state": "PENDING"})
    return state.runs[-1]


def _list_runs(state: StandIn, request: Request) -> Any:
    wanted = request.query.get("experiment_id")
    items = [r for r in state.runs if r["experiment_id"] == wanted]
    return _listed(state, request, "runs", items)


def _get_run(state: StandIn, request: Request, run_id: str) -> Any:
    for run in state.runs:
        if run["run_id"] == run_id:
            return state.look(run)
    raise RefusalError(404, f"Run {run_id} not found.")


def _create_recurring_run(state: StandIn, request: Request) -> Any:
    body = request.body
    check_body(body, "V2beta1RecurringRun")
    state.check_start(body)
    if not 1 <= int(body["max_concurrency"]) <= 10:
        raise RefusalError(400, "The max concurrency of the recurring run is out of range.")
    cron = body["trigger"].get("cron_schedule", {}).get("cron", "0 0 0 * * *")
    if not cron.startswith("@") and len(cron.split()) not in (5, 6):
        raise RefusalError(400, "Schedule cron is not a supported format")
    space = next(e["namespace"] for e in state.experiments
                 if e["experiment_id"] == body["experiment_id"])  # fmt: skip
    recurring_run_id, when = state.stamp("recurring")
    status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
    state.recurring_runs.append({**body, "recurring_run_id": recurring_run_id, "created_at": when,
                                 "namespace": space, "status": status})  # fmt: skip
    return state.recurring_runs[-1]


def _list_recurring_runs(state: StandIn, request: Request) -> Any:
    space = _space(state, request.query.get("namespace"))
    items = [r for r in state.recurring_runs if r["namespace"] == space]
    return _listed(state, request, "recurringRuns", items)


def _find_recurring_run(state: StandIn, recurring_run_id: str) -> dict[str, Any]:
    for job in state.recurring_runs:
        if job["recurring_run_id"] == recurring_run_id:
            return job
    raise RefusalError(404, f"Job {recurring_run_id} not found.")


def _delete_recurring_run(state: StandIn, request: Request, recurring_run_id: str) -> Any:
    state.recurring_runs.remove(_find_recurring_run(state, recurring_run_id))
    return {}


def _enable_recurring_run(state: StandIn, request: Request, recurring_run_id: str) -> Any:
    _find_recurring_run(state, recurring_run_id)["status"] = "ENABLED"
    return {}


_ROUTES: list[tuple[str, str, str, Callable[..., Any]]] = [
    ("GET", "/healthz", "", _health),
    ("GET", "/pipelines", f"namespace {_LIST}", _list_pipelines),
    ("POST", "/pipelines", "", _create_pipeline),
    ("POST", "/pipelines/upload", "name description namespace", _upload_pipeline),
    ("POST", "/pipelines/upload_version", "name pipelineid description", _upload_version),
    ("GET", "/pipelines/([^/]+)/versions", _LIST, _list_versions),
    ("GET", "/experiments", f"namespace {_LIST}", _list_experiments),
    ("POST", "/experiments", "", _create_experiment),
    ("POST", "/runs", "", _create_run),
    ("GET", "/runs", f"namespace experiment_id {_LIST}", _list_runs),
    ("GET", "/runs/([^/:]+)", "experiment_id", _get_run),
    ("POST", "/recurringruns", "", _create_recurring_run),
    ("GET", "/recurringruns", f"namespace experiment_id {_LIST}", _list_recurring_runs),
    ("DELETE", "/recurringruns/([^/:]+)", "", _delete_recurring_run),
    ("POST", "/recurringruns/([^/:]+):enable", "", _enable_recurring_run),
]


@contextmanager
def serve(state: StandIn, certificate: Path | None = None) -> Iterator[StandIn]:
    """Serves the state on a free port until the block ends; over TLS with that certificate."""
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    state.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
