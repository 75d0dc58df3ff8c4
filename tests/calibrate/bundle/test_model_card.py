import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from edgedistill.calibrate.bundle.facts import BundleFacts, read_facts
from edgedistill.calibrate.bundle.model_card import model_card
from tests.calibrate.bundle.model_folder import (
    ODD_NAMES,
    check_document,
    full_threshold_document,
    gate_document,
    scores_document,
    threshold_document,
    write_model_folder,
)


def facts_of(folder: Path, student_weights: str = "imagenet") -> BundleFacts:
    tflite = write_model_folder(folder / "tflite", student_weights=student_weights)
    return read_facts(tflite, threshold_document(), scores_document(), gate_document(), "3.1")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> BundleFacts:
    return facts_of(tmp_path_factory.mktemp("facts"))


def words(facts: BundleFacts) -> str:
    return " ".join(model_card(facts).split())


def rows(facts: BundleFacts) -> list[list[str]]:
    """The cells of all tables as a reader sees them."""
    found: list[list[str]] = []
    inside = False
    for token in (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(model_card(facts))
    ):
        if token.type == "tr_open":
            found.append([])
        inside = token.type in ("td_open", "th_open") or (inside and token.type == "inline")
        if inside and token.type == "inline":
            assert token.children is not None
            found[-1].append("".join(child.content for child in token.children))
    return found


def test_the_test_figures_stand_with_their_intervals_beside_the_float_networks(facts):
    assert ["top-1 accuracy", "85.0% (64.0% to 94.8%)", "90.0%"] in rows(facts)
    assert ["macro F1", "83.0% (64.0% to 95.0%)", "88.0%"] in rows(facts)
    assert ["expected calibration error", "4.0% (0.0% to 20.0%)", "3.0%"] in rows(facts)
    # 0.85 - 0.90.
    assert "the int8 file changes top-1 accuracy by -5.0 points" in words(facts)


def test_accuracy_on_damaged_photos_is_told_where_it_was_measured(facts):
    assert "damaged" not in words(facts)
    scores = {**scores_document(), "robustness_mean_top1": 0.712}
    assert "it is right on 71.2% on average." in words(replace(facts, scores=scores))


def test_classes_are_in_the_order_of_the_outputs_with_their_support(facts):
    listed = [row for row in rows(facts) if len(row) == 4]
    shown = [name.replace("  ", " \N{NO-BREAK SPACE}") for name in ODD_NAMES]
    assert [row[0] for row in listed] == ["class", *shown]
    # Recall 0.5 is "found", precision 0.75 "right when named".
    assert all(row[1:] == ["4", "50.0%", "75.0%"] for row in listed[1:])


def test_each_class_has_its_own_figures(facts):
    scores = scores_document()
    scores["per_class"][ODD_NAMES[2]] = {"precision": 0.1, "recall": 0.2, "f1": 0, "support": 1234}
    listed = [row for row in rows(replace(facts, scores=scores)) if len(row) == 4]
    assert listed[3][1:] == ["1,234", "20.0%", "10.0%"]


def test_it_tells_input_threshold_speed_and_data(facts):
    text = words(facts)
    for part in (
        "letterboxed to 16 × 16 RGB, int8",
        "Show the answer where its confidence is at least 0.51.",
        "about 9.1 ms on a Pixel 4 class CPU with 4 threads. An estimate, not a measurement",
        "631 million multiply-adds",
        "10 validation photos chose the threshold",
        "20 test photos",
        "`0123456789abcdef`",
        "see NOTICE.txt",
        facts.metadata["sha256"],
    ):
        assert part in text


def test_it_tells_how_the_file_was_quantised_and_what_else_was_tried(facts):
    assert "**Quantisation**: quantisation-aware training." in words(facts)
    assert ["float student", "92.0%"] in rows(facts)
    assert ["quantisation-aware training", "91.5%"] in rows(facts)


def test_it_tells_its_limits(facts):
    text = words(facts)
    assert "It knows these classes and no others." in text
    assert "The figures hold for photos like those it was trained and tested on" in text
    assert "the threshold catches some of those, not all" in text
    assert 'saying "unknown" where it is not sure.' in text


