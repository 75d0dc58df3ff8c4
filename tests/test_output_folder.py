"""Whose the output folder is, and replacing it without losing anything."""

from pathlib import Path

import pytest

from edgedistill.artifacts import MODEL_FILE, TRAINING_CONFIG
from edgedistill.declaration import Value
from edgedistill.errors import SettingError
from edgedistill.output_folder import check_output_dir, first_difference, replaced_folder
from edgedistill.presets import resolve


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Value]:
    return resolve({"data_dir": str(tmp_path / "photos")})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "out"


def write_run(out: Path, settings: dict[str, Value], model: str) -> None:
    with replaced_folder(out) as folder:
        TRAINING_CONFIG.write(folder, {"settings": settings})
        (folder / MODEL_FILE).write_text(model, encoding="utf-8")


def refusal(out: Path, settings: dict[str, Value], *, overwrite: bool = False) -> str:
    with pytest.raises(SettingError) as refused:
        check_output_dir(out, settings, overwrite=overwrite)
    return str(refused.value)


def test_a_new_an_empty_and_an_own_folder_are_fine(out: Path, settings: dict[str, Value]) -> None:
    check_output_dir(out, settings)
    assert not out.parent.exists()
    out.mkdir(parents=True)
    check_output_dir(out, settings)
    write_run(out, settings, "int8")
    check_output_dir(out, settings)


def test_a_run_of_other_settings_is_refused_by_the_first_that_differs(
    out: Path, settings: dict[str, Value]
) -> None:
    write_run(out, settings, "int8")
    other: dict[str, Value] = {**settings, "batch_size": 8, "seed": 7}
    assert refusal(out, other) == (
        f"{out} holds a run with seed 42, not 7: choose another --output_dir, or add "
        "--overwrite true."
    )
    check_output_dir(out, other, overwrite=True)


def test_what_leaves_each_file_as_it_is_is_no_difference(settings: dict[str, Value]) -> None:
    others: dict[str, Value] = {
        "log_level": "DEBUG", "data_workers": 7, "checkpoint_uri": "gs://states",
        "checkpoint_steps": 9,
    }  # fmt: skip
    for name, value in others.items():
        assert first_difference(settings, {**settings, name: value}) is None, name
    assert first_difference(settings, {**settings, "save_tensorboard": False}) is not None
    assert first_difference({**settings, "gone": 1}, settings) == "gone"


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_peoples_files_are_never_replaced(
    out: Path, settings: dict[str, Value], overwrite: bool
) -> None:
    out.mkdir(parents=True)
    (out / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert "holds other files" in refusal(out, settings, overwrite=overwrite)


def test_a_damaged_run_is_not_taken_for_ours(out: Path, settings: dict[str, Value]) -> None:
    write_run(out, settings, "int8")
    (out / TRAINING_CONFIG.name).write_text("{}", encoding="utf-8")
    assert "holds other files" in refusal(out, settings)


def test_a_file_is_no_folder(out: Path, settings: dict[str, Value]) -> None:
    out.parent.mkdir()
    out.write_text("", encoding="utf-8")
    assert refusal(out, settings) == f"output_dir must be a folder; {out} is a file."
    assert refusal(out / "deep" / "er", settings) == f"output_dir cannot be made: {out} is a file."


@pytest.mark.parametrize(
    ("output_dir", "data_dir"),
    [("photos/out", "photos"), ("photos", "photos"), ("out", "out/photos"), ("a/out", "a")],
)
def test_output_and_photos_lie_apart(tmp_path: Path, output_dir: str, data_dir: str) -> None:
    settings = resolve({"data_dir": str(tmp_path / data_dir)})
    assert "data_dir must not lie inside each other" in refusal(tmp_path / output_dir, settings)
    elsewhere = {"data_dir": "sample", "unknown_uri": str(tmp_path / data_dir)}
    sentence = refusal(tmp_path / output_dir, resolve(elsewhere))
    assert "unknown_uri must not lie inside each other" in sentence


@pytest.mark.parametrize("name", ["checkpoint_uri", "export_uri"])
@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("out", "output_dir"), ("out/states", "output_dir"),
        ("out.work/states", "the folder of its steps"), ("photos/states", "data_dir"),
    ],
)  # fmt: skip
def test_what_a_run_puts_elsewhere_is_not_put_into_its_own_folders(
    tmp_path: Path, settings: dict[str, Value], name: str, place: str, what: str
) -> None:
    folder = place.partition("/")[0]
    assert refusal(tmp_path / "out", {**settings, name: str(tmp_path / place)}) == (
        f"{name} must not lie in {what}, {tmp_path / folder}; got {tmp_path / place}."
    )


