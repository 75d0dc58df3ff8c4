"""What must hold of a set of Kubernetes objects: each rule gives its faults, a sentence each."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema
import kubernetes_validate

from tests.manifests.custom_resources import GROUP_VERSION, SCHEMAS
from tests.manifests.objects import (
    POD_TEMPLATES,
    Object,
    Pod,
    at,
    of_kind,
    place,
    pods,
    quantity,
    references,
    selects,
    steps,
)

CLUSTER_WIDE = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}
ANNOTATION_BYTES = 262_144
"""All annotations of an object; `kubectl apply` keeps the whole object in one."""

External = Mapping[str, frozenset[str]]
"""By kind, the names that KFP, the cluster or its administrator provide."""


def schema_faults(objects: Sequence[Object], version: str) -> Iterator[str]:
    """Strictly, and an object without a schema is a fault too."""
    for thing in objects:
        own = SCHEMAS.get(thing["kind"]) if thing["apiVersion"] == GROUP_VERSION else None
        try:
            if own is not None:
                jsonschema.validate(thing, own)
            else:
                kubernetes_validate.validate(thing, version, strict=True)
        except jsonschema.ValidationError as error:
            yield f"{place(thing)} {'.'.join(map(str, error.path))}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield f"{place(thing)}: no schema of {thing['apiVersion']} in Kubernetes {version}"


def reference_faults(objects: Sequence[Object], external: External) -> Iterator[str]:
    """Each name that is referred to is an object here, or provided from outside."""
    here = {(thing["kind"], thing["metadata"]["name"]) for thing in objects}
    for reference in references(objects):
        known = (reference.kind, reference.name) in here
        if not known and reference.name not in external.get(reference.kind, frozenset()):
            yield f"{reference.place}: there is no {reference.kind} {reference.name!r}"


def unnamed_optional_faults(objects: Sequence[Object], external: External) -> Iterator[str]:
    """What the administrator may leave out must not stop a pod."""
    for reference in references(objects):
        outside = reference.name in external.get(reference.kind, frozenset())
        if outside and reference.kind in ("Secret", "ConfigMap") and not reference.optional:
            yield f"{reference.place}: {reference.kind} {reference.name!r} must be optional"


def selector_faults(
    objects: Sequence[Object], outside: Sequence[Mapping[str, str]]
) -> Iterator[str]:
    """A workload's selector selects its own pods; a service's and a policy's selects some pod."""
    known = [pod.labels for pod in pods(objects)] + [step.labels for step in steps(objects)]
    known += list(outside)
    for thing in objects:
        if thing["kind"] in POD_TEMPLATES and "selector" in thing["spec"]:
            labels = at(thing, "spec", "template", "metadata", "labels")
            if not selects(thing["spec"]["selector"], labels):
                yield f"{place(thing)}: its selector does not select its own pods"
        selector = {
            "Service": {"matchLabels": at(thing, "spec", "selector")},
            "NetworkPolicy": at(thing, "spec", "podSelector"),
        }.get(thing["kind"])
        if selector is not None and not any(selects(selector, labels) for labels in known):
            yield f"{place(thing)}: it selects no pod that is known"


def step_label_faults(objects: Sequence[Object], wanted: Mapping[str, str]) -> Iterator[str]:
    """Each step's pod has the labels that policies and administrators select by."""
    for step in steps(objects):
        if not selects({"matchLabels": wanted}, step.labels):
            yield f"{step.place}: its pod lacks the labels {dict(wanted)}"


