import dataclasses
import html
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from edgedistill.artifacts import CONFIDENCE_PNG, CONFUSION_PNG, RELIABILITY_PNG, THRESHOLD_PNG
from edgedistill.presets import resolve
from edgedistill.report.advice import next_steps, verdict
from edgedistill.report.plots import confusion_matrix_plot
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from tests import example_documents
from tests.example_documents import history

CLASSES = ["cup", "fork", "plate"]
PNG = confusion_matrix_plot(np.eye(3, dtype=int), CLASSES)


def network(arch: str) -> dict[str, Any]:
    return {
        "arch": arch, "img_size_px": 240, "label_names": CLASSES, "weights": "imagenet",
        "weights_sha256": "0" * 64, "data_digest": "d", "history": history(0.8, 0.9, 0.9),
    }  # fmt: skip


def score(f1: float = 0.9, support: int = 40) -> dict[str, float]:
    return {"precision": f1, "recall": f1, "f1": f1, "support": support}


def good_run() -> RunFacts:
    """A run in which nothing stands out; each test changes one thing."""
    return RunFacts(
        metrics={
            "n_test": 200, "top1": 0.92, "macro_f1": 0.91, "macro_precision": 0.91,
            "macro_recall": 0.91, "ece": 0.03, "top1_student": 0.925, "macro_f1_student": 0.92,
            "ece_student": 0.02, "top1_teacher": 0.94, "macro_f1_teacher": 0.93,
            "ece_teacher": 0.02, "per_class": {name: score() for name in CLASSES},
        },
        threshold={
            "recommended_threshold": 0.61, "calibration_notes": "The notes.",
            "target_accept_accuracy": 0.95, "min_coverage": 0.6, "penalty_incorrect": 3.0,
            "achieved_accept_accuracy": 0.96, "achieved_coverage": 0.9,
            "selection_method": "constraint_feasible", "grid_step": 0.01, "n_val": 200,
            "test_accept_accuracy": 0.955, "test_coverage": 0.88, "n_test": 200,
        },
        manifest={
            "data_dir": "photos", "splits": {}, "findings": {}, "n_photos": 2000,
            "n_bad_files": 0, "digest": "abc", "classes": {"cup": 500, "fork": 700, "plate": 800},
            "sizes_px": {"student": 240, "teacher": [300]},
        },
        config={"settings": resolve({"data_dir": "photos"})},
        run={
            "started_utc": "2026-01-01T10:00:00+00:00", "finished_utc": "2026-01-01T11:00:00+00:00",
            "python": "3.11.9", "packages": {"numpy": "2.4.6"}, "git_revision": None, "seed": 42,
            "machine": {"system": "Linux", "n_cpus": 2, "memory_bytes": 8_000_000_000},
            "counts": {"photos": 2000, "bad_files": 0, "classes": 3, "train": 1600, "val": 200,
                       "test": 200},
            "seconds": {"scan": 4.2, "teacher": 1234.5}, "reused_steps": ["scan"],
        },
        model={
            "model_file": "model_qat_int8.tflite", "size_bytes": 4_512_344, "sha256": "f" * 64,
            "input": {"width": 240, "height": 240, "dtype": "int8",
                      "quantization": {"scale": 1.0, "zero_point": -128}},
            "output": {"dtype": "int8", "quantization": {"scale": 0.02, "zero_point": -3}},
        },
        teachers=[network("efficientnet_b3")],
        together={"archs": ["efficientnet_b3"], "val_accuracy": 0.93, "val_loss": 0.3},
        student=network("efficientnet_lite1"),
        quantization=example_documents.quantization(history=history(0.9, 0.91, 0.91)),
        performance=example_documents.performance(),
        bad_files=[],
        images=dict.fromkeys((CONFUSION_PNG, THRESHOLD_PNG, RELIABILITY_PNG, CONFIDENCE_PNG), PNG),
    )  # fmt: skip


def changed(part: str, **values: Any) -> RunFacts:
    run = good_run()
    changes: dict[str, Any] = {part: {**getattr(run, part), **values}}
    return dataclasses.replace(run, **changes)


def taught_by(*histories: list[dict[str, Any]]) -> RunFacts:
    """By as many teachers, whose trainings went so."""
    archs = ("efficientnet_lite2", "resnet101")
    teachers = [
        {**network(arch), "history": h, "img_size_px": size_px}
        for arch, h, size_px in zip(archs, histories, (260, 224), strict=False)
    ]
    return dataclasses.replace(good_run(), teachers=teachers)


def compared(plain: float, distill_alpha: float = 0.5) -> RunFacts:
    """A run whose teacher is right on 93 % of the validation photos, a plain student on `plain`."""
    head = {**history(plain)[0], "stage": "head", "epoch": 0}
    run = changed("student", history=[head, *good_run().student["history"]])
    settings = {**run.config["settings"], "distill_alpha": distill_alpha}
    return dataclasses.replace(run, config={"settings": settings})


