import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgedistill.calibrate.bundle.contents as contents
from edgedistill.artifacts import MODEL_METADATA
from edgedistill.calibrate.bundle.contents import (
    VERBATIM_FILES,
    require_metadata,
    write_contents,
)
from edgedistill.calibrate.bundle.zip_file import write_zip
from edgedistill.errors import ArtifactError, ExportError
from edgedistill.tf.tasks_metadata import TasksMetadata, read_metadata
from tests.calibrate.bundle.model_folder import (
    ODD_NAMES,
    gate_document,
    scores_document,
    threshold_document,
    write_model_folder,
)

WRITTEN = {
    "README.md", "model_card.md", "NOTICE.txt", "SHA256SUMS", "labels.txt", "model_metadata.json",
    "model_qat_int8.tflite", "model_tasks.tflite", "threshold_recommendation.json",
    "LICENSE.txt", "letterbox.h", "parity_check.py", "parity_dumps.py",
    "parity_faults.py",
}  # fmt: skip
FOLDERS = {"parity", "schemas", "snippets"}


def places(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def write(folder: Path, tflite: Path, **changed: Any) -> tuple[str, ...]:
    folder.mkdir()
    arguments: dict[str, Any] = {
        "threshold": threshold_document(),
        "scores": scores_document(),
        "gate": gate_document(),
        "version": "3.1",
        **changed,
    }
    return write_contents(folder, tflite=tflite, **arguments)


def test_the_bundle_holds_what_was_promised(made_bundle):
    top = {p.name for p in made_bundle.iterdir()}
    assert top == WRITTEN | FOLDERS
    assert "parity.json" in {p.name for p in (made_bundle / "parity").iterdir()}


def test_all_files_that_are_packed_with_the_code_are_in_the_bundle(made_bundle):
    packed = Path(contents.__file__).parent / "files"
    names = {name for name in places(packed) if "__pycache__" not in name}
    assert names == set(VERBATIM_FILES)
    for name in VERBATIM_FILES:
        assert (made_bundle / name).read_bytes() == (packed / name).read_bytes()


def test_model_labels_and_metadata_are_those_of_the_export(tmp_path):
    tflite = write_model_folder(tmp_path / "tflite")
    write(tmp_path / "bundle", tflite)
    for name in ("model_qat_int8.tflite", "labels.txt", "model_metadata.json"):
        assert (tmp_path / "bundle" / name).read_bytes() == (tflite / name).read_bytes()


def test_the_metadata_tell_the_temperature_besides(made_bundle, tmp_path):
    exported = MODEL_METADATA.read(write_model_folder(tmp_path / "tflite"))
    assert MODEL_METADATA.read(made_bundle) == {**exported, "temperature": 1.4375}


def test_a_model_that_must_not_ship_says_so_in_each_text_and_in_its_metadata(tmp_path):
    reason = "Top-1 is 0.85; min_top1 asks for 0.9."
    tflite = write_model_folder(tmp_path / "tflite")
    write(tmp_path / "bundle", tflite, gate=gate_document(reason))
    assert MODEL_METADATA.read(tmp_path / "bundle")["do_not_ship"] == [reason]
    for name in ("README.md", "model_card.md"):
        text = (tmp_path / "bundle" / name).read_text(encoding="utf-8")
        assert text.startswith("# DO NOT SHIP\n\nThis model failed a check")
        first, _, rest = text.partition("\n# ")
        assert "- Top-1 is 0\\.85; min\\_top1 asks for 0\\.9\\." in first
        assert "5 classes, version 3.1" in rest.splitlines()[0]


def test_the_tasks_file_tells_names_threshold_and_version(made_bundle):
    found = read_metadata((made_bundle / "model_tasks.tflite").read_bytes())
    assert found.label_names == ODD_NAMES
    assert found.score_threshold == pytest.approx(0.51, abs=1e-6)
    assert found.version == "3.1"
    assert "letterboxed" in found.description


def test_label_names_reach_each_file_unchanged(made_bundle):
    expected = "".join(f"{name}\n" for name in ODD_NAMES).encode("utf-8")
    assert (made_bundle / "labels.txt").read_bytes() == expected
    with zipfile.ZipFile(made_bundle / "model_tasks.tflite") as inside:
        assert inside.read("labels.txt").decode("utf-8").splitlines() == list(ODD_NAMES)


def test_sha256sum_accepts_the_sums(made_bundle):
    if shutil.which("sha256sum") is None:
        pytest.skip("needs sha256sum (GNU coreutils)")
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    done = subprocess.run(command, cwd=made_bundle, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(places(made_bundle)) - 1


def test_the_sums_are_of_every_file_but_themselves(made_bundle):
    lines = (made_bundle / "SHA256SUMS").read_text().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    assert set(sums) == places(made_bundle) - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((made_bundle / name).read_bytes()).hexdigest() == digest
    assert list(sums) == sorted(sums)


def test_the_places_given_are_all_files_in_order(made):
    bundle, given = made
    assert set(given) == places(bundle)
    assert list(given) == sorted(given)


REMAKE = """
import os, pathlib, sys
os.umask(0o077)
from edgedistill.calibrate.bundle.contents import write_contents
from edgedistill.calibrate.bundle.zip_file import write_zip
from tests.calibrate.bundle.model_folder import *
folder = pathlib.Path(sys.argv[1])
(folder / "bundle").mkdir(parents=True)
names = write_contents(
    folder / "bundle", tflite=write_model_folder(folder / "tflite"),
    threshold=full_threshold_document(), scores=scores_document(), gate=gate_document(),
    version="3.1",
)
write_zip(folder / "bundle.zip", folder / "bundle", names)
"""


def test_the_zip_is_the_same_in_another_place_time_zone_locale_and_umask(made_bundle, tmp_path):
    environment = {
        **os.environ,
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "7",
    }
    repository = Path(__file__).parents[3]
    again = tmp_path / "elsewhere"
    command = [sys.executable, "-c", REMAKE, str(again)]
    subprocess.run(command, check=True, env=environment, cwd=repository)
    write_zip(tmp_path / "first.zip", made_bundle, places(made_bundle))
    for name in places(made_bundle):  # which one, if any
        assert (again / "bundle" / name).read_bytes() == (made_bundle / name).read_bytes(), name
    assert (again / "bundle.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "model_qat_int8.tflite", "model_tasks.tflite", "labels.txt", "model_metadata.json",
        "quantization.json",
    ],
)  # fmt: skip
def test_a_missing_file_of_the_export_is_told(tmp_path, name):
    tflite = write_model_folder(tmp_path / "tflite")
    (tflite / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing; did the step before"):
        write(tmp_path / "bundle", tflite)


def test_scores_of_other_classes_are_refused(tmp_path):
    tflite = write_model_folder(tmp_path / "tflite", ["cup", "plate"])
    with pytest.raises(ArtifactError, match="must be of the 2 classes"):
        write(tmp_path / "bundle", tflite, scores=scores_document(["cup", "dish"]))


def test_a_folder_that_holds_something_is_refused(tmp_path):
    tflite = write_model_folder(tmp_path / "tflite")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "private notes.txt").touch()
    with pytest.raises(ValueError, match="must be empty"):
        write_contents(
            tmp_path / "bundle",
            tflite=tflite,
            threshold=threshold_document(),
            scores=scores_document(),
            gate=gate_document(),
            version="1",
        )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "x"}, "must tell name 'x'"),
        ({"description": "x"}, "must tell description"),
        ({"version": "4"}, "must tell version '4'; got '3.1'"),
        ({"label_names": ODD_NAMES[::-1]}, "must tell label_names"),
        ({"score_threshold": 0.52}, r"must have the threshold 0\.52"),
    ],
)
def test_a_tasks_file_that_tells_something_else_is_refused(made_bundle, change, told):
    model = (made_bundle / "model_tasks.tflite").read_bytes()
    right: TasksMetadata = read_metadata(model)
    require_metadata(model, right)
    with pytest.raises(ExportError, match=told):
        require_metadata(model, replace(right, **change))


def test_the_licence_is_the_very_text_of_the_apache_foundation(made_bundle):
    # SHA-256 of https://www.apache.org/licenses/LICENSE-2.0.txt, which names no holder.
    digest = hashlib.sha256((made_bundle / "LICENSE.txt").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_the_licence_is_the_repositorys_but_for_the_holder(made_bundle):
    licence = (Path(__file__).parents[3] / "LICENSE").read_text().splitlines()
    ours = (made_bundle / "LICENSE.txt").read_text().splitlines()
    other = [line for line in ours if line not in licence]
    assert other in ([], ["   Copyright [yyyy] [name of copyright owner]"])
    assert len(ours) == len(licence)


def test_making_a_bundle_loads_no_tensorflow():
    code = "import edgedistill.calibrate.bundle.contents, sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"tensorflow", "tf_keras", "kfp"}
