"""What is read from the folders of finished runs, and how their answers are held together."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from edgedistill.artifacts import (
    EVALUATION,
    GATE,
    METRICS,
    PERFORMANCE,
    PREDICTIONS_CSV,
    RUN_METADATA,
    THRESHOLD,
    TRAINING_CONFIG,
)
from edgedistill.comparison import compare_runs, distinct_names, holm
from edgedistill.errors import ArtifactError, EdgedistillError, SettingError
from edgedistill.report.comparison_facts import ComparisonFacts, Estimate
from tests.finished_runs import Run, Said


def said(*predicted: str, label: str = "cup", **more: Any) -> list[Said]:
    """Photos of one class, and what a file said of each."""
    return [Said(f"{label}/{i}.jpg", label, name, **more) for i, name in enumerate(predicted)]


def compared(tmp_path: Path, *runs: Run) -> ComparisonFacts:
    """The runs in folders a, b, c, ..., compared."""
    return compare_runs([run.write(tmp_path / name) for name, run in zip("abcdef", runs)])  # noqa: B905


def test_answers_to_the_same_photos_are_counted_by_who_is_right(tmp_path: Path) -> None:
    # Both right on 5; only a on 1; only b on 3; neither on 1: 6 and 8 of 10.
    a = Run(said(*["cup"] * 6, *["mug"] * 4))
    b = Run(said(*["cup"] * 5, "fork", *["cup"] * 3, "fork"))
    facts = compared(tmp_path, a, b)
    (pair,) = facts.pairs
    assert pair.answers is not None
    paired = pair.answers.paired
    assert pair.n_common == 10
    assert (pair.answers.first_top1, pair.answers.second_top1) == (0.6, 0.8)
    assert (paired.only_first_right, paired.only_second_right) == (1, 3)
    assert paired.difference == pytest.approx(0.2)
    assert paired.p_value == pytest.approx(binomtest(1, 4).pvalue)  # 2 * (1 + 4) / 16
    low, high = paired.difference_interval
    assert low < 0.2 < high


def test_flips_are_parted_by_what_became_of_them_the_surest_first(tmp_path: Path) -> None:
    a = Run([
        Said("1", "cup", "cup", 0.75), Said("2", "cup", "cup", 0.5), Said("3", "cup", "mug", 0.625),
        Said("4", "cup", "mug", 0.875), Said("5", "cup", "mug"), Said("6", "cup", "cup"),
    ])  # fmt: skip
    b = Run([
        Said("1", "cup", "mug", 0.5), Said("2", "cup", "fork", 0.75), Said("3", "cup", "cup", 0.25),
        Said("4", "cup", "fork", 0.125), Said("5", "cup", "mug"), Said("6", "cup", "cup"),
    ])  # fmt: skip
    answers = compared(tmp_path, a, b).pairs[0].answers
    assert answers is not None
    flips = answers.flips
    assert [f.filepath for f in flips.right_to_wrong] == ["2", "1"]
    assert [f.filepath for f in flips.wrong_to_right] == ["3"]
    (other,) = flips.wrong_to_other
    assert (other.filepath, other.label_name) == ("4", "cup")
    assert (other.first_name, other.first_confidence) == ("mug", 0.875)
    assert (other.second_name, other.second_confidence) == ("fork", 0.125)


def test_photos_are_matched_whatever_their_order(tmp_path: Path) -> None:
    photos = said("cup", "mug", "cup", "fork")
    answers = compared(tmp_path, Run(photos), Run(photos[::-1])).pairs[0].answers
    assert answers is not None
    assert answers.paired.difference == 0
    assert answers.paired.p_value == 1
    flips = answers.flips
    assert [*flips.right_to_wrong, *flips.wrong_to_right, *flips.wrong_to_other] == []


def test_a_photo_of_another_label_or_other_pixels_is_counted_and_left_out(tmp_path: Path) -> None:
    same = said("cup", "cup", "cup")
    a = [
        *same,
        Said("x.jpg", "cup", "cup"),
        Said("y.jpg", "cup", "cup"),
        Said("only a", "cup", "cup"),
    ]
    b = [*same, Said("x.jpg", "mug", "cup"), Said("y.jpg", "cup", "cup", pixels="another"),
         Said("only b", "cup", "cup")]  # fmt: skip
    (pair,) = compared(tmp_path, Run(a), Run(b)).pairs
    assert (pair.n_common, pair.n_relabelled, pair.n_other_pixels) == (3, 1, 1)
    assert pair.answers is not None
    assert pair.answers.second_top1 == 1  # the relabelled photo would be an error of b's


def test_half_of_the_smaller_test_split_is_enough_and_less_is_not(tmp_path: Path) -> None:
    smaller = said(*["cup"] * 4)
    larger = [*smaller[:2], *(Said(f"new/{i}", "cup", "cup") for i in range(20))]
    enough = compared(tmp_path / "enough", Run(smaller), Run(larger)).pairs[0]
    assert enough.answers is not None
    too_few = compared(tmp_path / "too few", Run(smaller), Run(larger[1:])).pairs[0]
    assert too_few.answers is None
    assert too_few.refusal == (
        "'a' and 'b' have only 1 test photo in common, fewer than half of the smaller test split "
        "(4): that would speak for neither run."
    )


def test_without_a_common_photo_nothing_is_compared(tmp_path: Path) -> None:
    other_pixels = said("cup", "cup", pixels="of another photo")
    (pair,) = compared(tmp_path, Run(said("cup", "cup")), Run(other_pixels)).pairs
    assert pair.answers is None
    assert pair.n_other_pixels == 2
    assert pair.refusal.startswith("'a' and 'b' have no test photo in common (same place, label")


def test_files_of_other_classes_are_not_compared_and_the_classes_are_named(tmp_path: Path) -> None:
    more = Run(said("cup", "mug"), classes=("cup", "fork", "mug", "plate"))
    fewer = Run(said("cup", "mug"), classes=("cup", "mug"))
    first, second = compared(tmp_path, fewer, more, Run(said("cup", "mug"))).pairs
    assert first.answers is second.answers is None
    assert first.refusal == (
        "'b' has other classes than 'a' (only 'b' has 'fork', 'plate'): their files answer "
        "different questions, and are not compared photo by photo."
    )
    assert "only 'c' has 'fork')" in second.refusal


def test_p_values_of_several_comparisons_are_corrected_after_holm(tmp_path: Path) -> None:
    # Sorted 0.01, 0.02, 0.04: 3 * 0.01, then 2 * 0.02, then 0.04, none below the one before.
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
    # Against a: b is worse on 8 of 8, 2 / 2**8 of chance; c says the same; d cannot be compared.
    a, b = Run(said(*["cup"] * 8)), Run(said(*["mug"] * 8))
    d = Run([Said("elsewhere", "cup", "cup")])
    pairs = compared(tmp_path, a, d, b, a).pairs
    found = [pair.answers and pair.answers.p_adjusted for pair in pairs]
    assert found == [None, pytest.approx(2 * 2 / 2**8), 1]


def test_only_what_differs_is_told_and_what_a_run_lacks_is_empty(tmp_path: Path) -> None:
    photos = said("cup", "mug")
    a = Run(photos, settings={"qat": True, "lr_qat": 1e-4, "log_level": "INFO"})
    b = Run(photos, settings={"qat": False, "lr_qat": 1e-4, "log_level": "DEBUG", "new": 3},
            machine={"processor": "other", "memory_bytes": 1},
            metadata={"packages": {"numpy": "2.4.7", "tensorflow": "2.21.0"},
                      "digests": {"data": "0" * 64, "file": "1" * 64}})  # fmt: skip
    facts = compared(tmp_path, a, b, a)
    assert [(d.name, list(d.texts)) for d in facts.settings] == [
        ("qat", ["true", "false", "true"]),
        ("new", ["", "3", ""]),
    ]
    assert [(d.name, list(d.texts)) for d in facts.idle_settings] == [
        ("log_level", ["INFO", "DEBUG", "INFO"])
    ]
    assert [(d.name, list(d.texts)) for d in facts.environment] == [
        ("numpy", ["2.4.6", "2.4.7", "2.4.6"]),
        ("processor", ["any", "other", "any"]),
    ]
    assert [d.name for d in facts.parts] == ["split", "teacher", "student", "file"]


def test_the_figures_of_a_run_are_those_of_its_documents(tmp_path: Path) -> None:
    run = Run(
        said("cup", "mug", "cup", "cup"),
        figures={"macro_f1": 0.71, "ece": 0.06},
        f1={"mug": 0.25},
        evaluation={"robustness": {"n_photos": 3, "clean_top1": 0.7, "mean_top1": 0.6}},
        threshold={"guaranteed_threshold": 0.83, "guarantee": {"photos_missing": None}},
        gate={"ship": False, "reasons": ["Too bad."]},
    )
    found = compared(tmp_path, run, Run(said("cup"))).first
    assert (found.name, found.folder) == ("a", str(tmp_path / "a"))
    assert (found.n_test, found.confidence_level, found.ships) == (4, 0.95, False)
    assert list(found.reasons) == ["Too bad."]
    assert found.file.top1 == Estimate(0.75, 0.75 - 0.02, 0.75 + 0.02)
    assert (found.file.macro_f1.value, found.file.ece.value) == (0.71, 0.06)
    assert (found.file.ece_equal_mass, found.file.brier, found.file.nll) == (0.05, 0.125, 0.375)
    assert [m.name for m in found.models] == ["teacher", "file"]
    assert dict(found.f1_of_classes) == {"cup": (0.5, 4), "fork": (0.5, 0), "mug": (0.25, 0)}
    assert found.robustness is not None
    assert (found.robustness.clean_top1, found.robustness.mean_top1) == (0.7, 0.6)
    threshold = found.threshold
    assert (threshold.recommended, threshold.guaranteed, threshold.target) == (0.61, 0.83, 0.95)
    assert threshold.photos_missing is None
    assert threshold.accept_accuracy == Estimate(0.96, 0.91, 0.99)
    assert threshold.kept is True
    assert (found.speed.size_bytes, found.speed.width_px, found.speed.height_px) == (
        4_512_344, 240, 240,
    )  # fmt: skip
    assert found.speed.latency_ms == {"1": (7.0, 9.0), "2": (4.0, 5.0)}
    assert found.finished_utc == "2026-01-01 11:00"


def test_where_no_photo_is_accepted_there_is_no_accuracy_of_answers(tmp_path: Path) -> None:
    nothing = {"accept_accuracy": None, "accept_accuracy_interval": None, "kept": None,
               "coverage": 0.0, "coverage_interval": [0.0, 0.1]}  # fmt: skip
    run = Run(said("cup"), threshold={"test": {"recommended": nothing, "guaranteed": None}})
    threshold = compared(tmp_path, run, Run(said("cup"))).first.threshold
    assert (threshold.accept_accuracy, threshold.kept) == (None, None)
    assert threshold.coverage.value == 0


def test_names_of_folders_are_made_distinct_with_as_little_as_will_do() -> None:
    folders = [Path("/x/out"), Path("/x/b"), Path("/y/out"), Path("/out")]
    assert distinct_names(folders) == ["x/out", "b", "y/out", "/out"]
    deeper = [Path("/1/runs/out"), Path("/2/runs/out"), Path("/out")]
    assert distinct_names(deeper) == ["1/runs/out", "2/runs/out", "/out"]


@pytest.mark.parametrize("n_runs", [0, 1, 11])
def test_too_few_and_too_many_runs_are_refused(tmp_path: Path, n_runs: int) -> None:
    with pytest.raises(SettingError, match=rf"takes 2 to 10 output folders .+; got {n_runs}: "):
        compare_runs([tmp_path / str(i) for i in range(n_runs)])


def test_the_same_folder_twice_is_refused(tmp_path: Path) -> None:
    out = Run(said("cup")).write(tmp_path / "out")
    with pytest.raises(SettingError, match=r"/out is given twice; a run is compared with other"):
        compare_runs([out, out])


def refusal(tmp_path: Path, folder: Path) -> EdgedistillError:
    good = tmp_path / "good"
    if not good.exists():
        Run(said("cup")).write(good)
    with pytest.raises(EdgedistillError) as refused:
        compare_runs([good, folder])
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)
    return refused.value


def test_a_folder_that_holds_no_finished_run_is_one_sentence(tmp_path: Path) -> None:
    assert str(refusal(tmp_path, tmp_path / "gone")).endswith("is no folder.")
    (tmp_path / "empty").mkdir()
    assert str(refusal(tmp_path, tmp_path / "empty")).endswith("holds none.")
    older = Run(said("cup")).write(tmp_path / "older")
    for name in (EVALUATION.name, PREDICTIONS_CSV):
        (older / name).unlink()
    assert str(refusal(tmp_path, older)) == (
        f"the run in {older} has no {EVALUATION.name}, {PREDICTIONS_CSV}; runs are compared only "
        "as this version of edgedistill writes them: run it again."
    )


def test_a_document_of_another_version_is_named(tmp_path: Path) -> None:
    out = Run(said("cup")).write(tmp_path / "out")
    change(out / METRICS.name, lambda document: document.update(version=1))
    error = refusal(tmp_path, out)
    assert isinstance(error, ArtifactError)
    assert str(error) == (
        f"{out / METRICS.name} must have version {METRICS.version}; got 1; runs are compared only "
        "as this version of edgedistill writes them: run it again."
    )


def change(path: Path, edit: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        (EVALUATION.name, lambda d: d["models"][1].pop("top1_interval")),
        (EVALUATION.name, lambda d: d["models"].pop()),
        (EVALUATION.name, lambda d: d.update(models=None)),
        (METRICS.name, lambda d: d.update(per_class=[])),
        (METRICS.name, lambda d: d.update(n_test=None)),
        (THRESHOLD.name, lambda d: d["test"].pop("recommended")),
        (PERFORMANCE.name, lambda d: d.update(latency_ms={})),
        (RUN_METADATA.name, lambda d: d["machine"].pop("processor")),
        (RUN_METADATA.name, lambda d: d.update(finished_utc="yesterday")),
        (GATE.name, lambda d: d.update(reasons=None)),
        (TRAINING_CONFIG.name, lambda d: d.update(settings=[1])),
    ],
)
def test_a_damaged_document_is_named_in_one_sentence(tmp_path: Path, name: str, edit: Any) -> None:
    out = Run(said("cup")).write(tmp_path / "out")
    change(out / name, edit)
    assert str(refusal(tmp_path, out)).startswith(f"{out / name} is damaged: ")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("0.900000", "sure", "is damaged: "),
        ("predicted_name", "said", "is damaged: "),
        ("cup/0.jpg", "cup/7.jpg", "must have the photos of test.csv, row by row"),
        ("cup/0.jpg,0,cup,0,cup,0.900000\n", "", "must have the photos of test.csv, row by row"),
    ],
)
def test_damaged_predictions_are_named_in_one_sentence(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    out = Run(said("cup")).write(tmp_path / "out")
    path = out / PREDICTIONS_CSV
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert f"{path} {sentence}" in str(refusal(tmp_path, out))
