"""Fits a task to Kubernetes: what it may use, where it may run, what it sees, how long it may take.

What is a parameter of the run is handed on; the rest KFP fixes when it compiles. Limits are
requests too: a pod that never gets less than it asked for is the last to be driven out.
"""

from dataclasses import dataclass
from typing import Any

from kfp import kubernetes

from edgedistill.checkpoints import PLACE_VARIABLE
from edgedistill.cluster_parameters import (
    CHECKPOINT_PATH,
    DATA_PATH,
    SECRET_PATH,
    ClusterVariant,
)
from edgedistill.contract import Parameters
from edgedistill.settings import COMPONENT_SETTINGS
from edgedistill.shared_settings import InBuckets
from edgedistill.training_settings import Trained

USER = 10001
"""User and group of the image, by number: a cluster that wants no root can tell."""

_HOUR_S = 3600
# KFP counts it from the first attempt's start: a training of a day may be driven out on its
# second, and still be tried again.
_RETRY_WINDOW = f"{7 * 24 * _HOUR_S}s"
_SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
)


@dataclass(frozen=True)
class _Share:
    """What a step that is no training may use, how often and how long it is tried."""

    cpu: str
    memory: str
    retries: int = 2
    hours: int = 24


_SHARES = {
    # A decoder may hold a photo of 178 megapixels several times over.
    "scan": _Share("4", "16Gi"),
    "scan_shard": _Share("4", "16Gi"),
    # The search for near duplicates holds some 2 kB a photo.
    "merge_shards": _Share("2", "8Gi"),
    "split": _Share("1", "4Gi"),
    "evaluate": _Share("4", "8Gi"),
    "calibrate": _Share("2", "4Gi"),
    "failure_report": _Share("1", "1Gi", retries=0, hours=1),
}
_WRITE_TO_CLAIM = ("teacher", "distiller", "qat_export", "calibrate")
"""States of trainings, and the bundle where export_uri says so."""
_TRAINING_RETRIES = 5
_TRAINING_HOURS = 48


class Cluster:
    """The place that one compiled pipeline's tasks run at.

    Args:
        given: the parameters of the run.
        variant: whether photos and checkpoints lie in claims.
        image: of every step; "": as the components have it.
    """

    def __init__(self, given: Parameters, variant: ClusterVariant, image: str = ""):
        self._given = given
        self._image = image
        self._has_claims = variant.has_claims

    def place(self, step: str, task: Any) -> Any:
        """Fits the task of a step to its place, and gives it."""
        settings = COMPONENT_SETTINGS[step]
        if self._image:
            task.set_container_image(self._image)
        _label(task, step)
        kubernetes.set_security_context(
            task, run_as_user=USER, run_as_group=USER, run_as_non_root=True
        )
        kubernetes.set_image_pull_secrets(task, [self._given["pull_secret"]])
        if issubclass(settings, Trained):
            self._train(task)
        else:
            _share(task, _SHARES[step])
        if issubclass(settings, InBuckets):
            self._give_credentials(task)
            self._mount_claims(task, step)
        return task

    def _train(self, task: Any) -> None:
        given = self._given
        task.set_accelerator_type(given["gpu_type"]).set_accelerator_limit(given["gpu_count"])
        _limit(task, given["cpu"], given["memory"])
        _allow_time(task, _TRAINING_RETRIES, _TRAINING_HOURS)
        # GPU libraries of several devices meet there; a container has 64 MB of it otherwise.
        kubernetes.empty_dir_mount(
            task, volume_name="shm", mount_path="/dev/shm", medium="Memory", size_limit="2Gi"
        )
        kubernetes.add_node_selector_json(task, given["node_selector"])
        kubernetes.add_toleration_json(task, given["tolerations"])
        kubernetes.add_node_affinity_json(task, given["affinity"])
        if self._has_claims:
            task.set_env_variable(PLACE_VARIABLE, CHECKPOINT_PATH)

    def _give_credentials(self, task: Any) -> None:
        """Of buckets, to a step that reads from one or writes to one."""
        secret = self._given["bucket_secret"]
        kubernetes.use_secret_as_env(
            task, secret, {key: key for key in _SECRET_KEYS}, optional=True
        )
        kubernetes.use_secret_as_volume(task, secret, SECRET_PATH, optional=True)

    def _mount_claims(self, task: Any, step: str) -> None:
        """Photos and weights for all that may read them; the other for those that write to it.

        A claim that one node alone may write to holds all pods that mount it to that node.
        """
        if self._has_claims:
            kubernetes.mount_pvc(task, self._given["data_claim"], DATA_PATH)
        if self._has_claims and step in _WRITE_TO_CLAIM:
            kubernetes.mount_pvc(task, self._given["checkpoint_claim"], CHECKPOINT_PATH)


def _label(task: Any, step: str) -> None:
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "edgedistill")
    kubernetes.add_pod_label(task, "app.kubernetes.io/component", step.replace("_", "-"))


def _share(task: Any, share: _Share) -> None:
    _limit(task, share.cpu, share.memory)
    _allow_time(task, share.retries, share.hours)


def _limit(task: Any, cpu: Any, memory: Any) -> None:
    task.set_cpu_limit(cpu).set_cpu_request(cpu)
    task.set_memory_limit(memory).set_memory_request(memory)


def _allow_time(task: Any, retries: int, hours: int) -> None:
    kubernetes.set_timeout(task, hours * _HOUR_S)
    if retries:
        task.set_retry(
            retries,
            backoff_duration="60s",
            backoff_factor=2.0,
            backoff_max_duration=_RETRY_WINDOW,
        )
