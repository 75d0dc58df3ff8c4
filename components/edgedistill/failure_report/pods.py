"""What Kubernetes knows of a run's pods: which there were, how each ended, its log's last lines.

The only module that speaks with Kubernetes; it reads, and changes nothing.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.config import incluster_config
from urllib3.exceptions import HTTPError

from edgedistill.errors import StorageError

ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's own credentials: token, ca.crt, namespace."""

_MAIN = "main"  # Argo's name for the container that a step runs in
_COMPONENT = "app.kubernetes.io/component"  # as on_cluster labels the pods of steps
_NODE = "workflows.argoproj.io/node-name"
_ATTEMPT = re.compile(r"\(\d+\)$")
_ON_ITS_WAY = ("PodInitializing", "ContainerCreating")
_LOG_LINES = 100
_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pod:
    """One attempt at a step. Texts are "" where Kubernetes says nothing.

    Attributes:
        step: the component's name; of a pod that KFP starts for itself, as a driver, the pod's.
        node: what Argo calls the place in the graph, the same for all attempts at it: each round of
            a loop has its own.
        phase: Pending, Running, Succeeded, Failed or Unknown.
        reason, message: why the pod as a whole ended, such as Evicted.
        waiting_for: why it does not start, in Kubernetes' words.
        driven_out: why its node gave it up.
        exit_code: of the step's container; None: it has not ended.
        exit_reason: OOMKilled, Error, ...
        memory_limit: as it was asked for, such as 16Gi.
        log: the last lines of the step's container, without line ends.
    """

    name: str
    step: str
    node: str
    created: str
    phase: str
    reason: str = ""
    message: str = ""
    waiting_for: str = ""
    driven_out: str = ""
    exit_code: int | None = None
    exit_reason: str = ""
    memory_limit: str = ""
    log: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it neither did its work nor is still at it."""
        return self.phase == "Failed" or bool(self.exit_code) or bool(self.waiting_for)


class Pods:
    """The pods of one namespace.

    Args:
        api: Kubernetes' core API.
        namespace: whose pods.
    """

    def __init__(self, api: Any, namespace: str):
        self._api = api
        self._namespace = namespace

    @classmethod
    def of_this_cluster(cls, account: Path = ACCOUNT_FOLDER) -> "Pods":
        """With the credentials of the pod that this runs in.

        Raises:
            StorageError: this is no pod, or one without credentials.
        """
        try:
            incluster_config.InClusterConfigLoader(
                token_filename=str(account / "token"), cert_filename=str(account / "ca.crt")
            ).load_and_set()
            namespace = (account / "namespace").read_text(encoding="utf-8").strip()
        except (config.ConfigException, OSError):
            raise StorageError(
                "Kubernetes cannot be asked why a step failed: this is no pod, or one without the "
                "token of a service account."
            ) from None
        return cls(client.CoreV1Api(), namespace)

    def of_run(self, workflow: str) -> list[Pod]:
        """Every pod of a run, those of KFP itself too, in the order in which they were made.

        Args:
            workflow: the run's name in Kubernetes, as KFP hands it to an exit task.

        Raises:
            StorageError: Kubernetes refuses, or cannot be reached.
        """
        of_run = f"workflows.argoproj.io/workflow={workflow}"
        try:
            found = self._api.list_namespaced_pod(
                self._namespace, label_selector=of_run, _request_timeout=_TIMEOUT_S
            )
        except client.ApiException as error:
            raise StorageError(
                f"Kubernetes refused to list the pods of {self._namespace}: {error.status} "
                f"{error.reason}; the run's service account must be allowed to get and list pods, "
                "and to get pods/log."
            ) from None
        except HTTPError as error:
            raise StorageError(f"Kubernetes cannot be reached: {error}.") from None
        pods = [self._with_log(_pod(item)) for item in found.items]
        return sorted(pods, key=lambda pod: pod.created)

    def _with_log(self, pod: Pod) -> Pod:
        if not pod.failed or pod.waiting_for:
            return pod
        try:
            text = self._api.read_namespaced_pod_log(
                pod.name,
                self._namespace,
                container=_MAIN,
                tail_lines=_LOG_LINES,
                _request_timeout=_TIMEOUT_S,
            )
        except (client.ApiException, HTTPError) as error:  # a node that is gone took it along
            _log.warning("the log of %s cannot be read: %s", pod.name, _short(error))
            return pod
        return Pod(**{**vars(pod), "log": tuple(text.splitlines())})


def _short(error: Exception) -> str:
    if isinstance(error, client.ApiException):
        return f"{error.status} {error.reason}"
    return str(error)


def _pod(item: Any) -> Pod:
    status, labels = item.status, item.metadata.labels or {}
    name = item.metadata.name
    node = (item.metadata.annotations or {}).get(_NODE, labels.get(_COMPONENT, name))
    main = _main_state(status)
    ended = None if main is None else main.terminated
    return Pod(
        name=name,
        step=labels[_COMPONENT].replace("-", "_") if _COMPONENT in labels else name,
        node=_ATTEMPT.sub("", node),
        created=item.metadata.creation_timestamp.isoformat(),
        phase=status.phase or "Unknown",
        reason=status.reason or "",
        message=status.message or "",
        waiting_for=_waiting_for(status),
        driven_out=_condition(status, "DisruptionTarget", "True"),
        exit_code=None if ended is None else ended.exit_code,
        exit_reason="" if ended is None else ended.reason or "",
        memory_limit=_memory_limit(item.spec),
    )


def _main_state(status: Any) -> Any:
    """The state of the step's own container; None where it has none yet."""
    states = (s.state for s in status.container_statuses or [] if s.name == _MAIN)
    return next(states, None)


def _waiting_for(status: Any) -> str:
    """What keeps a container from starting, one that comes before the step's among them."""
    for container in (*(status.init_container_statuses or []), *(status.container_statuses or [])):
        waiting = container.state.waiting if container.state is not None else None
        if waiting is not None and waiting.reason not in _ON_ITS_WAY:
            return ": ".join(text for text in (waiting.reason, waiting.message) if text)
    return _condition(status, "PodScheduled", "False")


def _condition(status: Any, kind: str, value: str) -> str:
    """What is said of a condition that has this value; "" where it has not."""
    for condition in status.conditions or []:
        if condition.type == kind and condition.status == value:
            return str(condition.message or condition.reason or kind)
    return ""


def _memory_limit(spec: Any) -> str:
    containers = spec.containers if spec is not None else []
    main = next((c for c in containers if c.name == _MAIN), None)
    limits: Mapping[str, str] = (main and main.resources and main.resources.limits) or {}
    return limits.get("memory", "")
