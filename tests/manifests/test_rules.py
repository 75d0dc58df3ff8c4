"""Each rule finds the fault it is there for, in one object that is broken in one place."""

from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.manifests import rules
from tests.manifests.objects import Object, parse, quantity, selects

HEALTHY = """
apiVersion: v1
kind: Namespace
metadata:
  name: photos
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/enforce-version: v1.33
    pod-security.kubernetes.io/audit: restricted
    pod-security.kubernetes.io/warn: restricted
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: photos}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: training}
value: -10
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim, namespace: photos}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: files
  resources: {requests: {storage: 20Gi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: words, namespace: photos}
data: {level: INFO}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: photos}
rules: [{apiGroups: [""], resources: [configmaps], resourceNames: [words], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: photos}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: runner, namespace: photos}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: photos}
spec: {hard: {requests.cpu: "8", requests.nvidia.com/gpu: "4"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: photos}
spec:
  limits:
    - type: Container
      max: {nvidia.com/gpu: "8"}
      default: {nvidia.com/gpu: "0"}
      defaultRequest: {nvidia.com/gpu: "0", cpu: 100m}
---
apiVersion: v1
kind: Service
metadata: {name: page, namespace: photos}
spec: {selector: {app: page}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy, namespace: photos}
spec: {podSelector: {matchLabels: {part: edge}}, policyTypes: [Ingress]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: page, namespace: photos}
spec:
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      serviceAccountName: runner
      priorityClassName: training
      imagePullSecrets: [{name: registry}]
      securityContext:
        {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: page
          image: train:1
          envFrom: [{configMapRef: {name: words}}]
          env: [{name: KEY, valueFrom: {secretKeyRef: {name: bucket, key: key, optional: true}}}]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: "1", memory: 1Gi}}
      volumes: [{name: files, persistentVolumeClaim: {claimName: claim}}]
---
apiVersion: pipelines.kubeflow.org/v2beta1
kind: Pipeline
metadata: {name: pipe, namespace: photos}
spec: {displayName: Pipe}
---
apiVersion: pipelines.kubeflow.org/v2beta1
kind: PipelineVersion
metadata: {name: pipe-1, namespace: photos}
spec:
  pipelineName: pipe
  pipelineSpec:
    root:
      inputDefinitions:
        parameters:
          data_claim: {defaultValue: claim}
          bucket_secret: {defaultValue: bucket}
    deploymentSpec: {executors: {exec-scan: {container: {image: "train:1"}}}}
  platformSpec:
    platforms:
      kubernetes:
        deploymentSpec:
          executors:
            exec-scan:
              securityContext: {runAsNonRoot: true}
              podMetadata: {labels: {part: edge}}
              pvcMount: [{pvcNameParameter: {componentInputParameter: pipelinechannel--data_claim}}]
              secretAsVolume:
                - optional: true
                  secretNameParameter: {componentInputParameter: pipelinechannel--bucket_secret}
"""
EXTERNAL = {"Secret": frozenset({"bucket", "registry"}), "StorageClass": frozenset({"files"})}

Rule = Callable[[list[Object]], Iterator[str]]

RULES: dict[str, Rule] = {
    "schema 1.33": lambda objects: rules.schema_faults(objects, "1.33"),
    "schema 1.36": lambda objects: rules.schema_faults(objects, "1.36"),
    "references": lambda objects: rules.reference_faults(objects, EXTERNAL),
    "optional": lambda objects: rules.unnamed_optional_faults(objects, EXTERNAL),
    "selectors": lambda objects: rules.selector_faults(objects, ()),
    "step labels": lambda objects: rules.step_label_faults(objects, {"part": "edge"}),
    "quantities": rules.quantity_faults,
    "gpu defaults": rules.gpu_default_faults,
    "quotas": rules.quota_faults,
    "names": rules.name_faults,
    "namespaces": lambda objects: rules.namespace_faults(objects, "photos"),
    "pod security": rules.pod_security_faults,
    "namespace labels": rules.namespace_label_faults,
    "secrets": rules.secret_faults,
    "images": lambda objects: rules.image_faults(objects, "train:1"),
    "sizes": rules.size_faults,
}

