"""What is read of a compiled pipeline."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler, dsl

from edgedistill.errors import SettingError
from edgedistill.server.compiled import CompiledPipeline
from tests.server.conftest import SMALL_PIPELINE

REPOSITORY = Path(__file__).parents[2]
COMPILED = sorted((REPOSITORY / "manifests").glob("pipeline*.yaml"))


def test_comments_order_and_way_of_writing_do_not_change_the_digest(
    compiled_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    documents = list(yaml.safe_load_all(SMALL_PIPELINE))
    documents[0] = dict(reversed(documents[0].items()))
    other.write_text("# other\n" + yaml.safe_dump_all(documents, sort_keys=False, width=40))
    assert other.read_bytes() != compiled_file.read_bytes()
    assert CompiledPipeline.read(other).digest == CompiledPipeline.read(compiled_file).digest


@pytest.mark.parametrize(
    ("before", "after"),
    [("edgedistill-train:0.1.0", "edgedistill-train:0.1.1"), ("42.0", "43.0"),
     ("registry", "other"), ("qat: {defaultValue: true", "qat: {defaultValue: 1")],
    ids=["image", "default", "kubernetes", "type"],
)  # fmt: skip
def test_each_part_of_the_content_changes_the_digest(
    before: str, after: str, compiled_file: Path
) -> None:
    digest = CompiledPipeline.read(compiled_file).digest
    compiled_file.write_text(SMALL_PIPELINE.replace(before, after))
    assert CompiledPipeline.read(compiled_file).digest != digest


def test_the_digest_is_the_sha256_of_the_sorted_json_of_both_documents() -> None:
    compiled = CompiledPipeline({"b": 2.0, "a": [1.5]}, {})
    expected = hashlib.sha256(b'[{"a":[1.5],"b":2},{}]').hexdigest()
    assert compiled.digest == expected


def test_a_server_that_gives_both_documents_under_names_gives_the_same_digest(
    compiled_file: Path,
) -> None:
    pipeline, platform = yaml.safe_load_all(SMALL_PIPELINE)
    of_server = CompiledPipeline.of_server({"pipeline_spec": pipeline, "platform_spec": platform})
    assert of_server.digest == CompiledPipeline.read(compiled_file).digest
    assert CompiledPipeline.of_server(pipeline).parameters == of_server.parameters


def test_tasks_of_inner_graphs_have_the_names_that_the_dashboard_shows(compiled_file: Path) -> None:
    titles = CompiledPipeline.read(compiled_file).task_titles
    assert titles == {"inner": "Inner", "teach": "Teacher"}


def test_caching_is_switched_in_inner_graphs_too_and_the_original_stays(
    compiled_file: Path,
) -> None:
    compiled = CompiledPipeline.read(compiled_file)
    off, on = compiled.with_caching(False), compiled.with_caching(True)
    inner = "components", "comp-inner", "dag", "tasks", "teach", "cachingOptions"
    outer = "root", "dag", "tasks", "inner", "cachingOptions"

    def at(tree: Any, path: tuple[str, ...]) -> Any:
        for key in path:
            tree = tree[key]
        return tree

    assert at(off.pipeline, inner) == at(off.pipeline, outer) == {}
    assert at(on.pipeline, inner) == at(on.pipeline, outer) == {"enableCache": True}
    assert at(compiled.pipeline, inner) == {"enableCache": True}


def test_what_is_written_again_has_the_same_content(compiled_file: Path, tmp_path: Path) -> None:
    compiled = CompiledPipeline.read(compiled_file)
    again = tmp_path / "again.yaml"
    again.write_text(compiled.yaml(), encoding="utf-8")
    assert CompiledPipeline.read(again) == compiled


@pytest.mark.parametrize("path", COMPILED, ids=lambda p: p.name)
def test_our_own_compiled_files_are_read_whole(path: Path) -> None:
    compiled = CompiledPipeline.read(path)
    assert compiled.name.startswith("edgedistill")
    assert {"data_dir", "epochs_teacher", "qat"} <= compiled.parameters.keys()
    assert {"Photos", "Teacher", "Student"} <= set(compiled.task_titles.values())


def test_what_kfp_compiles_of_anybody_is_read(tmp_path: Path) -> None:
    @dsl.component(base_image="python:3.11")
    def add(a: int, b: float = 0.5) -> float:
        return a + b

    compiler.Compiler().compile(add, str(tmp_path / "add.yaml"))
    parameters = CompiledPipeline.read(tmp_path / "add.yaml").parameters
    assert {n: (p.type, p.default) for n, p in parameters.items()} == {
        "a": ("NUMBER_INTEGER", None), "b": ("NUMBER_DOUBLE", 0.5),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("a.yml", SMALL_PIPELINE, "must end in .yaml"),
     ("missing.yaml", None, "cannot be read: No such file or directory"),
     ("a.yaml", "a: [1", "is no YAML"),
     ("a.yaml", "- 1\n", "is no compiled pipeline"),
     ("a.yaml", "name: x\nimplementation: {}\n", "is no compiled pipeline"),
     ("a.yaml", SMALL_PIPELINE + "---\na: 1\n", "is no compiled pipeline"),
     ("a.yaml", "", "is no compiled pipeline"),
     ("a.yaml", "\xff\xfe\x00", "is no ")],
)  # fmt: skip
def test_what_is_no_compiled_file_is_refused_in_one_sentence(
    name: str, content: str | None, says: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="latin-1")
    with pytest.raises(SettingError, match="pipeline_file") as refused:
        CompiledPipeline.read(tmp_path / name)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_larger_than_a_server_takes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(32_000_001)
    with pytest.raises(SettingError, match="32 MB"):
        CompiledPipeline.read(path)
