"""What the administrator's README says, held against the manifests and against kubectl."""

import json
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from google.protobuf.json_format import MessageToDict

from edgedistill.graph import build
from tests.manifests.objects import (
    MANIFESTS,
    OVERLAYS,
    Object,
    built_overlay,
    kubectl,
    of_kind,
    parse,
)
from tests.manifests.outside import EXTERNAL

README = (MANIFESTS / "README.md").read_text(encoding="utf-8")
LARGE_DATA = (MANIFESTS / "LARGE_DATA.md").read_text(encoding="utf-8")
PROGRAM = MANIFESTS / "large_data.py"


def commands(name: str) -> list[list[str]]:
    found = re.search(rf"<!-- commands: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return [shlex.split(line) for line in found[1].splitlines()]


def made(words: list[str]) -> Object:
    done = subprocess.run(
        [kubectl(), *words[1:], "--dry-run=client", "-o", "yaml"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document: Object = yaml.safe_load(done.stdout)
    return document


def test_the_table_of_what_is_not_brought_is_what_the_rules_let_pass() -> None:
    rows = re.findall(r"^\| (\w+) \| `([\w-]+)` \|", README, re.MULTILINE)
    stated = defaultdict(set)
    for kind, name in rows:
        stated[kind].add(name)
    assert stated == EXTERNAL


def test_the_commands_make_the_secrets_and_the_config_map_that_are_referred_to() -> None:
    objects = [made(words) for name in ("secrets", "launcher") for words in commands(name)]
    assert {(o["kind"], o["metadata"]["name"], o["metadata"]["namespace"]) for o in objects} == {
        ("Secret", "edgedistill-bucket", "edgedistill"),
        ("Secret", "edgedistill-registry", "edgedistill"),
        ("ConfigMap", "kfp-launcher", "edgedistill"),
    }


def test_the_secret_of_the_command_has_keys_that_the_steps_read() -> None:
    bucket = made(commands("secrets")[0])
    [version] = of_kind(built_overlay("gcs"), "PipelineVersion")
    read = set(re.findall(r'"secretKey": "(\w+)"', json.dumps(version)))
    assert set(bucket["data"]) <= read
    assert "GOOGLE_APPLICATION_CREDENTIALS" in read
    assert "/var/run/edgedistill" in json.dumps(version)


def test_the_command_for_a_registry_reaches_every_step_of_a_compiled_file(tmp_path: Path) -> None:
    [words] = commands("registry")
    assert words[:2] == ["python", "pipeline.py"]
    place = words.index("--output_folder") + 1
    subprocess.run(
        [sys.executable, *words[1:place], str(tmp_path)],
        check=True, capture_output=True, cwd=MANIFESTS.parent,
    )  # fmt: skip
    pipeline = parse((tmp_path / "pipeline-pvc.yaml").read_text(encoding="utf-8"))[0]
    images = [e["container"]["image"] for e in pipeline["deploymentSpec"]["executors"].values()]
    assert len(images) >= 7
    assert {image.rpartition(":")[0] for image in images} == {
        "registry.example.com/vision/edgedistill-train"
    }


def test_the_table_of_requests_and_mounts_is_that_of_the_compiled_steps(tmp_path: Path) -> None:
    _, _, after = README.partition("<!-- requests -->\n\n")
    rows = [line.strip("| ").split("|") for line in after.partition("\n\n")[0].splitlines()[2:]]
    stated = {
        step.strip(): tuple(cell.strip(" `") for cell in cells)
        for steps, *cells in rows
        for step in steps.split(",")
    }
    assert {step: (*cells, "", "")[:4] for step, cells in stated.items()} == {
        step: asked for shards in (1, 2) for step, asked in compiled_requests(shards).items()
    }


def compiled_requests(scan_shards: int) -> dict[str, tuple[str, ...]]:
    """By step: CPUs, memory, and whether each claim is mounted, as the table says it."""
    pipeline = build("pvc", scan_shards=scan_shards)
    executors = MessageToDict(pipeline.pipeline_spec.deployment_spec)["executors"]
    platforms = MessageToDict(pipeline.platform_spec)["platforms"]
    asked = {}
    for name, pod in platforms["kubernetes"]["deploymentSpec"]["executors"].items():
        resources = executors[name]["container"]["resources"]
        mounts = [mount["mountPath"] for mount in pod.get("pvcMount", [])]
        asked[name.removeprefix("exec-").replace("-", "_")] = (
            *(_named(resources[f"resource{kind}Request"]) for kind in ("Cpu", "Memory")),
            *("yes" if path in mounts else "" for path in ("/data", "/checkpoints")),
        )
    return asked


def test_the_plan_gives_each_step_the_cores_that_it_asks_for() -> None:
    steps = ("scan", "evaluate", "calibrate")
    asked = {step: float(compiled_requests(1)[step][0]) for step in steps}
    # As many cores as a step asks for, or as the plan's default is: the same hours.
    words = [word for step, n in asked.items() for word in (f"--{step}_cores", f"{n:.0f}")]
    assert planned(*words) == planned()
    for step, n in asked.items():
        assert planned(f"--{step}_cores", f"{n * 3:.0f}") != planned()


def _named(request: str) -> str:
    """A parameter by its name, anything else as it is."""
    found = re.search(r"pipelinechannel--(\w+)", request)
    return found[1] if found else request


def test_the_command_for_priorities_names_the_class_that_is_there() -> None:
    [words] = commands("priority")
    patch = json.loads(words[-1].removeprefix("COMPILED_PIPELINE_SPEC_PATCH="))
    [priority] = of_kind(built_overlay("gcs"), "PriorityClass")
    assert patch == {"podPriorityClassName": priority["metadata"]["name"]}


@pytest.mark.parametrize("path", ["README.md", "LARGE_DATA.md"])
def test_every_file_that_is_named_is_there(path: str) -> None:
    text = (MANIFESTS / path).read_text(encoding="utf-8")
    shown = re.findall(r"`((?:base|overlays|gke|image|standalone|manifests|tests)/[\w./-]+)`", text)
    shown += [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    roots = (MANIFESTS, MANIFESTS.parent)
    assert shown
    assert [p for p in shown if not any((root / p).exists() for root in roots)] == []


def test_every_link_within_the_readme_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def test_every_overlay_and_every_policy_is_told_of() -> None:
    objects = built_overlay("pvc")
    assert all(f"`overlays/{overlay}`" in README for overlay in OVERLAYS)
    names = {
        o["metadata"]["name"] for o in of_kind(objects, "PersistentVolumeClaim", "Role", "Job")
    }
    assert [name for name in names if f"`{name}`" not in README] == []


def planned(*words: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]


def test_the_plan_shows_the_table_that_its_program_prints() -> None:
    shown = re.search(
        r"<!-- table: generated by python manifests/large_data.py -->\n\n(.*?)\n\n<!-- end",
        LARGE_DATA, re.DOTALL,
    )  # fmt: skip
    assert shown is not None
    assert [line.strip("| ").split(" | ") for line in shown[1].splitlines()] == planned()


def test_the_plan_says_how_long_scan_takes_in_shards_and_in_one_piece() -> None:
    hours = {row[0]: row[-1] for row in (*planned("--scan_shards", "1"), *planned())}
    told = f"decode it in {hours['scan_shard']} hours; one pod would take {hours['scan']} of the 24"
    assert told in LARGE_DATA


def test_a_plan_is_its_arithmetic() -> None:
    # 1,000 photos of 1 MB at 1 MB/s, one scan: 1,000 s to read, 230 s of CPU on one core beside it.
    # Packed: 1,000 * (172,800 + 270,000) B = 442.8 MB; train 354.24, val 44.28, calib 17.28.
    rows = {
        row[0]: row
        for row in planned(
            "--photos", "1000", "--photo_mb", "1", "--bucket_mb_s", "1", "--scan_shards", "1",
            "--scan_cores", "1", "--epochs_teacher", "3", "--teacher_images_s", "1",
        )
    }  # fmt: skip
    assert "merge_shards" not in rows
    # Upload 442.8 s, reading 1,000 s: 1,442.8 s together.
    assert rows["scan"][5:] == ["0.1", "0.3", "0.4"]
    # In 442.8, out 442.8 + 17.28 MB: 902.88 s.
    assert rows["split"][5:] == ["0.3", "0.0", "0.3"]
    # Three epochs of 800 + 100 / 3 images at one a second, and 800 / 3 answers: 2,766.7 s;
    # 398.52 s of copying.
    assert rows["teacher"][5:] == ["0.1", "0.8", "0.9"]


@pytest.mark.parametrize(
    "words",
    [("--bucket_mb_s", "0"), ("--scan_shards", "0"), ("--epochs_qat", "-1"), ("--photos", "x")],
)
def test_numbers_that_plan_nothing_are_refused_in_one_sentence(words: tuple[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert words[0].strip("-") in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_shards_divide_the_scan_and_add_a_merging() -> None:
    one, four = (
        {row[0]: row for row in planned("--scan_shards", n, "--photos", "1000000")}
        for n in ("1", "4")
    )
    assert float(one["scan"][6]) / float(four["scan_shard"][6]) == pytest.approx(4, rel=0.05)
    assert four["scan_shard"][1] == "4"
    # 442.8 GB in, 442.8 GB out, both on its disk.
    assert four["merge_shards"][2:5] == ["443", "443", "886"]


def test_sizes_in_the_plan_are_those_of_the_code() -> None:
    from edgedistill.pixel_writing import MAX_SHARD_BYTES

    rows = [MAX_SHARD_BYTES // (side * side * 3) for side in (240, 300)]
    assert [f"{n:,}" for n in rows] == ["1,553", "994"]
    assert "(1,553 and 994 photos each)" in LARGE_DATA
    # Rounded up: 643.9 and 1,006.04.
    assert [-(-1_000_000 // n) for n in rows] == [644, 1007]
    assert "644 + 1,007 shards" in LARGE_DATA


def test_the_plan_is_made_of_paths_that_exist() -> None:
    named = set(re.findall(r"`(tests/benchmarks/\w+\.py)`", LARGE_DATA))
    assert len(named) == 4
    assert [p for p in named if not (Path(MANIFESTS).parent / p).is_file()] == []
