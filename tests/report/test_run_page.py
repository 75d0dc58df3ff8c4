import dataclasses
import html
import re
from typing import Any

import pytest

from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from edgedistill.report.run_sections.mistakes import mistakes_section
from tests.report.example_run import changed, example_run, good_run, network
from tests.report.read_page import ReadPage, figures, forms, numbers, texts

ODD = "</script><script>alert('&')</script><!--"


def test_the_page_stays_below_2_mb_with_two_classes_and_with_five_hundred():
    for n_classes in (2, 5, 50, 500):
        page = render_run_page(example_run(n_classes, suffix=" with a name of usual length"))
        assert len(page.encode()) < 2_000_000, n_classes


def test_pictures_that_do_not_fit_are_counted():
    run = example_run(2)
    for room_bytes, shown in ((0, 0), (10_000_000, 12)):
        section = mistakes_section(run, room_bytes)
        assert sum(len(g.exhibits) for g in section.galleries) == shown
        said = [text for text in section.paragraphs if "more picture" in text]
        assert [text.partition(" more")[0] for text in said] == ([] if shown else ["12"])


def test_names_of_classes_and_files_are_escaped():
    for n_classes in (3, 20):
        run = example_run(n_classes, suffix=ODD)
        review = [{"filepath": ODD, "label_name": ODD, "label_probability": "0.1",
                   "suggested_label": ODD, "suggested_probability": "0.8"}]  # fmt: skip
        run = dataclasses.replace(run, bad_files=[f"{ODD}\t{ODD}"], label_review=review)
        page = render_run_page(run)
        assert "<script>alert" not in page
        assert "<!--" not in page
        assert ReadPage(page).charts


def sources(run: RunFacts) -> dict[str, tuple[Any, set[str]]]:
    """By section: the documents of its numbers, and the numbers of its own sentences."""
    evaluation, threshold, metrics = run.evaluation, run.threshold, run.metrics
    level = evaluation["confidence_level"]
    base = [level, metrics["n_test"]]
    counts = list(run.confusion), [sum(row) for row in run.confusion]
    suspect = [float(v) for k, v in run.label_review[0].items() if "probability" in k]
    robustness = evaluation["robustness"]
    drops = [d["top1"] - d["clean_top1"] for d in robustness["damages"]]
    damages = [{**robustness, "damages": [{**d, "strength": ""} for d in robustness["damages"]]}]
    mean_drop = robustness["mean_top1"] - robustness["clean_top1"]
    parts = [run.run["counts"][part] for part in ("train", "val", "test")]
    kinds = run.manifest["classes"]
    shares = [n / run.manifest["n_photos"] for n in kinds.values()]
    promise = {name: value for name, value in threshold.items()
               if name not in {"unknown", "temperature", "penalty_incorrect"}}  # fmt: skip
    histories = [*(t["history"] for t in run.teachers), run.student["history"],
                 run.quantization["history"]]  # fmt: skip
    calibrated = [value for name, value in run.file.items() if "top1" not in name
                  and "macro" not in name]  # fmt: skip
    return {
        "top": ([metrics["top1"], threshold["test"]["recommended"], run.file, base,
                 threshold["target_accept_accuracy"]], {"1", "8"}),
        "What was asked of it": ([run.gate, metrics["top1"]], {"1"}),
        "From the teacher to the file": (
            [evaluation["models"], evaluation["comparisons"], base], {"1", "0", "0.05"}),
        "When the app should say 'unknown'": ([promise, run.curve], set()),
        "Photos of no class": ([threshold["unknown"], level], {"0.5", "1"}),
        "What is taken for what": (
            [counts, evaluation["confused_pairs"], metrics["n_test"]],
            {"10", f"{len(kinds)}"} if len(kinds) > 14 else set()),
        # Nine of the twelve pictures fit.
        "The worst mistakes": (
            [m["confidence"] for m in evaluation["mistakes"][:9]], {"3", "9", "8", "7"}),
        "Classes, the weakest first": (
            metrics["per_class"], {"1", f"{len(kinds) - 15}"}),
        "Whether its confidence can be believed": (
            [evaluation["calibration"], calibrated, threshold["temperature"], level,
             threshold["recommended_threshold"]], {"0"}),
        "Which photos it is good at": ([evaluation["slices"], level], {"1"}),
        "Photos as phones take them": (
            [damages, drops, mean_drop, level], {"1"}),
        "Labels that may be wrong": (
            [run.together["label_review"]["n_suspects"], suspect], set()),
        "Photos": (
            [run.manifest["n_photos"], kinds, shares, parts, evaluation["n_unknown"],
             len(run.bad_files)], set()),
        "Training of the teacher (efficientnet_b3)": (histories[0], set()),
    }  # fmt: skip


