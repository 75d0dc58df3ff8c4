"""The schemas take the bundle's documents and nothing that is otherwise."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edgedistill.artifacts import MODEL_METADATA, THRESHOLD
from edgedistill.calibrate.bundle.facts import read_facts
from edgedistill.calibrate.bundle.parity import PARITY
from tests.calibrate.bundle.model_folder import (
    ODD_NAMES,
    check_document,
    full_threshold_document,
    gate_document,
    scores_document,
    threshold_document,
    write_model_folder,
)

DOCUMENTS = {
    "model_metadata": ("model_metadata.json", MODEL_METADATA),
    "threshold_recommendation": ("threshold_recommendation.json", THRESHOLD),
    "parity": ("parity/parity.json", PARITY),
}
OPTIONAL: dict[tuple[str | int, ...], set[str]] = {
    ("model_metadata",): {"temperature", "do_not_ship"},
    ("threshold_recommendation",): {"temperature", "unknown", "per_class"},
    # A row a label: the schema cannot know which there are.
    ("threshold_recommendation", "per_class"): set(ODD_NAMES),
}
Step = str | int


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def validator(bundle: Path, name: str) -> Draft202012Validator:
    schema = read(bundle / "schemas" / f"{name}.schema.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def document(bundle: Path, name: str) -> Any:
    content = read(bundle / DOCUMENTS[name][0])
    if name == "parity":
        content["images"] = content["images"][:12]  # all are alike; fewer are refused
    return content


def places(value: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where each value is; of lists the first element only."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


def value_at(content: Any, at: tuple[Step, ...]) -> Any:
    for step in at:
        content = content[step]
    return content


def changed(content: Any, at: tuple[Step, ...], value: Any) -> Any:
    other = copy.deepcopy(content)
    value_at(other, at[:-1])[at[-1]] = value
    return other


def test_every_json_file_of_the_bundle_has_a_schema_and_fits_it(made_bundle):
    files = {p.relative_to(made_bundle).as_posix() for p in made_bundle.rglob("*.json")}
    documents = {file for file in files if not file.startswith("schemas/")}
    assert documents == {file for file, _ in DOCUMENTS.values()}
    for name, (file, _) in DOCUMENTS.items():
        validator(made_bundle, name).validate(read(made_bundle / file))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_keys_and_version_are_those_that_are_written(made_bundle, name):
    schema = read(made_bundle / "schemas" / f"{name}.schema.json")
    _, written = DOCUMENTS[name]
    optional = written.optional
    assert set(schema["required"]) == {*written.keys, "version"}
    assert set(schema["properties"]) == {*written.keys, *optional, "version"}
    assert schema["properties"]["version"]["const"] == written.version
    assert schema["$id"] == f"urn:edgedistill:schema:{name}:{written.version}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_missing_or_an_unknown_key_is_refused_at_every_depth(made_bundle, name):
    check, content = validator(made_bundle, name), document(made_bundle, name)
    n_objects = 0
    for at in places(content):
        inner = value_at(content, at)
        if isinstance(inner, dict):
            n_objects += 1
            optional = OPTIONAL.get((name, *at), set())
            for key in inner:
                without = copy.deepcopy(content)
                del value_at(without, at)[key]
                assert check.is_valid(without) == (key in optional), (*at, key)
            assert not check.is_valid(changed(content, (*at, "more"), 1)), at
    assert n_objects >= {"model_metadata": 11, "threshold_recommendation": 14, "parity": 13}[name]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_value_of_another_type_is_refused_everywhere(made_bundle, name):
    check, content = validator(made_bundle, name), document(made_bundle, name)
    others: tuple[Any, ...] = (True, "", [], {}, -7.5)
    for at in places(content):
        if at:
            value = value_at(content, at)
            for other in others:
                if type(other) is not type(value) or isinstance(value, (dict, list)):
                    assert not check.is_valid(changed(content, at, other)), (at, other)


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("model_metadata", ("input", "quantization", "scale"), 0),
        ("model_metadata", ("input", "quantization", "zero_point"), 256),
        ("model_metadata", ("output", "quantization", "zero_point"), -129),
        ("model_metadata", ("input", "dtype"), "float32"),
        ("model_metadata", ("input", "width"), 0),
        ("model_metadata", ("input", "channels"), 1),
        ("model_metadata", ("preprocess", "letterbox"), False),
        ("model_metadata", ("preprocess", "pad_color_rgb"), [0, 0, 127]),
        ("model_metadata", ("output", "is_logits"), False),
        ("model_metadata", ("tasks_model", "output", "quantization", "scale"), 0.0039),
        ("model_metadata", ("tasks_model", "output", "softmax_in_model"), False),
        ("model_metadata", ("tasks_model", "input", "dtype"), "int8"),
        ("model_metadata", ("estimated_latency", "milliseconds"), 0),
        ("model_metadata", ("estimated_latency", "threads"), 0),
        ("model_metadata", ("multiply_adds",), 0.5),
        ("model_metadata", ("size_bytes",), 0),
        ("model_metadata", ("sha256",), "A" * 64),
        ("model_metadata", ("sha256",), "a" * 63),
        ("model_metadata", ("version",), 1),
        ("model_metadata", ("temperature",), 0),
        ("model_metadata", ("do_not_ship",), []),
        ("threshold_recommendation", ("recommended_threshold",), 1.01),
        ("threshold_recommendation", ("recommended_threshold",), None),
        ("threshold_recommendation", ("test_coverage",), -0.01),
        ("threshold_recommendation", ("achieved_accept_accuracy",), 95),
        ("threshold_recommendation", ("selection_method",), "guessed"),
        ("threshold_recommendation", ("penalty_incorrect",), -1),
        ("threshold_recommendation", ("n_val",), 0),
        ("threshold_recommendation", ("grid_step",), 0),
        ("threshold_recommendation", ("chosen_on",), "test"),
        ("threshold_recommendation", ("confidence_level",), 0.9),
        ("threshold_recommendation", ("guarantee", "photos_missing"), 0),
        ("threshold_recommendation", ("test", "recommended", "coverage_interval"), [0.5]),
        ("threshold_recommendation", ("test", "recommended", "kept"), 1),
        ("threshold_recommendation", ("temperature", "value"), 0),
        ("threshold_recommendation", ("unknown", "best_score"), "margin"),
        ("threshold_recommendation", ("unknown", "n_photos"), 0),
        ("threshold_recommendation", ("per_class", ODD_NAMES[0], "threshold"), 1.5),
        ("threshold_recommendation", ("version",), 1),
        ("parity", ("input", "shape"), [16, 16]),
        ("parity", ("input", "shape"), [3, 16, 16]),
        ("parity", ("input", "shape"), [16, 16, 3, 1]),
        ("parity", ("output", "shape"), []),
        ("parity", ("output", "dtype"), "uint8"),
        ("parity", ("images", 0, "orientation"), 9),
        ("parity", ("images", 0, "top_class"), -1),
        ("parity", ("images", 0, "files", "source", "file"), "../x.jpg"),
        ("parity", ("images", 0, "files", "source", "size_bytes"), 0),
        ("parity", ("images",), []),
        ("parity", ("logits_tolerance_steps",), -1),
    ],
)
def test_a_value_out_of_its_range_is_refused(made_bundle, name, at, value):
    check, content = validator(made_bundle, name), document(made_bundle, name)
    check.validate(content)
    assert not check.is_valid(changed(content, at, value))


def test_a_threshold_that_answers_nothing_fits(made_bundle, tmp_path):
    nothing = check_document(
        n_accepted=0, n_correct=0, accept_accuracy=None, accept_accuracy_interval=None, kept=None
    )
    none = threshold_document(
        achieved_accept_accuracy=None,
        accept_accuracy_lower_bound=None,
        test_accept_accuracy=None,
        test={"recommended": nothing, "guaranteed": None},
    )
    path = THRESHOLD.write(tmp_path, none)
    validator(made_bundle, "threshold_recommendation").validate(read(path))


def test_a_class_without_a_threshold_and_no_number_that_would_do_fit(made_bundle, tmp_path):
    document = full_threshold_document()
    document["per_class"][ODD_NAMES[0]] = {
        "threshold": None, "coverage": None, "accept_accuracy": None, "n_accepted": 0,
    }  # fmt: skip
    document["guarantee"]["photos_missing"] = None
    path = THRESHOLD.write(tmp_path, document)
    validator(made_bundle, "threshold_recommendation").validate(read(path))


def test_a_model_that_must_not_ship_fits(made_bundle, tmp_path):
    tflite = write_model_folder(tmp_path / "tflite")
    document = threshold_document()
    facts = read_facts(tflite, document, scores_document(), gate_document("It is bad."), "1")
    path = MODEL_METADATA.write(tmp_path, facts.metadata)
    assert read(path)["do_not_ship"] == ["It is bad."]
    validator(made_bundle, "model_metadata").validate(read(path))


def test_a_file_that_takes_uint8_fits(made_bundle, tmp_path):
    folder = write_model_folder(tmp_path / "tflite", input_type="uint8")
    validator(made_bundle, "model_metadata").validate(read(folder / "model_metadata.json"))


def test_no_schema_names_a_web_address_of_ours(made_bundle):
    for path in (made_bundle / "schemas").iterdir():
        rest = path.read_text(encoding="utf-8").replace(
            "https://json-schema.org/draft/2020-12/schema", ""
        )
        assert "http" not in rest