def advice(run: RunFacts) -> str:
    return " | ".join(next_steps(run)[:-1])


def test_the_verdict_says_what_the_app_gets():
    assert verdict(good_run()) == (
        "The int8 file is right on 92.0% of 200 test photos that it had never seen. Answering only "
        "from a confidence of 0.61 on, the app answers 88.0% of them and is right on 95.5% of its "
        "answers, which meets the wanted 95.0%."
    )


def test_the_verdict_does_not_praise_a_missed_target():
    run = changed("threshold", test_accept_accuracy=0.94)
    assert "94.0% of its answers, which is short of the wanted 95.0%" in verdict(run)


def test_the_verdict_of_a_threshold_of_0_names_no_confidence_to_answer_from():
    met = changed(
        "threshold", recommended_threshold=0.0, test_coverage=1.0, test_accept_accuracy=0.95
    )
    assert verdict(met) == (
        "The int8 file is right on 92.0% of 200 test photos that it had never seen. At the "
        "threshold 0.00 the app answers every photo, never 'unknown', which meets the wanted 95.0%."
    )
    short = changed(
        "threshold", recommended_threshold=0.0, test_coverage=1.0, test_accept_accuracy=0.92
    )
    assert "never 'unknown', which is short of the wanted 95.0%" in verdict(short)


def test_the_verdict_says_when_nothing_is_answered():
    run = changed("threshold", test_accept_accuracy=None, test_coverage=0.0)
    assert "would answer none of them" in verdict(run)
    assert render_run_page(run)


def test_where_nothing_stands_out_the_phones_own_photos_come_next():
    steps = next_steps(good_run())
    assert len(steps) == 2
    assert "photos that the phone itself took" in steps[0]
    assert "parity_check.py" in steps[1]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            changed("metrics", top1=0.90),
            "Quantisation costs 2.5 points of accuracy: give it more photos, raise epochs_qat (now "
            "10) or change lr_qat (now 0.0001).",
        ),
        (
            changed("metrics", top1_teacher=0.905),
            "The teacher is 2.0 points worse than its student",
        ),
        (changed("metrics", top1_teacher=0.97), "The student is 4.5 points behind its teacher"),
        (taught_by(history(0.8, 0.9)), "raise epochs_teacher (now 10)."),
        (
            taught_by(history(0.9, 0.8)),
            "No epoch of the teacher's training improved on its start, which is what is kept",
        ),
        (
            taught_by(history(0.8, 0.9, 0.9), history(0.9, 0.8)),
            "No epoch of the teacher's training (resnet101) improved on its start",
        ),
        (
            taught_by(history(0.8, 0.9), history(0.8, 0.9)),
            "The validation loss was lowest at the very last epoch: raise epochs_teacher (now 10).",
        ),
        (changed("student", history=history(0.8, 0.9)), "raise epochs_student (now 20)."),
        (changed("quantization", history=history(0.8, 0.9)), "raise epochs_qat (now 10)."),
        (
            changed("quantization", method="post-training quantisation", history=history(0.9, 0.8)),
            "No epoch of the quantisation-aware fine-tuning improved on its start",
        ),
        (
            changed("threshold", selection_method="utility_maximization"),
            "No threshold reaches 95.0% right with 60.0% answered",
        ),
        (
            changed("metrics", per_class={"cup": score(support=9), "fork": score()}),
            "Fewer than 10 test photos in 'cup'",
        ),
        (
            changed("metrics", per_class={"cup": score(0.69), "fork": score(0.5), "x": score(0.7)}),
            "F1 is below 0.7 in 'fork', 'cup':",
        ),
        (
            changed("manifest", classes={"cup": 49, "fork": 500}),
            "'fork' has 500 photos and 'cup' only 49",
        ),
        (dataclasses.replace(good_run(), bad_files=["cup/1.jpg\tbroken"]), "1 file took no"),
        (
            changed("manifest", findings={"conflict": 4, "near duplicate of another class": 1}),
            "4 photos left out, 1 pair nearly equal and kept. scan_report.html shows them",
        ),
    ],
)
def test_what_stands_out_is_said_with_what_to_do(run, said):
    assert said in advice(run)
    assert "Nothing stands out" not in advice(run)


@pytest.mark.parametrize(("right", "word"), [(94, "within"), (85, "beyond")])
def test_a_target_missed_on_the_test_photos_is_held_against_chance(right, word):
    # Half of 200 test photos are answered.
    expected = binomtest(right, 100).proportion_ci(0.95, method="wilson")
    run = changed("threshold", test_coverage=0.5, test_accept_accuracy=right / 100)
    said = (
        f"became {right}.0% on test photos, {word} what chance explains "
        f"({expected.low:.1%} to {expected.high:.1%})"
    )
    assert said in advice(run)


