"""Saved states: two whole ones, whatever happens, and only to the training that they belong to."""

import logging
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgedistill import checkpoint_file, checkpoints
from edgedistill.checkpoints import Checkpoints, check_place, checkpoints_for
from edgedistill.errors import ArtifactError, StorageError
from edgedistill.storage import buckets
from tests.small_disk import on_a_small_disk
from tests.storage.servers import Bucket, Cut, CutRequest, answer, behind

IDENTITY: dict[str, str | int | float | bool] = {"lr_student": 1e-3, "seed": 42, "data": "5f3a"}
BUSY = answer("503 Service Unavailable", "busy")
DENIED = {
    "gs": answer("403 Forbidden", '{"error": {"code": 403, "message": "no"}}', "application/json"),
    "s3": answer("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>", "application/xml"),
}


def kept(place: Path | str, identity=IDENTITY) -> Checkpoints:
    return Checkpoints(str(place), identity)


def save(to: Checkpoints, epoch: int, n: int = 1000) -> None:
    to.save({"kernel": np.full((n,), epoch, np.float32), "step": np.array(epoch)}, {"epoch": epoch})


def epoch_of(found: Checkpoints) -> int | None:
    """The epoch of the state that is found, which must be whole."""
    checkpoint = found.latest()
    if checkpoint is None:
        return None
    epoch: int = checkpoint.progress["epoch"]
    assert set(checkpoint.arrays) == {"kernel", "step"}
    assert (checkpoint.arrays["kernel"] == epoch).all()
    assert checkpoint.arrays["step"] == epoch
    return epoch


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "states" / "student"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(buckets, "_LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(buckets, "RETRY_FOR_S", 0.5)


def test_nothing_is_there_before_the_first_state(place):
    assert kept(place).latest() is None
    assert not place.exists()


def test_two_are_kept_and_the_newest_is_found(place):
    states = kept(place)
    for epoch in range(5):
        save(states, epoch)
        assert epoch_of(states) == epoch
    assert names(place) == ["checkpoint-00000004.ckpt", "checkpoint-00000005.ckpt"]


def test_a_saved_state_is_no_news(place, bucket, caplog):
    caplog.set_level(logging.INFO, "edgedistill")
    for where in (place, f"{bucket.address}/states"):
        save(kept(where), 0)
        assert epoch_of(kept(where)) == 0
    assert caplog.messages == []


def test_a_later_run_goes_on_with_the_numbers(place):
    save(kept(place), 0)
    save(kept(place), 1)
    save(kept(place), 2)
    assert names(place) == ["checkpoint-00000002.ckpt", "checkpoint-00000003.ckpt"]


def test_numbers_are_compared_as_numbers(place):
    states = kept(place)
    save(states, 0)
    (place / "checkpoint-00000001.ckpt").rename(place / "checkpoint-00000099.ckpt")
    save(states, 1)
    assert names(place)[-1] == "checkpoint-00000100.ckpt"
    assert epoch_of(states) == 1


def test_a_damaged_one_is_named_and_the_one_before_it_used(place, caplog):
    states = kept(place)
    for epoch in range(3):
        save(states, epoch)
    spoil(place / "checkpoint-00000003.ckpt")
    assert epoch_of(kept(place)) == 1
    assert caplog.messages == [
        f"{place}/checkpoint-00000003.ckpt is damaged, and left out: its bytes do not have the "
        "SHA-256 they were written with"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_damaged_one_does_not_take_the_place_of_a_whole_one(place):
    for epoch in range(2):
        save(kept(place), epoch)
    spoil(place / "checkpoint-00000002.ckpt")
    states = kept(place)
    assert epoch_of(states) == 0
    save(states, 1)
    assert names(place) == ["checkpoint-00000001.ckpt", "checkpoint-00000003.ckpt"]
    spoil(place / "checkpoint-00000003.ckpt")
    assert epoch_of(kept(place)) == 0


def test_damaged_ones_alone_are_no_new_beginning(place):
    for epoch in range(2):
        save(kept(place), epoch)
    (place / "checkpoint-00000001.ckpt").write_bytes(b"")
    spoil(place / "checkpoint-00000002.ckpt")
    with pytest.raises(ArtifactError) as said:
        kept(place).latest()
    assert str(said.value) == (
        f"{place} holds damaged checkpoints only (checkpoint-00000001.ckpt, "
        "checkpoint-00000002.ckpt): delete them to begin anew."
    )
    shutil.rmtree(place)
    assert kept(place).latest() is None


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({**IDENTITY, "lr_student": 2e-3}, "with lr_student 0.001, not 0.002"),
        ({**IDENTITY, "data": "77", "seed": 1}, "with seed 42, not 1"),
        ({"seed": 42, "data": "5f3a"}, "with lr_student 0.001, not without it"),
        ({**IDENTITY, "xla": "on"}, "without xla, not with xla on"),
    ],
)
def test_a_state_of_another_training_is_refused_by_name(place, other, difference):
    save(kept(place), 0)
    before = names(place)
    with pytest.raises(ArtifactError) as said:
        kept(place, other).latest()
    assert str(said.value) == (
        f"{place} holds a training {difference}: choose another checkpoint_uri, or delete it."
    )
    assert names(place) == before


