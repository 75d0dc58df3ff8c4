import dataclasses
import html
from typing import Any

import pytest

from edgedistill.report.advice import next_steps
from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from tests.example_documents import history
from tests.report.example_run import changed, good_run, network

CLASSES = ["cup", "fork", "plate"]


def score(f1: float = 0.9, support: int = 40) -> dict[str, float]:
    return {"precision": f1, "recall": f1, "f1": f1, "support": support}


def advice(run: RunFacts) -> str:
    return " | ".join(next_steps(run)[:-1])


def taught_by(*histories: list[dict[str, Any]]) -> RunFacts:
    """By as many teachers, whose trainings went so."""
    archs = ("efficientnet_lite2", "resnet101")
    teachers = [
        {**network(arch, CLASSES), "history": h, "img_size_px": size_px}
        for arch, h, size_px in zip(archs, histories, (260, 224), strict=False)
    ]
    return dataclasses.replace(good_run(), teachers=teachers)


def compared(plain: float, distill_alpha: float = 0.5) -> RunFacts:
    """A run whose teacher is right on 93 % of the validation photos, a plain student on `plain`."""
    head = {**history(plain)[0], "stage": "head", "epoch": 0}
    run = changed("student", history=[head, *good_run().student["history"]])
    settings = {**run.config["settings"], "distill_alpha": distill_alpha}
    return dataclasses.replace(run, config={"settings": settings})


def on_test(**values: Any) -> RunFacts:
    """The good run, whose recommended threshold does something else on the test photos."""
    test = good_run().threshold["test"]
    return changed("threshold", test={**test, "recommended": {**test["recommended"], **values}})


def held_against(
    p_value: float, *, first: str = "student", second: str = "file", **values: Any
) -> RunFacts:
    """A file 2.5 points below the student, and a comparison of two models with this p-value."""
    run = changed("metrics", top1=0.90)
    comparison = {**run.evaluation["comparisons"][0], "from": first, "to": second,
                  "p_value": p_value, **values}  # fmt: skip
    return changed("evaluation", run, comparisons=[comparison])


def without_guarantee() -> RunFacts:
    guarantee = {**good_run().threshold["guarantee"], "photos_missing": 17}
    return changed("threshold", guaranteed_threshold=None, guarantee=guarantee)


def unknown(**values: Any) -> RunFacts:
    return changed("threshold", unknown={**good_run().threshold["unknown"], **values})


def damaged(top1: float, high: float, augment: str, name: str = "blur") -> RunFacts:
    """Of a clean 0.9, one damage leaves so much."""
    run = good_run()
    damage = {**run.evaluation["robustness"]["damages"][1], "name": name, "clean_top1": 0.9,
              "top1": top1, "top1_interval": [top1 - 0.1, high], "setting": "by 9 px"}  # fmt: skip
    robustness = {**run.evaluation["robustness"], "damages": [damage]}
    run = changed("evaluation", run, robustness=robustness)
    return changed("config", run, settings={**run.config["settings"], "augment": augment})


def suspected(train: int, val: int) -> RunFacts:
    review = {**good_run().together["label_review"], "n_suspects": {"train": train, "val": val}}
    return changed("together", label_review=review)


def test_where_nothing_stands_out_the_phones_own_photos_come_next():
    steps = next_steps(good_run())
    assert len(steps) == 2
    assert "photos that the phone itself took" in steps[0]
    assert "parity_check.py" in steps[1]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            held_against(0.049),
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
        (
            held_against(0.051),
            "The file is 2.5 points below the float student, which may be chance (p = 0.051)",
        ),
        (
            held_against(
                0.0001, first="student_without_teacher", second="student", difference=-0.02
            ),
            "The student that never met a teacher is 2.0 points better (p < 0.001): train without",
        ),
        (
            without_guarantee(),
            "No threshold is guaranteed: that would take 17 more photos that the app answers, "
            "without a further error. Add photos, or raise calib_frac (now 0).",
        ),
        (
            unknown(accepted_share=0.11, best_score_unknown_accepted=0.04),
            "The app would name a class on 11.0% of the photos that show none: answer by energy, "
            "which lets in 4.0%, raise the threshold",
        ),
        (
            unknown(accepted_share=0.11, best_score_unknown_accepted=0.11),
            "on 11.0% of the photos that show none: raise the threshold, or add a class",
        ),
        (
            damaged(0.78, 0.85, "standard"),
            "Damage costs most as 'blur, strong' (by 9 px): 78.0% right in place of 90.0%; set "
            "augment to phone (now standard)",
        ),
        (damaged(0.78, 0.85, "phone"), "right in place of 90.0%; give photos taken so."),
        (
            damaged(0.78, 0.85, "phone", "plain resize"),
            "have the app use the letterbox of the bundle, to the pixel.",
        ),
        (suspected(2, 1), "3 photos may have a wrong label: look at the first of label_review.csv"),
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