def numbers_in_names(document: Any) -> set[str]:
    return set().union(*(numbers(text) for text in texts(document)), set())


def with_suspects(n_classes: int) -> RunFacts:
    run = example_run(n_classes)
    names = list(run.metrics["per_class"])
    review = [
        {"filepath": "a.jpg", "label_name": names[0], "label_probability": "0.0123",
         "suggested_label": names[1], "suggested_probability": "0.9753"},
        {"filepath": "b.jpg", "label_name": names[0], "label_probability": "",
         "suggested_label": "", "suggested_probability": ""},
    ]  # fmt: skip
    suspects = {**run.together["label_review"], "n_suspects": {"train": 1, "val": 0}}
    together = {**run.together, "label_review": suspects}
    return dataclasses.replace(run, label_review=review, together=together)


@pytest.mark.parametrize("n_classes", [2, 5, 50])
def test_no_number_of_a_section_is_from_elsewhere_than_its_documents(n_classes):
    run = with_suspects(n_classes)
    page = ReadPage(render_run_page(run))
    for title, (documents, own) in sources(run).items():
        allowed = own | numbers_in_names([documents, run.file["title"], title])
        for figure in figures(documents):
            allowed |= forms(figure)
        text = page.sections[title]
        for name in texts([documents, run.together["label_review"], run.evaluation["mistakes"]]):
            if numbers(name):
                text = text.replace(name, " ")
        strange = numbers(text) - allowed
        assert strange == set(), title


@pytest.mark.parametrize("n_classes", [2, 5, 50])
def test_every_figure_of_the_documents_stands_in_its_section(n_classes):
    run = with_suspects(n_classes)
    page = ReadPage(render_run_page(run))
    documents = {title: document for title, (document, _) in sources(run).items()}
    # Above the sections stand four figures alone, of the history two curves; and of a large
    # matrix the zeros are nowhere.
    del documents["top"], documents["Training of the teacher (efficientnet_b3)"]
    del documents["What was asked of it"]  # max_regression only beside an earlier bundle
    if n_classes > 14:
        del documents["What is taken for what"]
    for title, document in documents.items():
        written = numbers(page.sections[title])
        missing = [figure for figure in figures(document) if not forms(figure) & written]
        assert missing == [], title


def test_the_verdict_comes_first_and_then_four_numbers_with_their_intervals():
    run = example_run(5)
    file, test = run.file, run.threshold["test"]["recommended"]
    page = render_run_page(run)
    places = [page.index(part) for part in ('<p class="lead', '<div class="cards">', "<section>")]
    assert places == sorted(places)
    cards = re.findall(r'"label">(.*?)</span>.*?"value">(.*?)</span>.*?"remark">(.*?)<', page)

    def said(document: Any, name: str) -> tuple[str, str]:
        low, high = document[f"{name}_interval"]
        return f"{document[name]:.1%}", f"{low:.1%} to {high:.1%}, 95% confidence"

    assert cards == [
        ("photos named right (top-1)", *said(file, "top1")),
        ("every class alike (macro-F1)", *said(file, "macro_f1")),
        ("of its answers right, at the threshold 0.61", *said(test, "accept_accuracy")),
        ("of photos answered, at the threshold 0.61", *said(test, "coverage")),
    ]


def table(run: RunFacts, section: str, title: str) -> list[list[str]]:
    """The rows of one table of the page, without its head."""
    return ReadPage(render_run_page(run)).tables[section][title][1:]