def test_the_order_of_what_must_agree_does_not_matter(place):
    save(kept(place), 0)
    assert epoch_of(kept(place, dict(reversed(IDENTITY.items())))) == 0


def test_another_version_is_refused_whatever_else_it_says(place, monkeypatch):
    save(kept(place), 0)
    monkeypatch.setattr(checkpoint_file, "VERSION", 2)
    save(kept(place), 1)
    with pytest.raises(ArtifactError) as said:
        kept(place).latest()
    assert str(said.value) == (
        f"{place}/checkpoint-00000002.ckpt must have version 1; got 2: choose another "
        "checkpoint_uri, or delete it."
    )


def test_other_files_in_the_folder_are_left_alone(place):
    place.mkdir(parents=True)
    others = ["checkpoint-1.ckpt", "checkpoint-00000007.ckpt.bak", "notes.txt", ".hidden.part"]
    for name in others:
        (place / name).write_text("mine", encoding="utf-8")
    states = kept(place)
    assert states.latest() is None
    for epoch in range(3):
        save(states, epoch)
    assert names(place) == sorted([*others, "checkpoint-00000002.ckpt", "checkpoint-00000003.ckpt"])


def test_what_a_killed_run_left_half_written_goes_with_the_next_state(place):
    place.mkdir(parents=True)
    (place / f".{'0af1' * 4}.part").write_bytes(bytes(1000))
    save(kept(place), 0)
    assert names(place) == ["checkpoint-00000001.ckpt"]


def test_a_run_that_still_saves_is_not_disturbed(place, tmp_path):
    # As where a pod is started while the one before it uses its time to end.
    states, late = kept(place), kept(place)
    save(states, 0)
    add = late._shelf.add

    def add_late(name, write, *, size_bytes):
        def write_late(sink):
            write(sink)
            save(states, 1)  # takes the name, and tidies

        add(name, write_late if name.endswith("2.ckpt") else write, size_bytes=size_bytes)

    late._shelf.add = add_late  # type: ignore[method-assign]
    save(late, 1)
    assert names(place) == ["checkpoint-00000002.ckpt", "checkpoint-00000003.ckpt"]
    assert epoch_of(kept(place)) == 1


@pytest.mark.parametrize("what", ["file", "link to nothing"])
def test_where_no_folder_can_be_is_one_sentence(place, what):
    place.parent.mkdir()
    if what == "file":
        place.touch()
    else:
        place.symlink_to("nothing")
    with pytest.raises(StorageError, match=re.escape(str(place))):
        save(kept(place), 0)


@pytest.mark.parametrize("place", ["states", "http://host/x", "gs:/b/x", ""])
def test_another_kind_of_place_is_refused(place):
    with pytest.raises(StorageError, match="must be"):
        kept(place)


# Killed, and full


# Forks from a process without threads; killed after a time by chance, mostly while it saves.
KILL = """
import os, random, signal, sys, time
import numpy as np
from edgedistill.checkpoints import Checkpoints

place, n_times = sys.argv[1], int(sys.argv[2])
chance = random.Random(7)
ARRAYS = np.zeros(50_000, np.float32)
n_mid_save = n_saved = 0
last = -1
for _ in range(n_times):
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        states = Checkpoints(place, {"seed": 1})
        epoch = last
        while True:
            epoch += 1
            os.write(tell, b"<")
            states.save({"a": ARRAYS + epoch}, {"epoch": epoch})
            os.write(tell, b">")
    os.close(tell)
    said = os.read(told, 1)
    n_saves = chance.randrange(3)
    while said.count(b">") < n_saves:
        said += os.read(told, 1)
    time.sleep(chance.uniform(0, 0.005))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(told, 65536):
        said += data
    os.close(told)
    acknowledged = last + said.count(b">")
    found = Checkpoints(place, {"seed": 1}).latest()
    epoch = -1 if found is None else found.progress["epoch"]
    mid_save = said.endswith(b"<")
    assert epoch in {acknowledged, acknowledged + mid_save}, (epoch, acknowledged, said)
    assert found is None or (found.arrays["a"] == epoch).all()
    n_mid_save += mid_save
    n_saved += acknowledged - last
    last = epoch
print(n_mid_save, n_saved)
"""


