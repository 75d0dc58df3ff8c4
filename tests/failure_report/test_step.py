"""Why a run failed, as its report says it, from pods as Kubernetes describes them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl, local
from kfp.components import load_component_from_file

from edgedistill import failure_report
from edgedistill.errors import StorageError
from edgedistill.failure_report.pods import Pods
from edgedistill.failure_report.step import report_failure
from tests.failure_report.kubernetes_server import KubernetesServer, serve

RUN = "edgedistill-x7k2p"
COMPONENT = Path(failure_report.__file__).with_name("component.yaml")
# As KFP's launcher and Argo end a log; the pod's own exit status is then 1, whatever happened.
ENDS_WITH = (
    "F1128 14:28:11.058914      42 main.go:49] failed to execute component: {}\n"
    'time="2026-11-28T14:28:11.100Z" level=info msg="sub-process exited" argo=true error="<nil>"\n'
    "Error: exit status 1\n"
)


def pod(
    step: str,
    *,
    attempt: int = 0,
    place: str = "",
    phase: str = "Failed",
    state: dict[str, Any] | None = None,
    memory: str = "16Gi",
    **status: Any,
) -> dict[str, Any]:
    """A pod of the run; `state` is that of its container main."""
    containers = [{"name": "wait", "image": "a", "imageID": "", "ready": False, "restartCount": 0,
                   "state": {"terminated": {"exitCode": 0}}}]  # fmt: skip
    if state is not None:
        containers.append({**containers[0], "name": "main", "state": state})
    return {
        "metadata": {
            "name": f"{RUN}-{step}-{attempt}",
            "annotations": {
                "workflows.argoproj.io/node-name": f"{RUN}.root.{place or step}.executor({attempt})"
            },
            "creationTimestamp": f"2026-11-28T14:0{attempt}:00Z",
            "labels": {
                "workflows.argoproj.io/workflow": RUN,
                "app.kubernetes.io/part-of": "edgedistill",
                "app.kubernetes.io/component": step,
            },
        },
        "spec": {
            "containers": [
                {"name": "wait"},
                {"name": "main", "resources": {"limits": {"memory": memory}}},
            ]
        },
        "status": {"phase": phase, "containerStatuses": containers, **status},
    }


def ended(exit_code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": exit_code, "reason": reason}}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    server = KubernetesServer()
    with serve(server, tmp_path / "account"):
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        yield server


def report(tmp_path: Path, state: str = "FAILED") -> str:
    page = tmp_path / "report.md"
    pods = Pods.of_this_cluster(tmp_path / "account")
    report_failure(RUN, state, str(page), pods)
    return page.read_text(encoding="utf-8")


def sentence(page: str) -> str:
    """What the page's first section says."""
    return next(line for line in page.splitlines() if line.startswith("**"))


def test_a_sentence_of_ours_is_told_as_it_stands(cluster: KubernetesServer, tmp_path: Path) -> None:
    cluster.pods = [
        pod("scan", phase="Succeeded", state=ended(0, "Completed")),
        pod("split", attempt=1, state=ended(1)),
    ]
    cluster.logs[f"{RUN}-split-1"] = (
        "[KFP Executor 2026-11-28 14:00:00,000 INFO]: --component_module_path given\n"
        "14:28:10 split: 60 photos\n"
        "class 'mug' has 2 photos; 3 are needed.\n" + ENDS_WITH.format("exit status 2")
    )
    assert report(tmp_path) == (
        f"# The run {RUN} did not succeed\n\n"
        "KFP calls it FAILED.\n\n"
        "## split\n\n"
        "**split failed:** class 'mug' has 2 photos; 3 are needed.\n\n"
        f"The last lines of `{RUN}-split-1`:\n\n"
        "```text\n14:28:10 split: 60 photos\nclass 'mug' has 2 photos; 3 are needed.\n```\n"
    )


