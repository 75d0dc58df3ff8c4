"""Objects of Kubernetes as the rules look at them: pods, steps, selectors, references."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
MANIFESTS = REPOSITORY / "manifests"
OVERLAYS = ("gcs", "pvc")

Object = dict[str, Any]
POD_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


def kubectl() -> str:
    """The program's path; without it a test is skipped here, and fails in CI."""
    found = shutil.which("kubectl")
    if found is None and os.environ.get("CI"):
        pytest.fail("CI must have kubectl: without it no manifest is built")
    if found is None:
        pytest.skip("kubectl is not there: install it to build the manifests")
    return found


def build(folder: Path) -> list[Object]:
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


@functools.cache
def built_overlay(overlay: str) -> tuple[Object, ...]:
    """The overlay as it is committed; nobody changes what is returned."""
    return tuple(build(MANIFESTS / "overlays" / overlay))


def parse(text: str) -> list[Object]:
    # The C loader: a compiled pipeline is 150 KB, over which the other takes a second.
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    return [o for o in objects if o["kind"] in kinds]


def place(thing: Object) -> str:
    return f"{thing['kind']}/{thing['metadata']['name']}"


def at(tree: Any, *path: str) -> Any:
    """What lies at a path of keys, or an empty mapping."""
    for key in path:
        tree = (tree or {}).get(key)
    return {} if tree is None else tree


@dataclass(frozen=True)
class Pod:
    """What an object makes pods of, or is itself."""

    place: str
    labels: Mapping[str, str]
    spec: Object

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]


def pods(objects: Sequence[Object]) -> Iterator[Pod]:
    for thing in objects:
        holder = thing["spec"]["jobTemplate"] if thing["kind"] == "CronJob" else thing
        if thing["kind"] in (*POD_TEMPLATES, "CronJob"):
            template = holder["spec"]["template"]
            yield Pod(place(thing), at(template, "metadata", "labels"), template["spec"])
        elif thing["kind"] == "Pod":
            yield Pod(place(thing), at(thing, "metadata", "labels"), thing["spec"])


@dataclass(frozen=True)
class Step:
    """A step of a compiled pipeline: KFP's container, and what it tells Kubernetes of its pod."""

    place: str
    container: Object
    config: Object
    defaults: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = at(self.config, "podMetadata", "labels")
        return labels

    def named(self, field: str, key: str) -> Iterator[tuple[str, bool]]:
        """Names in a list of references, and whether each is optional."""
        for reference in self.config.get(field, []):
            parameter = at(reference, key, "componentInputParameter")
            name = str(parameter).removeprefix("pipelinechannel--")
            constant = at(reference, key, "runtimeValue", "constant")
            yield self.defaults.get(name) or constant or "", bool(reference.get("optional"))


def steps(objects: Sequence[Object]) -> Iterator[Step]:
    for version in of_kind(objects, "PipelineVersion"):
        spec = version["spec"]
        configs = at(spec, "platformSpec", "platforms", "kubernetes", "deploymentSpec", "executors")
        parameters = at(spec, "pipelineSpec", "root", "inputDefinitions", "parameters")
        defaults = {name: p.get("defaultValue") for name, p in parameters.items()}
        for name, executor in at(spec, "pipelineSpec", "deploymentSpec", "executors").items():
            yield Step(
                f"{place(version)} {name}", executor["container"], configs.get(name, {}), defaults
            )


@dataclass(frozen=True)
class Reference:
    """That `place` names an object; KFP and Kubernetes go on without an optional one."""

    place: str
    kind: str
    name: str
    optional: bool = False


def references(objects: Sequence[Object]) -> Iterator[Reference]:
    """All names that an object refers to another object by, of the kinds that are used here."""
    for pod in pods(objects):
        yield from _of_pod(pod)
    for step in steps(objects):
        yield from _of_step(step)
    for thing in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        yield Reference(place(thing), thing["roleRef"]["kind"], thing["roleRef"]["name"])
        for subject in thing["subjects"]:
            if subject["kind"] == "ServiceAccount":
                yield Reference(place(thing), "ServiceAccount", subject["name"])
    for thing in of_kind(objects, "PipelineVersion"):
        yield Reference(place(thing), "Pipeline", thing["spec"]["pipelineName"])
    for thing in of_kind(objects, "PersistentVolumeClaim"):
        if "storageClassName" in thing["spec"]:
            yield Reference(place(thing), "StorageClass", thing["spec"]["storageClassName"])
    for role in of_kind(objects, "Role", "ClusterRole"):
        yield from _of_role(role)


def _of_pod(pod: Pod) -> Iterator[Reference]:
    spec = pod.spec
    yield Reference(pod.place, "ServiceAccount", spec.get("serviceAccountName", "default"))
    if "priorityClassName" in spec:
        yield Reference(pod.place, "PriorityClass", spec["priorityClassName"])
    for secret in spec.get("imagePullSecrets", []):
        yield Reference(pod.place, "Secret", secret["name"], optional=True)
    for volume in spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            yield Reference(pod.place, "PersistentVolumeClaim", claim)
        if "secret" in volume:
            secret = volume["secret"]
            yield Reference(pod.place, "Secret", secret["secretName"], bool(secret.get("optional")))
        if "configMap" in volume:
            yield _named(pod.place, "ConfigMap", volume["configMap"])
    for container in pod.containers:
        for source in container.get("envFrom", []):
            for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if key in source:
                    yield _named(pod.place, kind, source[key])
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if key in source:
                    yield _named(pod.place, kind, source[key])


def _named(where: str, kind: str, reference: Object) -> Reference:
    return Reference(where, kind, reference["name"], bool(reference.get("optional")))


def _of_step(step: Step) -> Iterator[Reference]:
    for name, _ in step.named("pvcMount", "pvcNameParameter"):
        yield Reference(step.place, "PersistentVolumeClaim", name)
    for field in ("secretAsEnv", "secretAsVolume", "imagePullSecret"):
        for name, optional in step.named(field, "secretNameParameter"):
            # A node pulls without a secret that is not there.
            free = optional or field == "imagePullSecret"
            yield Reference(step.place, "Secret", name, free)
    for field in ("configMapAsEnv", "configMapAsVolume"):
        for name, optional in step.named(field, "configMapNameParameter"):
            yield Reference(step.place, "ConfigMap", name, optional)


def _of_role(role: Object) -> Iterator[Reference]:
    kinds = {"secrets": "Secret", "configmaps": "ConfigMap"}
    for rule in role["rules"]:
        for resource in rule.get("resources", []):
            for name in rule.get("resourceNames", []):
                if resource in kinds:
                    yield Reference(place(role), kinds[resource], name, optional=True)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes selects these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for condition in selector.get("matchExpressions", []):
        key, values = condition["key"], condition.get("values", [])
        holds = {
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
        }[condition["operator"]]
        if not holds:
            return False
    return True


def quantity(text: Any) -> float:
    """A quantity of Kubernetes as a number.

    Raises:
        ValueError: it is none.
    """
    suffixes = {"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3}
    suffixes |= {s: 1000.0 ** (i + 1) for i, s in enumerate("kMGTPE")}
    suffixes |= {f"{s}i": 1024.0 ** (i + 1) for i, s in enumerate("KMGTPE")}
    found = re.fullmatch(r"([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(e[+-]?\d+|E[+-]?\d+)?(.*)", str(text))
    if found is None or found[3] not in suffixes or (found[2] and found[3]):
        raise ValueError(f"{text!r} is no quantity")
    return float(found[1] + (found[2] or "")) * suffixes[found[3]]