def test_a_process_that_is_killed_at_any_moment_leaves_its_last_state(place):
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(place), "30"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    n_mid_save, n_saved = map(int, done.stdout.split())
    assert n_mid_save > 5
    assert n_saved > 5
    states = Checkpoints(str(place), {"seed": 1})
    found = states.latest()
    assert found is not None
    states.save(found.arrays, found.progress)
    assert len(names(place)) == 2  # nothing of the thirty is left


SAVE = """
import sys
import numpy as np
from edgedistill.checkpoints import Checkpoints
from edgedistill.errors import StorageError

states = Checkpoints(sys.argv[1], {"lr_student": 1e-3, "seed": 42, "data": "5f3a"})
for epoch in range(int(sys.argv[2])):
    n = 1000 if epoch < 2 else 50_000
    arrays = {"kernel": np.full(n, epoch, np.float32), "step": np.array(epoch)}
    try:
        states.save(arrays, {"epoch": epoch})
    except StorageError as error:
        print(error)
"""


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_limit_on_files_is_one_sentence_and_the_earlier_states_stay(place):
    command = [sys.executable, "-c", SAVE, str(place), "3"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_files)
    assert done.stderr == ""
    assert done.stdout == (f"{place}/checkpoint-00000003.ckpt cannot be written: File too large.\n")
    assert names(place) == ["checkpoint-00000001.ckpt", "checkpoint-00000002.ckpt"]
    assert epoch_of(kept(place)) == 1


def test_a_full_disk_is_one_sentence_and_the_earlier_states_stay(place):
    assert on_a_small_disk(place, 100, SAVE, str(place), "3") == [
        f"{place}/checkpoint-00000003.ckpt cannot be written: 0.2 MB find no room there; free "
        "some space, or write to another place.",
        "--",
        "checkpoint-00000001.ckpt",
        "checkpoint-00000002.ckpt",
    ]


# In a bucket


def objects(bucket: Bucket) -> list[str]:
    if bucket.server.scheme == "gs":
        return sorted(b.name for b in bucket.server.client.bucket(bucket.name).list_blobs())
    listed = bucket.server.client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return sorted(entry["Key"] for entry in listed)


def test_two_are_kept_in_a_bucket_too(bucket):
    place = f"{bucket.address}/runs/student"
    assert kept(place).latest() is None
    for epoch in range(4):
        save(kept(place), epoch)
    assert objects(bucket) == [
        "runs/student/checkpoint-00000003.ckpt",
        "runs/student/checkpoint-00000004.ckpt",
    ]
    assert epoch_of(kept(place)) == 3


def test_a_damaged_object_is_left_out_and_another_training_refused(bucket, caplog):
    place = f"{bucket.address}/student"
    for epoch in range(2):
        save(kept(place), epoch)
    bucket.put("student/checkpoint-00000002.ckpt", bytes(5000))
    assert epoch_of(kept(place)) == 0
    assert f"{place}/checkpoint-00000002.ckpt is damaged" in caplog.messages[0]
    with pytest.raises(ArtifactError, match=re.escape(f"{place} holds a training with seed 42,")):
        kept(place, {**IDENTITY, "seed": 1}).latest()


def test_a_bucket_that_goes_away_leaves_the_earlier_states_and_may_come_back(
    bucket, monkeypatch, impatient
):
    place = f"{bucket.address}/student"
    with behind(monkeypatch, bucket) as proxy:
        states = kept(place)
        for epoch in range(2):
            save(states, epoch)
        before = objects(bucket)
        for fault in (CutRequest(50_000), BUSY):
            proxy.begin(then=fault)
            with pytest.raises(StorageError, match="failed again and again") as said:
                save(states, 2, n=100_000)
            assert "\n" not in str(said.value)
            assert objects(bucket) == before
            proxy.begin()
            assert epoch_of(kept(place)) == 1
        save(states, 2)
        assert epoch_of(states) == 2
        assert len(objects(bucket)) == 2


def test_a_connection_that_breaks_is_not_the_end_of_it(bucket, monkeypatch, impatient):
    place = f"{bucket.address}/student"
    faults = [CutRequest(50_000), BUSY, Cut(100)]
    with behind(monkeypatch, bucket, *faults, None, *faults):
        save(kept(place), 0, n=100_000)
    with behind(monkeypatch, bucket, None, Cut(200_000), Cut(100_000), Cut(100_000)) as proxy:
        checkpoint = kept(place).latest()
        assert checkpoint is not None
        assert (checkpoint.arrays["kernel"] == np.zeros(100_000)).all()
        assert proxy.n_bytes < 420_000  # 400 kB of content, once


