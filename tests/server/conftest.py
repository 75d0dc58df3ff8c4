"""A stand-in server for each test, and a connection to it that waits for nothing long."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgedistill.server.connection import Connection
from edgedistill.server.login import COOKIE, COOKIE_FILE, POD_TOKEN_PATH, TOKEN, TOKEN_FILE
from edgedistill.server.target import Patience, Target
from tests.server.stand_in import StandIn, serve

FAST = Patience(answer_within_s=5.0, waits_s=(0.01, 0.02, 0.04))
Connect = Callable[..., Connection]

# A pipeline with each type of parameter, a task in an inner graph, and settings for Kubernetes.
SMALL_PIPELINE = """\
# PIPELINE DEFINITION
components:
  comp-inner:
    dag:
      tasks:
        teach:
          cachingOptions: {enableCache: true}
          componentRef: {name: comp-teach}
          taskInfo: {name: Teacher}
  comp-teach:
    executorLabel: exec-teach
deploymentSpec:
  executors:
    exec-teach:
      container: {image: "edgedistill-train:0.1.0", command: [sh], args: [-c, "true"]}
pipelineInfo:
  name: small
root:
  dag:
    tasks:
      inner:
        componentRef: {name: comp-inner}
        taskInfo: {name: Inner}
  inputDefinitions:
    parameters:
      affinity: {defaultValue: {}, isOptional: true, parameterType: STRUCT}
      cpu: {defaultValue: "4", isOptional: true, parameterType: STRING}
      data_dir: {parameterType: STRING}
      lr_qat: {defaultValue: 0.0001, isOptional: true, parameterType: NUMBER_DOUBLE}
      qat: {defaultValue: true, isOptional: true, parameterType: BOOLEAN}
      seed: {defaultValue: 42.0, isOptional: true, parameterType: NUMBER_INTEGER}
      steps_free: {isOptional: true, parameterType: NUMBER_INTEGER}
      tolerations: {defaultValue: [], isOptional: true, parameterType: LIST}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
---
platforms:
  kubernetes:
    deploymentSpec:
      executors:
        exec-teach: {imagePullSecret: [{secretName: registry}]}
"""


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    for name in (TOKEN, TOKEN_FILE, COOKIE, COOKIE_FILE, POD_TOKEN_PATH, *proxies):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with serve(StandIn()) as state:
        yield state


@pytest.fixture
def connect(server: StandIn) -> Connect:
    """Connects to the stand-in, in a namespace, with an environment."""

    def connect(
        namespace: str = "team", patience: Patience = FAST, host: str = "", **environment: str
    ) -> Connection:
        return Connection.open(Target.read(host or server.url, namespace, environment, patience))

    return connect


@pytest.fixture
def compiled_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_PIPELINE, encoding="utf-8")
    return path