def test_differences_have_their_sign_their_p_and_their_reading():
    changes = (
        {"difference": -0.0321, "difference_interval": [-0.05, -0.0104], "p_value": 0.0004},
        {"difference": 0.0321, "difference_interval": [0.0104, 0.05], "p_value": 0.0496},
        {"difference": -0.0321, "difference_interval": [-0.05, 0.0104], "p_value": 0.05},
        {"difference": 0.0, "p_value": 1.0, "only_from_right": 0, "only_to_right": 0},
    )
    run = example_run(3)
    both = {"only_from_right": 12, "only_to_right": 3, "from": "student", "to": "file"}
    comparisons = [{**run.evaluation["comparisons"][0], **both, **change} for change in changes]
    run = changed("evaluation", run, comparisons=comparisons)
    title = "Differences of top-1; lost and won: photos that only the first, only the second gets"
    rows = table(run, "From the teacher to the file", title)
    assert rows[:3] == [
        ["float student → shipped file", "−3.2", "−5.0 to −1.0", "a loss", "< 0.001", "12", "3"],
        ["float student → shipped file", "+3.2", "+1.0 to +5.0", "a gain", "0.050", "12", "3"],
        ["float student → shipped file", "−3.2", "−5.0 to +1.0", "noise", "0.050", "12", "3"],
    ]
    assert rows[3][3] == "no photo differs"


def test_the_models_stand_in_the_order_of_the_document():
    run = example_run(3)
    rows = table(run, "From the teacher to the file",
                 "Numbers of: Right on the test photos, model by model")  # fmt: skip
    m = run.evaluation["models"][2]
    assert [row[0] for row in rows] == [m["title"] for m in run.evaluation["models"]]
    assert rows[2][1:5] == [
        f"{m['top1']:.1%}", f"{m['top1_interval'][0]:.1%} to {m['top1_interval'][1]:.1%}",
        f"{m['macro_f1']:.1%}",
        f"{m['macro_f1_interval'][0]:.1%} to {m['macro_f1_interval'][1]:.1%}",
    ]  # fmt: skip


def test_the_gate_says_what_was_asked_and_how_an_earlier_bundle_did():
    run = changed("gate", example_run(3), min_top1=0.5432)
    said = ReadPage(render_run_page(run)).sections["What was asked of it"]
    assert "Top-1 of at least 54.3% was asked for" in said
    assert f"the file has {run.metrics['top1']:.1%}. No earlier bundle was given" in said
    baseline = {"uri": "gs://b/1.zip", "top1": 0.9123, "top1_interval": [0.8765, 0.9456],
                "difference": -0.0123, "difference_interval": [-0.0321, 0.0076],
                "p_value": 0.2345}  # fmt: skip
    run = changed("gate", run, min_top1=0, baseline=baseline)
    assert table(run, "What was asked of it", "") == [
        ["its top-1", "91.2%"], ["95% confidence", "87.6% to 94.6%"],
        ["this file less that, points", "−1.2"], ["95% confidence", "−3.2 to +0.8"],
        ["p (McNemar's exact test)", "0.234: noise"],
    ]  # fmt: skip
    page = render_run_page(run)
    assert "gs://b/1.zip" in page
    assert "at most 1.2 points might be lost (max_regression)" in page
    assert "No least top-1 was asked for" in page


def test_a_guarantee_stands_beside_the_recommendation_or_what_it_would_take():
    run = example_run(3)
    section, title = (
        "When the app should say 'unknown'",
        "On the 63 validation photos it is chosen on",
    )
    threshold, guarantee = run.threshold, run.threshold["guarantee"]
    assert table(run, section, title) == [
        ["threshold", "0.61", "0.74"],
        ["answered", f"{threshold['achieved_coverage']:.1%}", f"{guarantee['coverage']:.1%}"],
        ["right among these", f"{threshold['achieved_accept_accuracy']:.1%}",
         f"{guarantee['accept_accuracy']:.1%}"],
        ["right at least, 95% confidence", f"{threshold['accept_accuracy_lower_bound']:.1%}",
         f"{guarantee['lower_bound']:.1%}"],
    ]  # fmt: skip
    none = changed(
        "threshold", run, guaranteed_threshold=None,
        test={**threshold["test"], "guaranteed": None},
        guarantee={**dict.fromkeys(guarantee, None), "procedure": "P", "note": "N.",
                   "photos_missing": 34},
    )  # fmt: skip
    assert [len(row) for row in table(none, section, title)] == [2] * 4
    page = ReadPage(render_run_page(none))
    assert "No threshold is guaranteed. N. Procedure: P." in page.sections[section]
    assert page.charts[section]["Try a threshold"]["guaranteed"] is None