def test_states_that_may_not_be_removed_are_said_and_stay(gcs, monkeypatch, caplog):
    bucket = gcs.new_bucket()
    place = f"{bucket.address}/student"
    with behind(monkeypatch, bucket) as proxy:
        states = kept(place)
        for epoch in range(2):
            save(states, epoch)
        deletes = b"DELETE /"
        assert deletes not in proxy.sent
        # The connections of a third: list, look, write, list, delete; each is closed after it.
        add = states._shelf.add

        def add_and_deny(*args, **named):
            add(*args, **named)
            proxy.begin(None, then=DENIED["gs"])

        states._shelf.add = add_and_deny  # type: ignore[method-assign]
        save(states, 2)
    assert caplog.messages[-1].startswith("older checkpoints stay: ")
    assert len(objects(bucket)) == 3


# Where


def test_a_setting_says_where_each_training_keeps_its_states(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEDISTILL_CHECKPOINTS", str(tmp_path / "elsewhere"))
    for uri in (str(tmp_path), f"{tmp_path}/"):
        for training in ("student", "teacher-resnet101"):
            states = checkpoints_for(uri, training, IDENTITY)
            assert states is not None
            save(states, 0)
    assert names(tmp_path) == ["student", "teacher-resnet101"]


def test_without_a_setting_a_local_run_says_where_and_settings_never_clash(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEDISTILL_CHECKPOINTS", str(tmp_path))
    others = {**IDENTITY, "seed": 1}
    for identity, epoch in ((IDENTITY, 5), (others, 7)):
        states = checkpoints_for("", "student", identity)
        assert states is not None
        assert states.latest() is None
        save(states, epoch)
    assert all(re.fullmatch(r"student-[0-9a-f]{12}", name) for name in names(tmp_path))
    again = checkpoints_for("", "student", dict(reversed(IDENTITY.items())))
    assert again is not None
    assert epoch_of(again) == 5


def test_without_either_nothing_is_kept(monkeypatch):
    monkeypatch.delenv("EDGEDISTILL_CHECKPOINTS", raising=False)
    assert checkpoints_for("", "student", IDENTITY) is None
    monkeypatch.setenv("EDGEDISTILL_CHECKPOINTS", "")
    assert checkpoints_for("", "student", IDENTITY) is None


def test_a_place_that_cannot_be_written_is_refused_before_the_training(tmp_path, bucket):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is no folder"):
        checkpoints_for(f"{tmp_path}/file", "student", IDENTITY)
    with pytest.raises(StorageError, match="there is no such bucket"):
        checkpoints_for(f"{bucket.address}-not/x", "student", IDENTITY)
    assert checkpoints_for(f"{bucket.address}/x", "student", IDENTITY) is not None
    assert objects(bucket) == []


@pytest.mark.parametrize("uri", ["gs://", "s3:///", "gs:/b", "states"])
def test_what_is_no_place_is_refused_as_it_was_written(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (check_place, lambda uri: checkpoints_for(uri, "student", IDENTITY)):
        with pytest.raises(StorageError, match=f"^checkpoint_uri must be .+; got '{uri}'.$"):
            use(uri)
    assert names(tmp_path) == []


def after_writing(proxy, monkeypatch, *faults, then) -> None:
    """From the moment when a place was found to be writable on, connections get these faults."""
    check_target = checkpoints.check_target  # type: ignore[attr-defined]

    def check_and_begin(*args, **named):
        check_target(*args, **named)
        proxy.begin(*faults, then=then)

    monkeypatch.setattr(checkpoints, "check_target", check_and_begin)


def test_a_place_that_may_not_be_listed_is_refused_before_the_training(bucket, monkeypatch):
    scheme = bucket.server.scheme
    needed = {"gs": r"storage\.objects\.list", "s3": "s3:ListBucket"}[scheme]
    with behind(monkeypatch, bucket) as proxy:
        after_writing(proxy, monkeypatch, then=DENIED[scheme])
        with pytest.raises(StorageError, match=f"permission denied; .+{needed}"):
            check_place(f"{bucket.address}/states")


def test_that_older_states_will_stay_is_said_before_the_training(gcs, monkeypatch, caplog):
    bucket = gcs.new_bucket()
    with behind(monkeypatch, bucket) as proxy:
        check_place(f"{bucket.address}/states")
        assert caplog.messages == []
        after_writing(proxy, monkeypatch, None, then=DENIED["gs"])  # list, delete
        check_place(f"{bucket.address}/states")
    (said,) = caplog.messages
    assert said.startswith("older checkpoints will stay: gs://")
    assert "storage.objects.delete" in said
    assert objects(bucket) == []