@pytest.mark.parametrize(
    ("failed", "log", "told"),
    [
        (
            pod("teacher", state=ended(137, "OOMKilled"), memory="24Gi"), "epoch 1\n",
            "it used more memory than its limit of 24Gi: raise memory, or take a smaller "
            "batch_size.",
        ),
        (
            # The kernel ended Python alone: the container itself ends as if it were any error.
            pod("teacher", state=ended(1)), "epoch 1\n" + ENDS_WITH.format("signal: killed"),
            "it was killed; most likely it used more memory than its limit of 16Gi: raise memory, "
            "or take a smaller batch_size.",
        ),
        (
            pod("teacher", state=ended(1)),
            "Traceback (most recent call last):\nValueError: odd\n" + ENDS_WITH.format(
                "exit status 1"),
            "it ended with exit status 1; its last line: ValueError: odd",
        ),
        (
            pod("teacher", state=ended(143)), "epoch 3\n", "it was stopped by SIGTERM.",
        ),
        (
            pod("teacher", state=ended(1)), "", "it ended with exit status 1 and said nothing.",
        ),
        (
            pod("teacher", reason="DeadlineExceeded", message="Pod was active too long"), "",
            "it took longer than its time limit: fewer epochs or photos, or a faster machine.",
        ),
        (
            pod("teacher", reason="Evicted", message="The node was low on resource: memory. "), "",
            "its node gave it up: The node was low on resource: memory. A training goes on from "
            "its last saved state where it has a place to save to.",
        ),
        (
            pod("teacher", state=ended(143), conditions=[
                {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
                 "message": "preempting to accommodate a higher priority pod"}]), "epoch 3\n",
            "its node gave it up: preempting to accommodate a higher priority pod. A training "
            "goes on from its last saved state where it has a place to save to.",
        ),
        (
            pod("teacher", phase="Pending", conditions=[
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]), "",
            "it could not start: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        ),
        (
            pod("teacher", phase="Pending", state={"waiting": {
                "reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\""}}), "",
            'it could not start: ImagePullBackOff: Back-off pulling image "x:1".',
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) and value.startswith("it") else "",
)  # fmt: skip
def test_what_kubernetes_knows_is_told_in_one_sentence(
    cluster: KubernetesServer, tmp_path: Path, failed: dict[str, Any], log: str, told: str
) -> None:
    cluster.pods, cluster.logs = [failed], {failed["metadata"]["name"]: log}
    assert sentence(report(tmp_path)) == f"**teacher failed:** {told}"


def test_a_step_that_was_tried_again_is_told_attempt_by_attempt(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    cluster.pods = [
        pod("distiller", attempt=2, state=ended(137, "OOMKilled")),
        pod("distiller", attempt=1, reason="Evicted", message="low on disk"),
    ]
    cluster.logs = {f"{RUN}-distiller-{n}": f"attempt {n}\n" for n in (1, 2)}
    page = report(tmp_path)
    assert "It was tried 2 times:\n\n1. its node gave it up: low on disk." in page
    assert "\n2. it used more memory" in page
    assert "attempt 2" in page
    assert "attempt 1" not in page


def test_a_step_that_succeeded_at_last_did_not_fail(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    cluster.pods = [
        pod("teacher", attempt=1, reason="Evicted", message="low on disk"),
        pod("teacher", attempt=2, phase="Succeeded", state=ended(0, "Completed")),
        pod("failure-report", attempt=3, phase="Running", state={"running": {}}),
    ]
    page = report(tmp_path)
    assert "## " not in page
    assert "None of its pods that are still there failed:" in page


def test_a_shard_that_failed_is_not_hidden_by_one_that_succeeded_later(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    cluster.pods = [
        pod("scan-shard", attempt=1, place="loop-0", state=ended(137, "OOMKilled")),
        pod("scan-shard", attempt=2, place="loop-1", phase="Succeeded", state=ended(0)),
        pod("scan-shard", attempt=3, place="loop-2", state=ended(143)),
    ]
    page = report(tmp_path)
    assert page.count("## scan_shard") == 2
    assert "limit of 16Gi: leave out larger photos by a smaller max_megapixels." in page
    assert "it was stopped by SIGTERM." in page
    assert "It was tried" not in page


def test_what_fails_before_a_step_begins_is_told_too(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    driver = pod("driver", attempt=1, place="driver", state=ended(1))
    del driver["metadata"]["labels"]["app.kubernetes.io/component"]
    unpulled = {"waiting": {"reason": "ImagePullBackOff"}}
    launcher = {"name": "kfp-launcher", "image": "a", "imageID": "", "ready": False,
                "restartCount": 0, "state": unpulled}  # fmt: skip
    stuck = pod("split", attempt=2, phase="Pending", initContainerStatuses=[launcher],
                state={"waiting": {"reason": "PodInitializing"}})  # fmt: skip
    cluster.pods = [driver, stuck]
    cluster.logs = {f"{RUN}-driver-1": "affinity must be an object\n"}
    page = report(tmp_path)
    assert (
        f"**{RUN}-driver-1 failed:** it ended with exit status 1; its last line: affinity" in page
    )
    assert "**split failed:** it could not start: ImagePullBackOff." in page


def test_a_pod_without_an_end_says_what_kubernetes_says(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    cluster.pods = [pod("split", reason="UnexpectedAdmissionError", message="no disk left")]
    assert sentence(report(tmp_path)) == (
        "**split failed:** its pod failed before the step ended. UnexpectedAdmissionError no disk "
        "left"
    )


def test_pods_of_other_runs_are_left_alone(cluster: KubernetesServer, tmp_path: Path) -> None:
    cluster.pods = [pod("scan", state=ended(1))]
    cluster.pods[0]["metadata"]["labels"]["workflows.argoproj.io/workflow"] = "another"
    assert "## " not in report(tmp_path)


def test_of_a_long_log_the_end_is_shown(cluster: KubernetesServer, tmp_path: Path) -> None:
    cluster.pods = [pod("scan", state=ended(1))]
    cluster.logs = {f"{RUN}-scan-0": "".join(f"line {n}\n" for n in range(500))}
    page = report(tmp_path)
    assert "line 499" in page
    assert "\nline 400\n" in page
    assert "\nline 399\n" not in page


def test_a_log_cannot_break_out_of_its_fence(cluster: KubernetesServer, tmp_path: Path) -> None:
    cluster.pods = [pod("scan", state=ended(1))]
    cluster.logs = {f"{RUN}-scan-0": "odd\n````\n# a heading\n"}
    assert "`````text\nodd\n````\n# a heading\n`````\n" in report(tmp_path)


def test_a_log_that_went_with_its_node_leaves_the_reason(
    cluster: KubernetesServer, tmp_path: Path
) -> None:
    cluster.pods = [pod("teacher", state=ended(137, "OOMKilled"))]
    page = report(tmp_path)
    assert "more memory than its limit of 16Gi" in sentence(page)
    assert "The last lines" not in page


def test_a_refusal_says_which_right_is_missing(cluster: KubernetesServer, tmp_path: Path) -> None:
    cluster.refusal = 403
    page = report(tmp_path)
    assert "Kubernetes refused to list the pods of photos: 403 Forbidden" in page
    assert "must be allowed to get and list pods, and to get pods/log." in page


def test_a_run_that_succeeded_asks_nobody(tmp_path: Path) -> None:
    page = tmp_path / "report.md"
    report_failure(RUN, "SUCCEEDED", str(page))
    assert page.read_text(encoding="utf-8") == "All steps did their work.\n"


def test_outside_of_a_cluster_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(StorageError, match="this is no pod"):
        Pods.of_this_cluster(tmp_path)
    page = tmp_path / "report.md"
    report_failure(RUN, "FAILED", str(page))
    assert "Kubernetes cannot be asked why a step failed" in page.read_text(encoding="utf-8")


def test_it_runs_as_a_strangers_exit_task_after_a_step_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    loaded = load_component_from_file(str(COMPONENT))

    @dsl.component(base_image="someone/else:1", install_kfp_package=False)
    def refuse() -> None:
        raise SystemExit(2)

    @dsl.pipeline(name="strangers")
    def strangers() -> None:
        with dsl.ExitHandler(loaded(), name="Steps"):
            refuse()

    local.init(
        local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path), raise_on_error=False
    )
    strangers()
    (page,) = tmp_path.glob("*/failure-report/report")
    text = page.read_text(encoding="utf-8")
    assert "did not succeed" in text
    assert "Kubernetes cannot be asked why a step failed" in text
