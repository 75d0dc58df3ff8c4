"""A step's key: what must redo it, and what must not."""

import importlib
from pathlib import Path

import pytest

from edgedistill import reuse
from edgedistill.declaration import Value
from edgedistill.errors import StorageError
from edgedistill.machine import available_cores
from edgedistill.presets import resolve
from tests.storage.servers import Bucket

PACKAGE = Path(reuse.__file__).parent


def names(module: str) -> set[str]:
    return {str(p.relative_to(PACKAGE)) for p in reuse.source_files(f"edgedistill.{module}")}


def test_the_code_of_a_step_is_what_it_imports_and_no_more() -> None:
    assert {"split/step.py", "core/splits.py", "datasets.py", "settings.py"} <= names("split.step")
    assert not {n for n in names("split.step") if n.startswith(("tf/", "scan/", "teacher/"))}
    assert "tf/losses.py" in names("distiller.step")
    assert "pipeline.py" not in names("distiller.step")


def test_what_a_step_hands_on_as_it_is_counts_as_its_code() -> None:
    handed_on = {n for n in names("calibrate.step") if n.startswith("calibrate/bundle/files/")}
    assert "calibrate/bundle/files/letterbox.h" in handed_on
    assert "calibrate/bundle/files/schemas/parity.schema.json" in handed_on
    assert not {n for n in handed_on if "__pycache__" in n}
    of_evaluate = {n for n in names("evaluate.step") if "/files/" in n}
    assert "report/files/charts.js" in of_evaluate  # it makes a page, but no bundle
    assert not {n for n in of_evaluate if n.startswith("calibrate/")}


def test_an_import_inside_a_function_counts() -> None:
    # calibrate imports TensorFlow's part only where it needs it.
    assert "tf/interpreter.py" in names("calibrate.step")


def test_no_step_is_redone_for_a_change_of_the_command_line() -> None:
    host = {"local_run.py", "outputs.py", "documents.py", "arguments.py", "contract.py"}
    assert not host & names("scan.step")
    assert not host & names("qat_export.step")


def test_changed_data_changes_the_keys_of_what_reads_them_alone() -> None:
    settings = resolve({"data_dir": "photos"})
    before, after = reuse.step_keys(settings, "a"), reuse.step_keys(settings, "b")
    assert {step for step in before if before[step] != after[step]} == {"scan", "scan_shard"}


def test_other_compute_threads_redo_the_trainings_whichever_way_they_were_chosen() -> None:
    left_open = reuse.step_keys(resolve({"data_dir": "photos"}), "a")
    cores = available_cores()
    for threads, redone in ((cores, set()), (cores + 1, {"teacher", "distiller", "qat_export"})):
        settings = resolve({"data_dir": "photos", "compute_threads": threads})
        given = reuse.step_keys(settings, "a")
        assert {step for step in given if given[step] != left_open[step]} == redone


def test_changed_weights_in_a_file_of_the_same_name_change_the_key(tmp_path: Path) -> None:
    weights = tmp_path / "student.pth"
    settings = resolve({"data_dir": "photos", "student_weights": str(weights)})
    weights.write_bytes(b"one")
    before = reuse.step_keys(settings, "a")
    weights.write_bytes(b"two")
    after = reuse.step_keys(settings, "a")
    assert {step for step in before if before[step] != after[step]} == {"distiller"}


def test_changed_weights_of_any_of_several_teachers_change_the_key_of_their_training(
    tmp_path: Path,
) -> None:
    places = [tmp_path / "first.h5", tmp_path / "second.h5"]
    settings = resolve({
        "data_dir": "photos", "teacher_arch": "efficientnet_b3,resnet101",
        "teacher_weights": ",".join(map(str, places)),
    })  # fmt: skip
    for place in places:
        place.write_bytes(b"one")
    keys = [reuse.step_keys(settings, "a")]
    for place in places:
        place.write_bytes(b"two")
        keys.append(reuse.step_keys(settings, "a"))
        changed = {step for step in keys[-1] if keys[-1][step] != keys[-2][step]}
        assert changed == {"teacher"}


def test_changed_weights_in_an_object_of_the_same_name_change_the_key(bucket: Bucket) -> None:
    settings = resolve({"data_dir": "photos", "student_weights": bucket.put("lite1.pth", b"one")})
    before = reuse.step_keys(settings, "a")
    assert reuse.step_keys(settings, "a") == before
    bucket.put("lite1.pth", b"two")
    after = reuse.step_keys(settings, "a")
    assert {step for step in before if before[step] != after[step]} == {"distiller"}
    bucket.delete("lite1.pth")
    with pytest.raises(StorageError, match=f"^{bucket.address}/lite1.pth is not there"):
        reuse.step_keys(settings, "a")


def test_settings_without_effect_change_no_key() -> None:
    settings = resolve({"data_dir": "photos"})
    others: dict[str, Value] = {"log_level": "DEBUG", "data_workers": 7, "checkpoint_steps": 9}
    assert reuse.step_keys({**settings, **others}, "a") == reuse.step_keys(settings, "a")


def test_what_was_exported_is_looked_after_in_every_run() -> None:
    # Somebody may have deleted it since; neither settings nor files tell.
    settings = resolve({"data_dir": "photos", "export_uri": "gs://shelf"})
    before, after = reuse.step_keys(settings, "a"), reuse.step_keys(settings, "a")
    assert {step for step in before if before[step] != after[step]} == {"calibrate"}


def test_the_same_run_has_the_same_keys() -> None:
    settings = resolve({"data_dir": "photos"})
    assert reuse.step_keys(settings, "a") == reuse.step_keys(settings, "a")


def test_another_version_of_a_package_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = resolve({"data_dir": "photos"})
    before = reuse.step_keys(settings, "a")
    monkeypatch.setattr(reuse, "PACKAGES", (*reuse.PACKAGES, "pytest"))
    after = reuse.step_keys(settings, "a")
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize("name", ["numpy", "scipy"])
def test_what_fits_the_heads_is_among_the_packages(name: str) -> None:
    assert reuse.package_versions()[name] == importlib.import_module(name).__version__


def test_a_package_that_is_not_there_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "PACKAGES", ("no-such-package",))
    assert reuse.package_versions() == {"no-such-package": "absent"}