@pytest.mark.parametrize(("high", "word"), [(0.96, "within"), (0.945, "beyond")])
def test_a_target_missed_on_the_test_photos_is_held_against_chance(high, word):
    said = (
        f"became 94.0% on test photos, {word} what chance explains (88.0% to {high:.1%}): for a "
        "margin, use the guaranteed threshold"
    )
    run = on_test(accept_accuracy=0.94, accept_accuracy_interval=[0.88, high])
    assert said in advice(run)


def test_post_training_quantisation_that_costs_much_leads_to_training():
    run = held_against(0.01)
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
    assert said in html.unescape(render_run_page(run)).split("From the teacher to the file")[1]
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


@pytest.mark.parametrize(("high", "said"), [(0.926, "which may be chance"), (0.924, "costs")])
def test_a_loss_of_quantisation_without_a_test_is_held_against_the_files_interval(high, said):
    # The student has 92.5 %, the file 90 %.
    run = changed("metrics", top1=0.90)
    models = [{**m, "top1_interval": [0.85, high]} for m in run.evaluation["models"]]
    assert said in advice(changed("evaluation", run, comparisons=[], models=models))


def test_where_post_training_ships_its_own_comparison_with_the_student_counts():
    run = changed(
        "quantization",
        held_against(0.3, second="post_training"),
        method="post-training quantisation",
    )
    assert "which may be chance (p = 0.300)" in advice(run)


@pytest.mark.parametrize(
    "run",
    [
        damaged(0.82, 0.85, "standard"),  # 8 points are few
        damaged(0.78, 0.91, "standard"),  # chance explains it
        unknown(accepted_share=0.09),
        held_against(0.06, first="student_without_teacher", second="student", difference=-0.02),
        held_against(0.01, first="student_without_teacher", second="student", difference=0.02),
        changed("evaluation", robustness=None),
    ],
)
def test_what_is_little_or_may_be_chance_needs_no_advice(run):
    assert "Nothing stands out" in advice(dataclasses.replace(run, metrics=good_run().metrics))


@pytest.mark.parametrize("teacher", [0.905, 0.97])
def test_a_teacher_that_chance_may_have_put_before_or_behind_needs_no_advice(teacher):
    run = held_against(0.06, first="teacher", second="student")
    run = changed("metrics", run, top1=0.92, top1_teacher=teacher)
    assert "Nothing stands out" in advice(run)
    sure = held_against(0.04, first="teacher", second="student")
    assert "teacher" in advice(changed("metrics", sure, top1=0.92, top1_teacher=teacher))


def test_without_photos_of_no_class_they_are_asked_for():
    run = good_run()
    threshold = {name: value for name, value in run.threshold.items() if name != "unknown"}
    assert "Give photos that show none of the classes" in advice(
        dataclasses.replace(run, threshold=threshold)
    )


def test_a_model_that_may_not_ship_is_not_handed_on():
    run = changed("gate", ship=False, reasons=["Too bad."], min_top1=0.95)
    steps = next_steps(run)
    assert steps[0].startswith("No bundle was made, for this model is not to ship.")
    assert "min_top1 (now 0.95) or max_regression (now 0.0123)" in steps[0]
    assert not any("bundle.zip" in step for step in steps)
