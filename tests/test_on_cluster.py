"""What the compiled pipelines ask of Kubernetes, read off the committed files."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgedistill.checkpoints import PLACE_VARIABLE
from edgedistill.cluster_parameters import CLUSTER_VARIANTS
from edgedistill.settings import STEP_SETTINGS, all_settings

MANIFESTS = Path(__file__).parents[1] / "manifests"
TRAININGS = {"teacher", "distiller", "qat-export"}
IN_BUCKETS = {"scan", *TRAININGS, "evaluate", "calibrate"}
DAY_S = 24 * 3600


class Compiled:
    """One compiled file: its pipeline and what it asks of Kubernetes."""

    def __init__(self, variant: str):
        self.variant = CLUSTER_VARIANTS[variant]
        text = (MANIFESTS / self.variant.file_name).read_text(encoding="utf-8")
        self.pipeline, platforms = yaml.safe_load_all(text)
        kubernetes = platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.pods: dict[str, Any] = {n.removeprefix("exec-"): p for n, p in kubernetes.items()}
        executors = self.pipeline["deploymentSpec"]["executors"]
        self.containers = {n.removeprefix("exec-"): e["container"] for n, e in executors.items()}
        self.parameters = self.pipeline["root"]["inputDefinitions"]["parameters"]
        self.handler = next(
            c["dag"] for n, c in self.pipeline["components"].items() if "exit-handler" in n
        )

    @property
    def steps(self) -> dict[str, Any]:
        tasks: dict[str, Any] = self.handler["tasks"]
        return tasks


@pytest.fixture(scope="module", params=CLUSTER_VARIANTS)
def compiled(request: pytest.FixtureRequest) -> Compiled:
    return Compiled(request.param)


@pytest.fixture(scope="module")
def on_claims() -> Compiled:
    return Compiled("pvc")


def test_every_setting_is_a_parameter_that_the_dashboard_can_start_with(compiled: Compiled) -> None:
    defaults = {name: p.get("defaultValue") for name, p in compiled.parameters.items()}
    settings = {name: d.default for name, d in all_settings().items()}
    for name in settings.keys() - {"data_dir", "gpu_count", "checkpoint_steps"}:
        assert defaults[name] == settings[name]
    # A pod that is taken loses no hours: no result depends on it.
    assert 0 < defaults["checkpoint_steps"] <= 1000
    asked = [name for name, default in defaults.items() if default is None]
    assert asked == ([] if compiled.variant.has_claims else ["data_dir"])


def test_what_only_a_cluster_is_told_is_a_parameter(compiled: Compiled) -> None:
    claims = {"data_claim", "checkpoint_claim"} if compiled.variant.has_claims else set()
    assert compiled.parameters.keys() - all_settings().keys() == {
        "gpu_type", "cpu", "memory", "node_selector", "tolerations", "affinity",
        "bucket_secret", "pull_secret", *claims,
    }  # fmt: skip


def test_the_number_of_gpus_is_text_which_the_driver_does_not_drop(compiled: Compiled) -> None:
    assert compiled.parameters["gpu_count"]["parameterType"] == "STRING"
    assert compiled.parameters["gpu_count"]["defaultValue"] == "1"


def test_only_trainings_ask_for_gpus(compiled: Compiled) -> None:
    asking = {n for n, c in compiled.containers.items() if "accelerator" in c["resources"]}
    assert asking == TRAININGS
    for training in TRAININGS:
        resources = compiled.containers[training]["resources"]
        assert "gpu_type" in resources["accelerator"]["resourceType"]
        assert "gpu_count" in resources["accelerator"]["resourceCount"]
        for kind, parameter in (("Cpu", "cpu"), ("Memory", "memory")):
            limit = resources[f"resource{kind}Limit"]
            assert limit == f"{{{{$.inputs.parameters['pipelinechannel--{parameter}']}}}}"
            assert resources[f"resource{kind}Request"] == limit


def test_only_trainings_are_sent_to_chosen_nodes_with_shared_memory(compiled: Compiled) -> None:
    for step, pod in compiled.pods.items():
        placed = {"nodeSelector", "tolerations", "nodeAffinity", "emptyDirMounts"} & pod.keys()
        assert len(placed) == (4 if step in TRAININGS else 0)
    (mount,) = compiled.pods["teacher"]["emptyDirMounts"]
    assert (mount["mountPath"], mount["medium"]) == ("/dev/shm", "Memory")


def test_a_training_of_a_day_may_be_driven_out_and_tried_again(compiled: Compiled) -> None:
    for training in TRAININGS:
        retry = compiled.steps[training]["retryPolicy"]
        window_s = int(retry["backoffMaxDuration"].removesuffix("s"))
        # Counted from the first start: a day of work, driven out at its end, and a day again.
        assert window_s > 2 * DAY_S
        assert retry["maxRetryCount"] >= 3
        assert int(compiled.pods[training]["activeDeadlineSeconds"]) > DAY_S


def test_every_step_has_a_time_limit_and_all_but_the_report_are_tried_again(
    compiled: Compiled,
) -> None:
    assert all(int(pod["activeDeadlineSeconds"]) > 0 for pod in compiled.pods.values())
    assert all("retryPolicy" in task for task in compiled.steps.values())
    report = compiled.pipeline["root"]["dag"]["tasks"]["failure-report"]
    assert "retryPolicy" not in report


def test_whatever_happens_to_a_step_the_report_comes_after(compiled: Compiled) -> None:
    assert {name.replace("-", "_") for name in compiled.steps} == set(STEP_SETTINGS)
    report = compiled.pipeline["root"]["dag"]["tasks"]["failure-report"]
    assert report["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert report["dependentTasks"] == ["exit-handler-1"]
    assert report["cachingOptions"] == {}  # another run's report is no answer
    assert compiled.steps["scan"]["cachingOptions"] == {"enableCache": True}


def test_pods_are_found_by_their_labels_and_are_not_root(compiled: Compiled) -> None:
    for step, pod in compiled.pods.items():
        assert pod["podMetadata"]["labels"] == {
            "app.kubernetes.io/part-of": "edgedistill",
            "app.kubernetes.io/component": step,
        }
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert int(context["runAsUser"]) == int(context["runAsGroup"]) == 10001
        name = pod["imagePullSecret"][0]["secretNameParameter"]["componentInputParameter"]
        assert name.endswith("pull_secret")


def test_credentials_come_from_a_secret_that_need_not_exist(compiled: Compiled) -> None:
    with_secret = {step for step, pod in compiled.pods.items() if "secretAsEnv" in pod}
    assert with_secret == IN_BUCKETS
    for step in IN_BUCKETS:
        (variables,) = compiled.pods[step]["secretAsEnv"]
        assert variables["optional"] is True
        assert {k["secretKey"] for k in variables["keyToEnv"]} == {
            "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
            "GOOGLE_APPLICATION_CREDENTIALS",
        }  # fmt: skip
        (volume,) = compiled.pods[step]["secretAsVolume"]
        assert (volume["mountPath"], volume["optional"]) == ("/var/run/edgedistill", True)


def test_claims_are_mounted_where_photos_states_and_bundles_go(on_claims: Compiled) -> None:
    for step, pod in on_claims.pods.items():
        mounts = {m["mountPath"]: m["pvcNameParameter"] for m in pod.get("pvcMount", [])}
        writes = step in TRAININGS or step == "calibrate"
        assert ("/data" in mounts) == (step in IN_BUCKETS)
        assert ("/checkpoints" in mounts) == writes
        for parameter in mounts.values():
            assert parameter["componentInputParameter"].endswith("_claim")
    assert on_claims.parameters["data_dir"]["defaultValue"] == "/data"


def test_trainings_keep_their_states_in_the_claim_unless_told_otherwise(
    on_claims: Compiled,
) -> None:
    told = {step: c.get("env") for step, c in on_claims.containers.items() if "env" in c}
    place = [{"name": PLACE_VARIABLE, "value": "/checkpoints"}]
    assert told == dict.fromkeys(TRAININGS, place)


def test_without_claims_nothing_of_them_is_asked() -> None:
    on_buckets = Compiled("buckets")
    assert not any("pvcMount" in pod for pod in on_buckets.pods.values())
    assert not any("env" in container for container in on_buckets.containers.values())


def test_every_step_runs_in_the_image_of_this_version(compiled: Compiled) -> None:
    setup = (MANIFESTS.parent / "setup.cfg").read_text(encoding="utf-8")
    version = next(x for x in setup.splitlines() if x.startswith("version = "))[10:]
    images = {container["image"] for container in compiled.containers.values()}
    assert images == {f"edgedistill-train:{version}"}


def test_no_input_has_a_name_that_kfp_would_overwrite(compiled: Compiled) -> None:
    taken = {
        "accelerator_type", "accelerator_count", "cpu_limit", "cpu_request", "memory_limit",
        "memory_request", "base_image",
    }  # fmt: skip
    for component in compiled.pipeline["components"].values():
        inputs = component.get("inputDefinitions", {}).get("parameters", {})
        assert not taken & inputs.keys()
