"""Both overlays, as kubectl builds them: valid, whole, closed, and as the pipelines expect."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgedistill.contract import BASE_IMAGE
from tests.manifests import rules
from tests.manifests.objects import (
    MANIFESTS,
    OVERLAYS,
    Object,
    at,
    build,
    built_overlay,
    kubectl,
    of_kind,
    parse,
    pods,
    selects,
    steps,
)
from tests.manifests.outside import EXTERNAL, POD_LABELS

NAMESPACE = "edgedistill"
PART_OF = {"app.kubernetes.io/part-of": "edgedistill"}
COMPILED = {"gcs": "pipeline.yaml", "pvc": "pipeline-pvc.yaml"}


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def built(overlay: str) -> list[Object]:
    return list(built_overlay(overlay))


@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_every_field_is_valid(built: list[Object], version: str) -> None:
    assert list(rules.schema_faults(built, version)) == []


def test_every_name_that_is_referred_to_is_there_or_stated(built: list[Object]) -> None:
    assert list(rules.reference_faults(built, EXTERNAL)) == []
    assert list(rules.unnamed_optional_faults(built, EXTERNAL)) == []


def test_selectors_select_and_steps_carry_their_labels(built: list[Object]) -> None:
    assert list(rules.selector_faults(built, POD_LABELS)) == []
    assert list(rules.step_label_faults(built, PART_OF)) == []


def test_quantities_quotas_and_defaults_hold_together(built: list[Object]) -> None:
    assert list(rules.quantity_faults(built)) == []
    assert list(rules.gpu_default_faults(built)) == []
    assert list(rules.quota_faults(built)) == []


def test_names_and_namespaces_are_consistent(built: list[Object]) -> None:
    assert list(rules.name_faults(built)) == []
    assert list(rules.namespace_faults(built, NAMESPACE)) == []


def test_every_pod_is_allowed_in_the_namespace(built: list[Object]) -> None:
    assert list(rules.namespace_label_faults(built)) == []
    assert list(rules.pod_security_faults(built)) == []
    assert len(list(steps(built))) >= 7


def test_no_secret_is_contained(built: list[Object]) -> None:
    assert list(rules.secret_faults(built)) == []


def test_the_image_is_this_version_and_objects_fit_where_kubectl_keeps_them(
    built: list[Object],
) -> None:
    assert list(rules.image_faults(built, BASE_IMAGE)) == []
    assert list(rules.size_faults(built)) == []


def test_both_overlays_have_what_the_readme_lists(built: list[Object], overlay: str) -> None:
    kinds = {
        "Namespace", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "PriorityClass",
        "ResourceQuota", "LimitRange", "Pipeline", "PipelineVersion",
    }  # fmt: skip
    kinds |= {"PersistentVolumeClaim", "Job"} if overlay == "pvc" else set()
    assert {thing["kind"] for thing in built} == kinds


def test_the_pipeline_objects_hold_the_compiled_pipelines(
    built: list[Object], overlay: str
) -> None:
    [version] = of_kind(built, "PipelineVersion")
    path = MANIFESTS / COMPILED[overlay]
    compiled, *platform = parse(path.read_text(encoding="utf-8"))
    assert version["spec"]["pipelineSpec"] == compiled
    assert [version["spec"]["platformSpec"]] == platform
    assert version["spec"]["pipelineName"] == compiled["pipelineInfo"]["name"]


def test_the_claims_are_those_that_the_compiled_pipeline_mounts_by_default() -> None:
    compiled, *_ = parse((MANIFESTS / COMPILED["pvc"]).read_text(encoding="utf-8"))
    parameters = at(compiled, "root", "inputDefinitions", "parameters")
    wanted = {parameters[name]["defaultValue"] for name in ("data_claim", "checkpoint_claim")}
    claims = of_kind(built_overlay("pvc"), "PersistentVolumeClaim")
    assert {claim["metadata"]["name"] for claim in claims} == wanted


def test_the_job_mounts_the_claims_where_the_steps_do_and_as_their_user() -> None:
    objects = built_overlay("pvc")
    [job] = pods(objects)
    mounts = {mount["mountPath"] for mount in job.containers[0]["volumeMounts"]}
    in_steps = [step.config for step in steps(objects) if "pvcMount" in step.config]
    assert in_steps
    for config in in_steps:
        assert {mount["mountPath"] for mount in config["pvcMount"]} <= mounts
    user = job.spec["securityContext"]
    for step in steps(objects):
        context = step.config["securityContext"]
        assert int(context["runAsUser"]) == user["runAsUser"]
        assert int(context["runAsGroup"]) == user["runAsGroup"] == user["fsGroup"]


def allowed(
    built: Sequence[Object], labels: dict[str, str], port: int, protocol: str, peer: str
) -> bool:
    """Whether a pod may connect there. `peer`: the name of a namespace, or an address block."""
    policies = [
        policy["spec"]
        for policy in of_kind(built, "NetworkPolicy")
        if "Egress" in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], labels)
    ]
    namespace = {"kubernetes.io/metadata.name": peer}
    return not policies or any(
        any(p["port"] == port and p["protocol"] == protocol for p in egress["ports"])
        and any(
            at(to, "ipBlock", "cidr") == peer
            or ("namespaceSelector" in to and selects(to["namespaceSelector"], namespace))
            for to in egress.get("to", [{"ipBlock": {"cidr": peer}}])
        )
        for policy in policies
        for egress in policy["egress"]
    )


ANYWHERE, GKE = "0.0.0.0/0", "169.254.169.254/32"


def test_a_profiles_namespace_keeps_the_label_that_kubeflows_policies_look_for(
    built: list[Object],
) -> None:
    [namespace] = of_kind(built, "Namespace")
    assert not namespace["metadata"]["labels"].keys() & PART_OF.keys()


@pytest.mark.parametrize("labels", [POD_LABELS[0], POD_LABELS[0] | PART_OF], ids=["driver", "step"])
@pytest.mark.parametrize(
    ("port", "protocol", "peer"),
    [
        (53, "UDP", "kube-system"),
        (53, "TCP", "169.254.20.10/32"),
        (8080, "TCP", "kubeflow"),
        (8887, "TCP", "kubeflow"),
        (8888, "TCP", "kubeflow"),
        (9000, "TCP", "kubeflow"),
        (443, "TCP", ANYWHERE),
        (443, "TCP", "::/0"),
        (6443, "TCP", ANYWHERE),
    ],
)
def test_a_run_reaches_what_it_needs(
    built: list[Object], labels: dict[str, str], port: int, protocol: str, peer: str
) -> None:
    assert allowed(built, labels, port, protocol, peer)


@pytest.mark.parametrize(
    ("port", "peer"), [(22, ANYWHERE), (80, ANYWHERE), (3306, "kubeflow"), (8080, "payroll")]
)
def test_a_run_reaches_nothing_else(built: list[Object], port: int, peer: str) -> None:
    assert not allowed(built, POD_LABELS[0] | PART_OF, port, "TCP", peer)


def test_only_the_overlay_with_workload_identity_reaches_the_metadata_server(
    built: list[Object], overlay: str
) -> None:
    assert allowed(built, dict(POD_LABELS[0]), 80, "TCP", GKE) is (overlay == "gcs")


def add_workload_identity(copied: Path) -> None:
    """To the overlay with claims, as README.md says in step 5."""
    chosen = copied / "overlays" / "pvc" / "kustomization.yaml"
    text = chosen.read_text(encoding="utf-8")
    assert "components:\n" in text
    chosen.write_text(text.replace("components:\n", "components:\n  - ../../gke\n"))


def test_one_line_gives_the_overlay_with_claims_workload_identity_too(copied: Path) -> None:
    add_workload_identity(copied)
    with_gke = build(copied / "overlays" / "pvc")
    assert allowed(with_gke, dict(POD_LABELS[0]), 80, "TCP", GKE)
    [runner] = [
        account
        for account in of_kind(with_gke, "ServiceAccount")
        if account["metadata"]["name"] == "edgedistill-runner"
    ]
    assert "iam.gke.io/gcp-service-account" in runner["metadata"]["annotations"]
    assert list(rules.namespace_faults(with_gke, NAMESPACE)) == []
    assert list(rules.schema_faults(with_gke, "1.36")) == []


def test_nothing_may_connect_to_a_pod_but_the_dashboard_to_its_proxy(built: list[Object]) -> None:
    inward = [
        policy["spec"]
        for policy in of_kind(built, "NetworkPolicy")
        if "Ingress" in policy["spec"]["policyTypes"]
    ]
    assert {"podSelector": {}, "policyTypes": ["Ingress"]} in inward
    opened = [spec for spec in inward if spec.get("ingress")]
    assert [spec["podSelector"]["matchLabels"] for spec in opened] == [POD_LABELS[1]]


def granted(built: Sequence[Object]) -> set[tuple[str, str, str]]:
    """Resource, name or *, verb: all that the roles bound to the account allow."""
    bound = {
        binding["roleRef"]["name"]
        for binding in of_kind(built, "RoleBinding")
        if [subject["name"] for subject in binding["subjects"]] == ["edgedistill-runner"]
    }
    return {
        (f"{group}/{resource}".lstrip("/"), name, verb)
        for role in of_kind(built, "Role")
        if role["metadata"]["name"] in bound
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def test_the_account_may_do_what_kfp_does_with_it_and_no_more(built: list[Object]) -> None:
    argo = "argoproj.io/"
    assert granted(built) == {
        (f"{argo}workflowtaskresults", "*", "create"),
        (f"{argo}workflowtaskresults", "*", "patch"),
        (f"{argo}workflowtasksets", "*", "list"),
        (f"{argo}workflowtasksets", "*", "watch"),
        (f"{argo}workflowtasksets/status", "*", "patch"),
        ("pods", "*", "get"),
        ("pods", "*", "list"),
        ("pods", "*", "watch"),
        ("pods/log", "*", "get"),
        ("configmaps", "kfp-launcher", "get"),
        ("secrets", "mlpipeline-minio-artifact", "get"),
    }


def test_the_priority_class_puts_nothing_out_and_is_no_default(built: list[Object]) -> None:
    [priority] = of_kind(built, "PriorityClass")
    assert priority["value"] < 0
    assert priority["preemptionPolicy"] == "Never"
    assert not priority["globalDefault"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MANIFESTS, tmp_path / "manifests"))


OWN = "registry.example.com/vision/edgedistill-train"


def renamed(copied: Path, overlay: str) -> list[Object]:
    """An overlay in which the administrator has named a registry, as the README says."""
    chosen = copied / "image" / "kustomization.yaml"
    text = chosen.read_text(encoding="utf-8")
    assert "newName: edgedistill-train\n" in text
    chosen.write_text(text.replace("newName: edgedistill-train\n", f"newName: {OWN}\n"))
    return build(copied / "overlays" / overlay)


def test_one_line_moves_every_container_to_another_registry(copied: Path, overlay: str) -> None:
    image = f"{OWN}:{BASE_IMAGE.partition(':')[2]}"
    assert list(rules.image_faults(renamed(copied, overlay), image)) == []


def test_a_step_that_the_image_component_does_not_know_is_found(copied: Path) -> None:
    known = copied / "image" / "pipelines.yaml"
    text = known.read_text(encoding="utf-8")
    known.write_text(text.replace("exec-teacher/", "exec-lecturer/"), encoding="utf-8")
    [fault] = rules.image_faults(renamed(copied, "gcs"), f"{OWN}:{BASE_IMAGE.partition(':')[2]}")
    assert "exec-teacher: its image must be" in fault


def test_without_users_all_that_is_left_is_in_the_namespace_of_kfp(
    copied: Path, overlay: str
) -> None:
    if overlay == "pvc":
        add_workload_identity(copied)  # its policy must go with the others
    own = copied.parent / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(
        f"resources: [../manifests/overlays/{overlay}]\ncomponents: [../manifests/standalone]\n"
    )
    left = build(own)
    assert list(rules.namespace_faults(left, "kubeflow")) == []
    assert list(rules.reference_faults(left, EXTERNAL)) == []
    closing = {"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange"}
    assert not closing & {thing["kind"] for thing in left}
    assert {"ServiceAccount", "Role", "PriorityClass", "PipelineVersion"} <= {
        thing["kind"] for thing in left
    }


def test_without_kubectl_ci_fails_and_others_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install it"):
        kubectl()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must have kubectl"):
        kubectl()