def test_post_training_quantisation_that_costs_much_leads_to_training():
    run = changed("metrics", top1=0.90)
    settings = {**run.config["settings"], "qat": False}
    run = dataclasses.replace(run, config={"settings": settings})
    assert "Quantisation costs 2.5 points of accuracy: set qat to true." in advice(run)


def test_a_teacher_worse_than_a_plain_student_is_named_with_what_to_do():
    said = (
        "On the validation photos the teacher is 3.0 points worse than a plain student, whose head "
        "alone was fitted to the labels: it teaches little. Raise epochs_teacher or "
        "teacher_img_size, choose another teacher_arch, or train without it: distill_alpha 1."
    )
    run = compared(0.96)
    assert said in advice(run)
    assert said in html.unescape(render_run_page(run)).split("The three models on")[1]
    # Once: that its student was better on the test photos too says no more.
    worse = dataclasses.replace(run, metrics={**run.metrics, "top1_teacher": 0.8})
    assert advice(worse).count("teaches") == 1


def test_a_teacher_better_than_a_plain_student_needs_no_advice():
    run = compared(0.9)
    assert "plain student" not in advice(run)
    assert "teacher is 3.0 points better than a plain student" in render_run_page(run)


def test_a_teacher_that_was_not_asked_needs_no_advice():
    run = compared(0.96, distill_alpha=1)
    run = dataclasses.replace(run, metrics={**run.metrics, "top1_teacher": 0.8})
    assert "teach" not in advice(run).replace("epochs_teacher", "")
    page = render_run_page(run)
    assert "3.0 points worse than a plain student" in page
    assert "this training did not ask it, as distill_alpha is 1." in page


def test_without_a_fitted_head_there_is_nothing_to_hold_the_teacher_against():
    assert "plain student" not in render_run_page(good_run())


def test_differences_below_a_point_are_no_matter():
    run = changed("metrics", top1=0.92, top1_student=0.925, top1_teacher=0.92)
    assert "Nothing stands out" in advice(run)


def test_many_weak_classes_are_not_all_named():
    per_class = {f"c{i}": score(0.1 + i / 100) for i in range(9)}
    assert "'c0', 'c1', 'c2', 'c3', 'c4', 'c5' and 3 more" in advice(
        changed("metrics", per_class=per_class)
    )


def test_the_page_shows_every_number_and_picture():
    page = html.unescape(render_run_page(good_run()))
    for text in (
        "92.0%", "92.5%", "94.0%", "0.61", "4.51 MB", "The notes.", "efficientnet_b3",
        "efficientnet_lite1", "1,600 to train on", "f" * 64, "from an earlier run", "1,234.5",
        "8.0 GB", "use_class_weights", "scale 1, zero point -128", "150 int8", "99.5%", "numpy",
    ):  # fmt: skip
        assert text in page, text
    assert page.count("data:image/png;base64,") == 4 + 3  # the four given, three trainings
    assert len(page) < 2_000_000


def test_teachers_stand_in_one_row_and_have_a_picture_each():
    good = history(0.8, 0.9, 0.9)
    page = render_run_page(taught_by(good, good))
    assert "<td>teachers together (efficientnet_lite2, resnet101)</td>" in page
    assert "260, 224" in page
    assert page.count("data:image/png;base64,") == 4 + 4
    assert "teachers together" not in render_run_page(taught_by(good))


def test_classes_come_with_the_weakest_first():
    per_class = {"cup": score(0.9), "fork": score(0.4), "plate": score(0.6)}
    page = render_run_page(changed("metrics", per_class=per_class))
    places = [page.index(f"<td>{name}</td>") for name in ("fork", "plate", "cup")]
    assert places == sorted(places)


def test_of_many_classes_the_stronger_are_folded_away():
    per_class = {f"c{i}": score(0.8) for i in range(20)}
    assert "The other 5 classes" in render_run_page(changed("metrics", per_class=per_class))


def test_the_first_bad_files_are_listed_and_the_rest_counted():
    bad = [f"cup/{i:03d}.jpg\tbroken" for i in range(60)]
    page = render_run_page(dataclasses.replace(good_run(), bad_files=bad))
    assert "<td>cup/049.jpg</td><td>broken</td>" in page
    assert "cup/050.jpg" not in page
    assert "bad_files.txt lists 10 more" in page


def test_a_training_without_epochs_has_no_curves():
    page = render_run_page(changed("quantization", history=[]))
    assert page.count("data:image/png;base64,") == 4 + 2


def test_names_of_classes_and_files_are_escaped():
    run = changed("metrics", per_class={"<script>": score(0.1)})
    run = dataclasses.replace(run, bad_files=["<script>\t<script>"])
    assert "<script>" not in render_run_page(run)