def test_thresholds_of_classes_are_a_table_where_they_were_asked_for():
    per_class = {
        "cup": {"threshold": 0.42, "coverage": 0.9, "accept_accuracy": 0.96, "n_accepted": 9},
        "fork": {"threshold": None, "coverage": 0.0, "accept_accuracy": None, "n_accepted": 0},
    }
    run = changed("threshold", example_run(3), per_class=per_class)
    title = "A threshold for each of the 2 classes"
    assert table(run, "When the app should say 'unknown'", title) == [
        ["cup", "0.42", "9", "90.0%", "96.0%"], ["fork", "none", "0", "0.0%", "–"],
    ]  # fmt: skip


def slices_alike(run: RunFacts) -> str:
    run = changed("evaluation", run, slices={"size": [], "brightness": [], "folder": []})
    return ReadPage(render_run_page(run)).sections["Which photos it is good at"]


def test_what_was_not_measured_is_said_to_be_missing():
    run = example_run(3)
    threshold = {k: v for k, v in run.threshold.items() if k not in {"unknown", "temperature"}}
    page = ReadPage(render_run_page(dataclasses.replace(run, threshold=threshold)))
    assert "None were given" in page.sections["Photos of no class"]
    assert "No temperature was fitted." in page.sections["Whether its confidence can be believed"]
    assert "too alike" in slices_alike(run)
    flawless = changed("evaluation", run, mistakes=[], confused_pairs=[])
    assert (
        "The file made none" in ReadPage(render_run_page(flawless)).sections["The worst mistakes"]
    )


def test_classes_come_with_the_weakest_first_and_the_stronger_of_many_folded_away():
    for n_classes, title in ((3, ""), (20, "The other 5 classes")):
        run = example_run(n_classes)
        tables = ReadPage(render_run_page(run)).tables["Classes, the weakest first"]
        rows = [row for part in tables.values() for row in part[1:]]
        scores = run.metrics["per_class"]
        assert [row[0] for row in rows] == sorted(scores, key=lambda name: scores[name]["f1"])
        assert [row[1] for row in rows] == [f"{scores[row[0]]['f1']:.1%}" for row in rows]
        assert title in tables


def test_the_rest_of_the_run_is_told():
    page = html.unescape(render_run_page(good_run()))
    for text in (
        "4.51 MB", "The notes.", "efficientnet_b3", "f" * 64, "from an earlier run", "1,234.5",
        "8.0 GB", "use_class_weights", "scale 1, zero point -128", "150 int8", "99.5%", "numpy",
        "240 × 240 px",
    ):  # fmt: skip
        assert text in page, text


def test_each_teacher_has_its_curves():
    teachers = [network(arch, ["a", "b"]) for arch in ("efficientnet_lite2", "resnet101")]
    page = ReadPage(render_run_page(dataclasses.replace(good_run(), teachers=teachers)))
    assert "Training of the teacher (efficientnet_lite2)" in page.charts
    assert "Training of the teacher (resnet101)" in page.charts


def test_the_first_bad_files_are_listed_and_the_rest_counted():
    bad = [f"cup/{i:03d}.jpg\tbroken" for i in range(60)]
    page = render_run_page(dataclasses.replace(good_run(), bad_files=bad))
    assert "<td>cup/049.jpg</td><td>broken</td>" in page
    assert "cup/050.jpg" not in page
    assert "bad_files.txt lists 10 more" in page


def test_photos_set_aside_for_the_threshold_are_counted_by_themselves():
    run = good_run()
    assert "choose epochs and the threshold on" in render_run_page(run)
    counted = changed("run", counts={**run.run["counts"], "calib": 47})
    page = render_run_page(counted)
    assert "to choose epochs on, 47 to choose the threshold on" in page