def test_a_threshold_of_0_is_told_as_catching_nothing(facts):
    everything = threshold_document(recommended_threshold=0.0, test_coverage=1.0)
    text = words(replace(facts, threshold=everything))
    assert "every photo is answered, also where it is not sure." in text
    assert "its threshold of 0 catches none of those" in text
    assert "unknown" not in text


def test_the_thresholds_are_told_with_bound_promise_and_check(facts):
    text = words(replace(facts, threshold=full_threshold_document()))
    for told in (
        "at least 28.0% are right on all photos of this kind, with 95% confidence: an exact "
        "binomial bound, corrected for the choice among 100 thresholds. Promised at 0.83.",
        "Dividing the scores by 1.438 (temperature scaling) changes the expected calibration error "
        "on the test photos from 8.2% to 3.1% and no answer.",
        "Of 50 photos of none of the classes 34.0% (22.4% to 47.8%) reach 0.51 and are answered",
        "accepting what has at least 3.25 lets through 95.0% of the test photos and 42.0% (29.4% "
        "to 55.8%) of the others.",
        "50 photos of other things were tested: see Threshold.",
    ):
        assert told in text
    assert "No photo of other things was tested." not in text
    listed = rows(replace(facts, threshold=full_threshold_document()))
    # 16 of 20 answered, 14 right; then 12, all right.
    assert ["recommended", "0.51", "80.0% (58.4% to 91.9%)", "87.5% (64.0% to 96.5%)", "no"] in (
        listed
    )
    assert ["guaranteed", "0.83", "60.0% (58.4% to 91.9%)", "100.0% (75.8% to 100.0%)", "yes"] in (
        listed
    )
    assert ["the largest score", "86.0%"] in listed


def test_a_class_without_a_threshold_of_its_own_is_told(facts):
    document = full_threshold_document()
    document["per_class"][ODD_NAMES[2]] = {
        "threshold": None, "coverage": None, "accept_accuracy": None, "n_accepted": 0,
    }  # fmt: skip
    listed = [row for row in rows(replace(facts, threshold=document)) if len(row) == 5]
    assert [ODD_NAMES[2], "none", "–", "–", "0"] in listed
    assert ["Schlüssel: it's 100 %", "0.40", "75.0%", "100.0%", "3"] in listed


def test_what_answers_no_photo_has_a_row_and_no_bound(facts):
    nothing = check_document(
        n_accepted=0, n_correct=0, accept_accuracy=None, accept_accuracy_interval=None,
        coverage=0.0, coverage_interval=[0.0, 0.161], kept=None,
    )  # fmt: skip
    document = threshold_document(
        accept_accuracy_lower_bound=None, test={"recommended": nothing, "guaranteed": None}
    )
    shown = replace(facts, threshold=document)
    assert ["recommended", "0.51", "0.0% (0.0% to 16.1%)", "–", "–"] in rows(shown)
    assert "None of those photos reaches the recommended threshold." in words(shown)


def test_the_limits_are_one_list(facts):
    limits = model_card(facts).partition("## Limits")[2].partition("##")[0]
    tokens = MarkdownIt().parse(limits)
    assert [t.type for t in tokens].count("bullet_list_open") == 1
    assert [t.type for t in tokens].count("list_item_open") == 5


def test_shares_are_written_in_one_way(facts):
    # As in README.md and in the notes: no space before the sign; ODD_NAMES has one of its own.
    assert re.findall(r"\d %", model_card(facts).replace("100 %", "")) == []


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("imagenet", "it began with ImageNet weights."),
        ("none", "it began with random weights."),
        ("my_*net*.h5", "it began with weights from my\\_\\*net\\*\\.h5."),
    ],
)
def test_it_tells_what_training_began_with(tmp_path, weights, told):
    assert told in words(facts_of(tmp_path, weights))


def test_lines_are_short_but_for_tables(facts):
    assert all(len(x) <= 100 for x in model_card(facts).splitlines() if not x.startswith("|"))
