import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from edgedistill.calibrate.bundle.app_readme import app_readme
from edgedistill.calibrate.bundle.facts import BundleFacts, read_facts
from tests.calibrate.bundle.model_folder import (
    full_threshold_document,
    gate_document,
    scores_document,
    threshold_document,
    write_model_folder,
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> BundleFacts:
    return facts_of(tmp_path_factory.mktemp("facts"))


def facts_of(folder: Path, **changed: Any) -> BundleFacts:
    tflite = write_model_folder(folder / "tflite", **changed)
    return read_facts(tflite, threshold_document(), scores_document(), gate_document(), "3.1")


def with_input(facts: BundleFacts, **quantization: Any) -> BundleFacts:
    entry = {**facts.metadata["input"], "quantization": quantization}
    return replace(facts, metadata={**facts.metadata, "input": entry})


def words(text: str) -> str:
    """The text without its ends of lines."""
    return " ".join(text.split())


def test_it_has_this_models_numbers(facts):
    text = words(app_readme(facts))
    for number in (
        "5 classes, version 3.1",
        "Letterbox to 16 × 16",
        "int8 1 × 16 × 16 × 3",
        "uint8 1 × 16 × 16 × 3",
        "(q - (-20)) * 0.125",
        "`q * 0.00390625`",
        "at least **0.51**",
        "MediaPipe Tasks leaves out what is below 0.51, and an empty list",
        "On 20 photos kept for testing, 80.0% are answered, and 87.5% of those",
        "About 9.1 ms a photo on a Pixel 4 class CPU with 4 threads",
        "An estimate, not a measurement",
        "631 million multiply-adds",
    ):
        assert number in text


def test_it_is_under_two_pages(facts):
    # A page holds some 450 words.
    full = replace(facts, threshold=full_threshold_document())
    assert len(app_readme(full).split()) <= 900
    assert len(app_readme(facts).split()) < len(app_readme(full).split())


def test_lines_are_short_but_for_tables(facts):
    assert all(len(x) <= 100 for x in app_readme(facts).splitlines() if not x.startswith("|"))


def test_what_may_take_the_thresholds_place_is_told(facts):
    text = words(app_readme(replace(facts, threshold=full_threshold_document())))
    for told in (
        "**Promised**: from **0.83** on at least 95.0% of answers right on all photos like those "
        "counted, with 95% confidence; 50.0% are answered.",
        "scores divided by 1.438 before softmax come closer to it. No threshold here is for such",
        "34.0% of 50 are answered. What tells them best is the energy (the logarithm of the sum of "
        "`exp(score)` over all classes), from 3.25 on: 42.0%.",
        "**For each class** by itself: `per_class`.",
    ):
        assert told in text


def test_a_promise_that_cannot_be_made_is_told(facts):
    text = words(app_readme(facts))
    assert "**Promised**: none; the photos counted are too few to promise 95.0%" in text
    for absent in ("Confidence as a chance", "something else**", "For each class"):
        assert absent not in text


def test_sizes_are_those_of_the_files(facts):
    sizes = {"model_qat_int8.tflite": 4_901_680, "model_tasks.tflite": 4_912_345}
    text = app_readme(replace(facts, sizes=sizes))
    assert "`model_qat_int8.tflite` (4.90 MB)" in text
    assert "`model_tasks.tflite` (4.91 MB)" in text


def test_int8_is_filled_with_the_byte_minus_128(facts):
    assert "Each value is the byte minus 128" in words(app_readme(facts))


def test_uint8_is_filled_with_the_bytes(tmp_path):
    text = words(app_readme(facts_of(tmp_path, input_type="uint8")))
    assert "3. **Fill the input.** The input takes the bytes as they are" in text


def test_another_range_is_told_with_its_limits(facts):
    text = words(app_readme(with_input(facts, scale=0.9, zero_point=-128)))
    assert "`round(byte / 0.9) + (-128)`, kept within -128 to 127." in text


def test_a_threshold_that_answers_no_test_photo_is_told(facts):
    nothing = threshold_document(test_accept_accuracy=None, test_coverage=0.0)
    text = words(app_readme(replace(facts, threshold=nothing)))
    assert "On 20 photos kept for testing, none is answered." in text


def test_a_threshold_of_0_is_told_as_answering_every_photo(facts):
    everything = threshold_document(recommended_threshold=0.0, test_coverage=1.0)
    text = words(app_readme(replace(facts, threshold=everything)))
    assert "however small it is" in text
    assert "Show the line of `labels.txt` that has the largest confidence" in text
    assert "The threshold is **0.00**: every photo is answered." in text
    assert "leaves out nothing" in text
    for word in ("unknown", "at least **", "below 0.00", "near the threshold"):
        assert word not in text


def test_the_smallest_threshold_above_0_is_told_as_a_threshold(facts):
    least = replace(facts, threshold=threshold_document(recommended_threshold=0.01))
    text = words(app_readme(least))
    assert 'is at least **0.01**, show its line of `labels.txt`; otherwise "unknown"' in text
    assert "every photo is answered" not in text


def test_it_says_which_name_a_dump_of_either_input_has(facts):
    text = words(app_readme(facts))
    assert "as `<name>.raw` if it feeds `model_qat_int8.tflite`" in text
    assert "as `<name>.tasks.raw` if `model_tasks.tflite`" in text
    assert "save the square that you hand over, as uint8 red, green, blue" in text


def test_it_says_that_colour_profiles_are_not_applied(facts):
    first_step = words(app_readme(facts)).partition("2. **Letterbox")[0]
    assert "Do not apply colour profiles" in first_step


def test_it_says_that_mediapipe_stretches_and_what_to_do(facts):
    text = words(app_readme(facts))
    assert "**MediaPipe Tasks and ML Kit stretch** what they are given to 16 × 16" in text
    assert "pad the photo with black to a square first" in text


def test_every_file_of_the_bundle_is_named(facts, made_bundle):
    text = app_readme(facts)
    for path in made_bundle.iterdir():
        assert path.name == "README.md" or path.name in text


def test_every_file_that_it_names_is_in_the_bundle(facts, made_bundle):
    named = re.findall(r"`([\w/]+\.\w+|\w+/)`", app_readme(facts))
    assert "snippets/classify.py" in named
    assert [name for name in named if not (made_bundle / name).exists()] == []


def test_the_steps_are_one_list_of_seven(facts):
    steps, _, _ = app_readme(facts).partition("## Other thresholds")
    tokens = MarkdownIt().parse(steps)
    assert [t.type for t in tokens].count("ordered_list_open") == 1
    assert [t.type for t in tokens].count("bullet_list_open") == 0
    assert [t.type for t in tokens].count("list_item_open") == 7


def test_the_lines_of_a_step_stand_below_its_text(facts):
    lines = app_readme(facts).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("1. "))
    end = lines.index("", first)
    assert end - first > 7
    assert all(line.startswith("   ") or line[1:3] == ". " for line in lines[first:end])