CRON = """
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: photos}
spec: {schedule: "0 3 * * *", jobTemplate: {spec: {template: {spec: {
  serviceAccountName: runner, restartPolicy: Never, containers: [{name: c, image: "train:1"}]}}}}}
"""
SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: bucket, namespace: photos}
"""
UNKNOWN = """
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata: {name: queue, namespace: photos}
"""

# Rule, what is replaced, by what, and the words of the one fault that must be found.
BROKEN = [
    ("schema 1.33", "accessModes: [", "accessmodes: [", "accessmodes"),
    ("schema 1.36", "value: -10", "value: low", "'low' is not of type"),
    ("schema 1.33", "spec: {displayName: Pipe}", "spec: {title: Pipe}", "title"),
    ("schema 1.36", "  pipelineSpec:\n", "  pipelinespec:\n",
     "'pipelineSpec' is a required"),
    ("schema 1.33", "", UNKNOWN, "no schema of kueue.x-k8s.io/v1beta1"),
    ("references", "claimName: claim}", "claimName: disk}", "no PersistentVolumeClaim 'disk'"),
    ("references", "data_claim: {defaultValue: claim}", "data_claim: {defaultValue: disk}",
     "PipelineVersion/pipe-1 exec-scan: there is no PersistentVolumeClaim 'disk'"),
    ("references", "serviceAccountName: runner", "serviceAccountName: walker",
     "no ServiceAccount 'walker'"),
    ("references", "      serviceAccountName: runner\n", "", "no ServiceAccount 'default'"),
    ("references", "subjects: [{kind: ServiceAccount, name: runner",
     "subjects: [{kind: ServiceAccount, name: walker", "no ServiceAccount 'walker'"),
    ("references", "kind: Role, name: reader}", "kind: Role, name: writer}", "no Role 'writer'"),
    ("references", "configMapRef: {name: words}", "configMapRef: {name: verbs}",
     "no ConfigMap 'verbs'"),
    ("references", "resourceNames: [words]", "resourceNames: [verbs]", "no ConfigMap 'verbs'"),
    ("references", "secretKeyRef: {name: bucket", "secretKeyRef: {name: pail", "no Secret 'pail'"),
    ("references", "[{name: registry}]", "[{name: pull}]", "no Secret 'pull'"),
    ("references", "bucket_secret: {defaultValue: bucket}", "bucket_secret: {defaultValue: pail}",
     "no Secret 'pail'"),
    ("references", "priorityClassName: training", "priorityClassName: high",
     "no PriorityClass 'high'"),
    ("references", "storageClassName: files", "storageClassName: tapes", "no StorageClass 'tapes'"),
    ("references", "pipelineName: pipe", "pipelineName: tube", "no Pipeline 'tube'"),
    ("optional", "key: key, optional: true", "key: key", "Secret 'bucket' must be optional"),
    ("optional", "- optional: true\n", "- optional: false\n", "Secret 'bucket' must be optional"),
    ("selectors", "selector: {matchLabels: {app: page}}", "selector: {matchLabels: {app: site}}",
     "Deployment/page: its selector"),
    ("selectors", "selector: {app: page}, ports", "selector: {app: site}, ports",
     "Service/page: it selects no pod"),
    ("selectors", "podSelector: {matchLabels: {part: edge}}",
     "podSelector: {matchLabels: {part: of}}", "NetworkPolicy/policy: it selects no pod"),
    ("step labels", "podMetadata: {labels: {part: edge}}", "podMetadata: {labels: {part: of}}",
     "exec-scan: its pod lacks"),
    ("quantities", "requests: {cpu: 500m", "requests: {cpu: 1500m", "requests of cpu is above"),
    ("quantities", "limits: {cpu: \"1\", memory: 1Gi}", "limits: {cpu: \"1\", memory: 1000Mi}",
     "requests of memory is above"),
    ("quantities", "storage: 20Gi", "storage: 20GB", "'20GB' is no quantity"),
    ("quantities", "requests.cpu: \"8\"", "requests.cpu: eight", "'eight' is no quantity"),
    ("quantities", "default: {nvidia.com/gpu: \"0\"}", "default: {nvidia.com/gpu: \"9\"}",
     "default of nvidia.com/gpu is above max"),
    ("gpu defaults", "      default: {nvidia.com/gpu: \"0\"}\n", "", "by default"),
    ("gpu defaults", "- type: Container", "- type: Pod", "refuses those without"),
    ("quotas", "requests.nvidia.com/gpu", "nvidia.com/gpu", "requests.nvidia.com/gpu"),
    ("quotas", "hard: {", "hard: {requests.memory: 8Gi, ", "without a request of memory"),
    ("quotas", "hard: {", "hard: {limits.cpu: \"8\", ", "without a limit of cpu"),
    ("names", "metadata: {name: training}", "metadata: {name: Training}", "RFC 1123"),
    ("names", "  name: photos\n", "  name: photos.v1\n", "Namespace/photos.v1"),
    ("names", "- name: page", "- name: page_1", "'page_1'"),
    ("names", "enforce-version: v1.33", "enforce-version: v1.33+", "cannot have the value"),
    ("names", "kind: Pipeline\nmetadata: {name: pipe,",
     "kind: PipelineVersion\nmetadata: {name: pipe-1,", "PipelineVersion/pipe-1: is there 2 times"),
    ("namespaces", "metadata: {name: claim, namespace: photos}",
     "metadata: {name: claim, namespace: clothes}", "got 'clothes'"),
    ("namespaces", "metadata: {name: claim, namespace: photos}", "metadata: {name: claim}",
     "got None"),
    ("namespaces", "metadata: {name: training}", "metadata: {name: training, namespace: photos}",
     "it belongs to no namespace"),
    ("namespaces", "name: runner, namespace: photos}]", "name: runner, namespace: clothes}]",
     "its account is in 'clothes'"),
    ("namespaces", "  name: photos\n", "  name: clothes\n", "it must be 'photos'"),
    ("pod security", "runAsNonRoot: true, runAsUser", "runAsUser", "runAsNonRoot must be true"),
    ("pod security", "runAsUser: 10001", "runAsUser: 0", "must not be user 0"),
    ("pod security", "{allowPrivilegeEscalation", "{runAsUser: 0, allowPrivilegeEscalation",
     "must not be user 0"),
    ("pod security", ", seccompProfile: {type: RuntimeDefault}", "", "seccompProfile must be"),
    ("pod security", "allowPrivilegeEscalation: false, ", "", "allowPrivilegeEscalation must be"),
    ("pod security", "{allowPrivilegeEscalation", "{privileged: true, allowPrivilegeEscalation",
     "privileged is not allowed"),
    ("pod security", "{drop: [ALL]}", "{drop: [NET_RAW]}", "must drop ALL"),
    ("pod security", "{drop: [ALL]}", "{drop: [ALL], add: [SYS_ADMIN]}", "may add no capability"),
    ("pod security", "image: train:1\n", "image: train:1\n          ports: [{hostPort: 80}]\n",
     "hostPort is not allowed"),
    ("pod security", "      serviceAccountName",
     "      hostNetwork: true\n      serviceAccountName", "hostNetwork is not allowed"),
    ("pod security", "persistentVolumeClaim: {claimName: claim}", "hostPath: {path: /}",
     "hostPath is not allowed"),
    ("pod security", "securityContext: {runAsNonRoot: true}\n", "securityContext: {}\n",
     "exec-scan: it must say runAsNonRoot"),
    ("pod security", "securityContext: {runAsNonRoot: true}\n",
     "securityContext: {runAsNonRoot: true, runAsUser: '0'}\n", "exec-scan: it must not be user 0"),
    ("namespace labels", "enforce: restricted", "enforce: baseline", "enforce must be restricted"),
    ("namespace labels", "enforce-version: v1.33", "enforce-version: latest", "must be pinned"),
    ("namespace labels", "    pod-security.kubernetes.io/warn: restricted\n", "",
     "warn must be restricted"),
    ("secrets", "", SECRET, "Secret/bucket: secrets are referred to"),
    ("secrets", "level: INFO", "level: \"-----BEGIN RSA PRIVATE KEY-----\"", "looks like a key"),
    ("secrets", "level: INFO", "level: '{\"private_key\": \"x\"}'", "looks like a key"),
    ("secrets", "spec: {displayName: Pipe}", "spec: {displayName: AKIAABCDEFGHIJKLMNOP}",
     "Pipeline/pipe: it holds what looks like a key"),
    ("secrets", "{name: KEY, valueFrom: {secretKeyRef: {name: bucket, key: key, optional: true}}}",
     "{name: AWS_SECRET_ACCESS_KEY, value: abc}", "AWS_SECRET_ACCESS_KEY holds its secret"),
    ("images", "image: train:1", "image: train:latest", "got train:latest"),
    ("images", "image: \"train:1\"", "image: \"train:2\"", "exec-scan: its image must be train:1"),
    ("sizes", "level: INFO", f"level: {'x' * 262_144}", "do not fit kubectl's annotation"),
]  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_healthy_objects_have_no_fault(name: str) -> None:
    assert list(RULES[name](parse(HEALTHY))) == []


@pytest.mark.parametrize(("name", "old", "new", "words"), BROKEN, ids=lambda v: str(v)[:40])
def test_a_rule_catches_its_broken_example(name: str, old: str, new: str, words: str) -> None:
    assert not old or HEALTHY.count(old) == 1, f"{old!r} is there {HEALTHY.count(old)} times"
    text = HEALTHY.replace(old, new) if old else HEALTHY + new
    found = list(RULES[name](parse(text)))
    assert [words in fault for fault in found] == [True], found


def test_every_rule_has_a_broken_example() -> None:
    assert {name for name, *_ in BROKEN} == set(RULES)


def test_pods_of_a_cron_job_are_looked_at() -> None:
    found = list(rules.pod_security_faults(parse(HEALTHY + CRON)))
    assert len(found) == 4, found
    assert all(fault.startswith("CronJob/nightly") for fault in found)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("500m", 0.5), ("1Ki", 1024), ("2M", 2e6), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000),
     ("1E", 1e18), ("128974848", 128974848), (".5", 0.5)],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_does(text: str, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "1K", "1GB", "1 Gi", "Gi", "1e3Ki", "one", "0x1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("{}", True),
        ("{matchLabels: {a: b}}", True),
        ("{matchLabels: {a: b, c: d}}", False),
        ("{matchExpressions: [{key: a, operator: Exists}]}", True),
        ("{matchExpressions: [{key: a, operator: DoesNotExist}]}", False),
        ("{matchExpressions: [{key: a, operator: In, values: [b, c]}]}", True),
        ("{matchExpressions: [{key: a, operator: NotIn, values: [b]}]}", False),
        ("{matchExpressions: [{key: z, operator: NotIn, values: [b]}]}", True),
    ],
)
def test_selectors_select_as_kubernetes_does(selector: str, selected: bool) -> None:
    assert selects(yaml.safe_load(selector), {"a": "b"}) is selected