def test_a_place_beside_a_runs_folders_is_fine(tmp_path: Path, settings: dict[str, Value]) -> None:
    for place in ("out2", "out.work2/a", "states", ""):
        uri = str(tmp_path / place)
        check_output_dir(tmp_path / "out", {**settings, "checkpoint_uri": uri})


def test_states_in_the_photos_bucket_lie_beside_them(tmp_path: Path) -> None:
    settings = resolve({"data_dir": "s3://b/photos/"})
    inside = refusal(tmp_path, {**settings, "checkpoint_uri": "s3://b/photos/states"})
    assert inside.startswith("checkpoint_uri must not lie in data_dir, s3://b/photos/; got ")
    check_output_dir(tmp_path, {**settings, "checkpoint_uri": "s3://b/photos2"})


def test_a_later_run_replaces_ours_and_carries_the_users_files_over(
    out: Path, settings: dict[str, Value]
) -> None:
    write_run(out, settings, "old")
    (out / "notes").mkdir()
    (out / "notes" / "today.txt").write_text("keep", encoding="utf-8")
    (out / "report.html").write_text("old", encoding="utf-8")
    write_run(out, settings, "new")
    assert (out / MODEL_FILE).read_text(encoding="utf-8") == "new"
    assert (out / "notes" / "today.txt").read_text(encoding="utf-8") == "keep"
    assert not (out / "report.html").exists()
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_an_error_while_writing_leaves_the_earlier_run_as_it_was(
    out: Path, settings: dict[str, Value]
) -> None:
    write_run(out, settings, "old")
    stopped: dict[str, Value] = {"log_level": KeyboardInterrupt}  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_run(out, stopped, "half")
    assert (out / MODEL_FILE).read_text(encoding="utf-8") == "old"
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_an_error_between_the_two_renames_brings_the_earlier_run_back(
    out: Path, settings: dict[str, Value], tmp_path: Path
) -> None:
    write_run(out, settings, "old")
    with pytest.raises(FileNotFoundError), replaced_folder(out) as folder:
        folder.rename(tmp_path / "taken away")
    assert (out / MODEL_FILE).read_text(encoding="utf-8") == "old"
    assert [p.name for p in out.parent.iterdir()] == ["out"]


def test_a_run_killed_between_the_two_renames_loses_nothing(
    out: Path, settings: dict[str, Value]
) -> None:
    write_run(out, settings, "old")
    out.rename(out.with_name(".out.earlier"))  # where the power went off
    out.with_name(".out.part").mkdir()
    check_output_dir(out, settings)
    assert (out / MODEL_FILE).read_text(encoding="utf-8") == "old"


def test_a_run_killed_after_the_second_rename_is_finished_by_the_next(
    out: Path, settings: dict[str, Value]
) -> None:
    write_run(out, settings, "old")
    (out / "notes.txt").write_text("keep", encoding="utf-8")
    out.rename(out.with_name(".out.earlier"))
    write_run(out, settings, "new")
    assert (out / MODEL_FILE).read_text(encoding="utf-8") == "new"
    assert (out / "notes.txt").read_text(encoding="utf-8") == "keep"
    assert [p.name for p in out.parent.iterdir()] == ["out"]