def quantity_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Quantities can be read, and no request is above its limit."""
    for where, given in _resources(objects):
        sizes: dict[str, dict[str, float]] = {}
        for part, values in given.items():
            for resource, text in values.items():
                try:
                    sizes.setdefault(part, {})[resource] = quantity(text)
                except ValueError as error:
                    yield f"{where} {part}.{resource}: {error}"
        for lower, upper in _MUST_NOT_EXCEED:
            for resource, size in sizes.get(lower, {}).items():
                if size > sizes.get(upper, {}).get(resource, size):
                    yield f"{where}: {lower} of {resource} is above {upper}"


_MUST_NOT_EXCEED = (
    ("requests", "limits"),
    ("defaultRequest", "default"),
    ("default", "max"),
    ("min", "default"),
    ("min", "max"),
)


def _resources(objects: Sequence[Object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for pod in pods(objects):
        for container in pod.containers:
            yield f"{pod.place} {container['name']}", container.get("resources", {})
    for claim in of_kind(objects, "PersistentVolumeClaim"):
        yield place(claim), claim["spec"]["resources"]
    for quota in of_kind(objects, "ResourceQuota"):
        yield place(quota), {"hard": quota["spec"]["hard"]}
    for limits in of_kind(objects, "LimitRange"):
        for item in limits["spec"]["limits"]:
            parts = ("max", "min", "default", "defaultRequest")
            yield place(limits), {part: item[part] for part in parts if part in item}


def gpu_default_faults(objects: Sequence[Object]) -> Iterator[str]:
    """A maximum of an extended resource without a default is itself the default of each container.

    Of a pod as a whole it refuses every pod that asks for none.
    """
    for limits in of_kind(objects, "LimitRange"):
        for item in limits["spec"]["limits"]:
            for resource in filter(_is_extended, item.get("max", {})):
                if item["type"] != "Container":
                    yield f"{place(limits)}: {resource} of a {item['type']} refuses those without"
                elif any(
                    str(item.get(part, {}).get(resource)) != "0"
                    for part in ("default", "defaultRequest")
                ):
                    yield f"{place(limits)}: every container would get {resource} by default"


def quota_faults(objects: Sequence[Object]) -> Iterator[str]:
    """A quota counts extended resources by request alone; and what it counts has a default."""
    defaults = {
        resource
        for limits in of_kind(objects, "LimitRange")
        for item in limits["spec"]["limits"]
        if item["type"] == "Container"
        for resource in item.get("defaultRequest", {})
    }
    for quota in of_kind(objects, "ResourceQuota"):
        for counted in quota["spec"]["hard"]:
            part, _, resource = counted.partition(".")
            if _is_extended(counted) and part != "requests":
                yield f"{place(quota)}: {counted} must be counted as requests.{counted}"
            elif part == "requests" and resource in ("cpu", "memory") and resource not in defaults:
                yield f"{place(quota)}: pods without a request of {resource} would be refused"
            elif part == "limits":
                yield f"{place(quota)}: pods without a limit of {resource} would be refused"


def _is_extended(resource: str) -> bool:
    return "/" in resource and not resource.startswith(("kubernetes.io/", "requests."))


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def name_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Names are RFC 1123's, namespaces' and containers' without dots; none is taken twice."""
    for thing in objects:
        form = re.compile(_LABEL) if thing["kind"] in ("Namespace", "Service") else _SUBDOMAIN
        if not form.fullmatch(thing["metadata"]["name"]):
            yield f"{place(thing)}: its name is not as RFC 1123 has it"
        for key, value in at(thing, "metadata", "labels").items():
            if not _LABEL_VALUE.fullmatch(value):
                yield f"{place(thing)}: the label {key} cannot have the value {value!r}"
    for pod in pods(objects):
        for name in (c["name"] for c in pod.containers):
            if not re.fullmatch(_LABEL, name):
                yield f"{pod.place}: the container's name {name!r} is not as RFC 1123 has it"
    taken = Counter((thing["kind"], thing["metadata"]["name"]) for thing in objects)
    yield from (f"{kind}/{name}: is there {n} times" for (kind, name), n in taken.items() if n > 1)


def namespace_faults(objects: Sequence[Object], namespace: str) -> Iterator[str]:
    """All that has a namespace has this one, and so have the accounts that roles are bound to."""
    for thing in objects:
        got = thing["metadata"].get("namespace")
        if thing["kind"] in CLUSTER_WIDE and got is not None:
            yield f"{place(thing)}: it belongs to no namespace; got {got!r}"
        if thing["kind"] not in CLUSTER_WIDE and got != namespace:
            yield f"{place(thing)}: its namespace must be {namespace!r}; got {got!r}"
        if thing["kind"] == "Namespace" and thing["metadata"]["name"] != namespace:
            yield f"{place(thing)}: it must be {namespace!r}"
        for subject in thing.get("subjects", []):
            if subject.get("namespace") != namespace:
                yield f"{place(thing)}: its account is in {subject.get('namespace')!r}"


