"""Publishing: what is uploaded, and what is not."""

from pathlib import Path

import pytest
import yaml

from edgedistill.errors import ServerError, SettingError
from edgedistill.server.compiled import CompiledPipeline
from edgedistill.server.publishing import Publication, publish
from tests.server.conftest import SMALL_PIPELINE, Connect
from tests.server.stand_in import Fault, StandIn

UPLOAD = "POST .*/upload_version"


def put(connect: Connect, path: Path, version: str = "", namespace: str = "team") -> Publication:
    return publish(connect(namespace), path, CompiledPipeline.read(path), "photos", version)


def test_the_first_upload_makes_pipeline_and_version_of_the_very_file(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    there = put(connect, compiled_file)
    digest = CompiledPipeline.read(compiled_file).digest
    (pipeline,), (version,), (upload,) = server.pipelines, server.versions, server.sent(UPLOAD)
    assert (pipeline["display_name"], pipeline["namespace"]) == ("photos", "team")
    assert there == Publication(
        pipeline["pipeline_id"], version["pipeline_version_id"], f"photos-{digest[:12]}", True, ""
    )
    assert upload.file == compiled_file.read_bytes()
    assert list(yaml.safe_load_all(upload.file)) == list(yaml.safe_load_all(SMALL_PIPELINE))
    assert upload.file_name == "small.yaml"
    assert f"sha256:{digest}" in version["description"]


def test_the_same_content_again_sends_nothing(
    server: StandIn, connect: Connect, compiled_file: Path, tmp_path: Path
) -> None:
    first = put(connect, compiled_file)
    other = tmp_path / "reformatted.yaml"
    other.write_text("# a comment\n" + SMALL_PIPELINE)
    again = put(connect, other)
    assert (again.version_id, again.uploaded) == (first.version_id, False)
    assert len(server.sent("POST")) == 2  # the first time's pipeline and version


def test_other_content_is_a_new_version_of_the_same_pipeline(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    first = put(connect, compiled_file)
    compiled_file.write_text(SMALL_PIPELINE.replace("0.1.0", "0.2.0"))
    second = put(connect, compiled_file)
    assert second.uploaded
    assert second.pipeline_id == first.pipeline_id
    assert second.version_name != first.version_name
    assert [b"0.2.0" in f for f in server.files.values()] == [False, True]
    # The first content again: it is there, though it is not what "the newest" would run.
    compiled_file.write_text(SMALL_PIPELINE)
    third = put(connect, compiled_file)
    assert (third.version_id, third.uploaded) == (first.version_id, False)
    assert third.newest == second.version_name


def test_a_version_that_is_named_is_there_afterwards_under_that_name(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    put(connect, compiled_file)
    named = put(connect, compiled_file, "v1")
    assert (named.version_name, named.uploaded) == ("v1", True)
    assert not put(connect, compiled_file, "v1").uploaded
    assert len(server.versions) == 2


def test_a_version_of_that_name_with_other_content_is_refused(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    put(connect, compiled_file, "v1")
    compiled_file.write_text(SMALL_PIPELINE.replace("0.1.0", "0.2.0"))
    with pytest.raises(SettingError, match="version v1 is there with other content"):
        put(connect, compiled_file, "v1")
    assert len(server.sent(UPLOAD)) == 1


def test_a_version_that_somebody_uploaded_in_the_dashboard_is_judged_by_its_content(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    pipeline = server.add_pipeline("photos", "team")
    server.add_version(pipeline["pipeline_id"], "by hand", compiled_file.read_bytes())
    there = put(connect, compiled_file)
    assert (there.version_name, there.uploaded) == ("by hand", False)
    compiled_file.write_text(SMALL_PIPELINE.replace("0.1.0", "0.2.0"))
    with pytest.raises(SettingError, match="other content"):
        put(connect, compiled_file, "by hand")


def test_what_we_uploaded_is_known_by_its_description_however_a_server_writes_it_back(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    put(connect, compiled_file)
    del server.versions[0]["pipeline_spec"]["pipeline_spec"]["sdkVersion"]
    assert not put(connect, compiled_file).uploaded


def test_the_same_name_in_another_namespace_is_another_pipeline(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.add_pipeline("photos", "")  # the shared one, which kfp's own look-up would find
    put(connect, compiled_file, namespace="team")
    put(connect, compiled_file, namespace="other")
    assert sorted(p["namespace"] for p in server.pipelines) == ["", "other", "team"]
    assert len({v["pipeline_id"] for v in server.versions}) == 2


def test_a_server_of_one_user_is_published_to_without_a_namespace(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.multi_user = False
    assert put(connect, compiled_file).uploaded
    assert not put(connect, compiled_file).uploaded
    assert not any(r.query.get("namespace") for r in server.requests)
    assert "namespace" not in server.sent("POST .*/pipelines$")[0].body


@pytest.mark.parametrize("same_content", [True, False])
def test_whoever_loses_the_race_for_a_version_looks_again_and_judges(
    same_content: bool, server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    theirs = compiled_file.read_bytes()
    if not same_content:
        theirs = theirs.replace(b"0.1.0", b"0.2.0")

    def other_is_faster() -> None:
        server.add_version(server.pipelines[0]["pipeline_id"], "v1", theirs)

    # Served after the other's upload, as if it came between our look and our own upload.
    server.faults = [Fault(UPLOAD, status=200, body="", do_first=other_is_faster)]
    if same_content:
        assert not put(connect, compiled_file, "v1").uploaded
    else:
        with pytest.raises(SettingError, match="other content"):
            put(connect, compiled_file, "v1")
    assert len(server.sent(UPLOAD)) == 1
    assert server.files["version-0002"] == theirs


def test_whoever_loses_the_race_for_the_pipeline_uses_the_winners(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.faults = [
        Fault("POST .*/pipelines$", status=200, body="",
              do_first=lambda: server.add_pipeline("photos", "team"))
    ]  # fmt: skip
    there = put(connect, compiled_file)
    assert len(server.pipelines) == 1
    assert there.pipeline_id == server.pipelines[0]["pipeline_id"]


def test_a_pipeline_that_is_there_but_hidden_ends_in_a_sentence(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.faults = [Fault("POST .*/pipelines$", times=9, status=409, body="{}")]
    with pytest.raises(ServerError, match="does not list it in namespace team"):
        put(connect, compiled_file)


def test_an_upload_whose_answer_was_lost_is_not_made_twice(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.faults = [Fault(UPLOAD, after=True)]  # done, then 503
    there = put(connect, compiled_file)
    assert there.version_id == server.versions[0]["pipeline_version_id"]
    assert len(server.versions) == 1


def test_503_at_the_upload_is_recovered_from_with_the_whole_file(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.faults = [Fault(UPLOAD, times=2)]
    assert put(connect, compiled_file).uploaded
    sent = server.sent(UPLOAD)
    assert [r.file for r in sent] == [compiled_file.read_bytes()] * 3


def test_what_the_server_refuses_is_told_in_its_words(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    compiled_file.write_text(SMALL_PIPELINE.replace("schemaVersion", "schemaVersionn"))
    with pytest.raises(
        ServerError, match=r"cannot take version .*pipeline spec is invalid.*schemaV"
    ):
        put(connect, compiled_file)


def test_a_server_older_than_the_file_is_told_with_the_field_and_what_to_do(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.unknown_fields = ("taskInfo",)
    with pytest.raises(ServerError, match="does not know the field taskInfo") as refused:
        put(connect, compiled_file)
    assert "older than the kfp that compiled the file" in str(refused.value)
    assert "updated" in str(refused.value)
    # When it has been updated, the same command goes through.
    server.unknown_fields = ()
    assert put(connect, compiled_file).uploaded


def test_an_older_server_that_does_not_name_the_field_is_recognised_too(
    server: StandIn, connect: Connect, compiled_file: Path
) -> None:
    server.unknown_fields, server.names_fields = ("taskInfo",), False
    with pytest.raises(ServerError, match="does not say which field") as refused:
        put(connect, compiled_file)
    assert "unknown template format" in str(refused.value)