def pod_security_faults(objects: Sequence[Object]) -> Iterator[str]:
    """What the namespace refuses: all that Kubernetes' restricted pod security does not allow."""
    for pod in pods(objects):
        yield from _pod_faults(pod)
        for container in pod.containers:
            yield from _container_faults(pod, container)
    for step in steps(objects):
        # KFP drops capabilities and sets seccomp by itself, but lets a step be root.
        context = step.config.get("securityContext", {})
        if context.get("runAsNonRoot") is not True:
            yield f"{step.place}: it must say runAsNonRoot, or its pod is refused"
        if str(context.get("runAsUser", "")) == "0":
            yield f"{step.place}: it must not be user 0"


_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip


def _pod_faults(pod: Pod) -> Iterator[str]:
    for host in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(host):
            yield f"{pod.place}: {host} is not allowed"
    for volume in pod.spec.get("volumes", []):
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"{pod.place}: a volume of kind {kind} is not allowed"
    if at(pod.spec, "securityContext", "runAsUser") == 0:
        yield f"{pod.place}: it must not be user 0"


def _container_faults(pod: Pod, container: Object) -> Iterator[str]:
    where = f"{pod.place} {container['name']}"
    own, of_pod = container.get("securityContext", {}), pod.spec.get("securityContext", {})
    if own.get("privileged"):
        yield f"{where}: privileged is not allowed"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{where}: allowPrivilegeEscalation must be false"
    if own.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield f"{where}: runAsNonRoot must be true"
    if own.get("runAsUser") == 0:
        yield f"{where}: it must not be user 0"
    if "ALL" not in at(own, "capabilities", "drop"):
        yield f"{where}: capabilities must drop ALL"
    if set(at(own, "capabilities", "add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{where}: it may add no capability but NET_BIND_SERVICE"
    seccomp = at(own, "seccompProfile", "type") or at(of_pod, "seccompProfile", "type")
    if seccomp not in ("RuntimeDefault", "Localhost"):
        yield f"{where}: seccompProfile must be RuntimeDefault"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield f"{where}: hostPort is not allowed"


def namespace_label_faults(objects: Sequence[Object]) -> Iterator[str]:
    """Namespaces enforce restricted pod security at a pinned version, and warn of the next."""
    for thing in of_kind(objects, "Namespace"):
        labels = at(thing, "metadata", "labels")
        for mode in ("enforce", "audit", "warn"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{place(thing)}: {mode} must be restricted"
        pinned = labels.get("pod-security.kubernetes.io/enforce-version", "")
        if not re.fullmatch(r"v1\.\d+", pinned):
            yield f"{place(thing)}: enforce-version must be pinned; got {pinned!r}"


_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\"private_key\"\s*:|\bghp_\w{36}|\bya29\."
)
_SECRET_NAME = re.compile(r"(secret|password|token|private_key|access_key|api_?key)", re.IGNORECASE)


def secret_faults(objects: Sequence[Object]) -> Iterator[str]:
    """No object holds a secret, in whatever field."""
    for thing in objects:
        if thing["kind"] == "Secret":
            yield f"{place(thing)}: secrets are referred to, and never contained"
        if _SECRET_TEXT.search(json.dumps(thing).replace('\\"', '"')):
            yield f"{place(thing)}: it holds what looks like a key"
    for pod in pods(objects):
        for container in pod.containers:
            for variable in container.get("env", []):
                if _SECRET_NAME.search(variable["name"]) and variable.get("value"):
                    yield f"{pod.place}: the variable {variable['name']} holds its secret itself"


def image_faults(objects: Sequence[Object], image: str) -> Iterator[str]:
    """Every container of ours is this image: one version, no `latest`, which KFP would cache."""
    given = [(pod.place, c["image"]) for pod in pods(objects) for c in pod.containers]
    given += [(step.place, step.container["image"]) for step in steps(objects)]
    yield from (
        f"{where}: its image must be {image}; got {got}" for where, got in given if got != image
    )


def size_faults(objects: Sequence[Object]) -> Iterator[str]:
    """`kubectl apply` writes each object into an annotation of itself."""
    for thing in objects:
        n_bytes = len(json.dumps(thing, separators=(",", ":")).encode())
        if n_bytes > ANNOTATION_BYTES:
            yield f"{place(thing)}: {n_bytes} bytes do not fit kubectl's annotation"
