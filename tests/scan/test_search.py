"""The search apart: whose pairs it gives, and what becomes of it when it is killed."""

import contextlib
import os
import signal
import threading

import numpy as np
import pytest

from edgedistill.core.near_duplicates import near_duplicate_pairs
from edgedistill.core.perceptual import N_BYTES
from edgedistill.errors import DatasetError
from edgedistill.scan.search import require_searchable, search_near_duplicates
from tests.scan.child_processes import children


def fingerprints(n: int) -> np.ndarray:
    """Unlike each other, but for the first and the last."""
    values = np.random.default_rng(0).normal(0, 20, (n, N_BYTES)).clip(-127, 127).astype(np.int8)
    values[-1] = values[0]
    return values.view(np.uint8)


def test_rows_that_are_left_out_move_the_others_up(tmp_path):
    (tmp_path / "f").write_bytes(fingerprints(9).tobytes())
    assert search_near_duplicates(tmp_path / "f", []).pairs.tolist() == [[0, 8]]
    assert search_near_duplicates(tmp_path / "f", [2, 5]).pairs.tolist() == [[0, 6]]
    assert search_near_duplicates(tmp_path / "f", [0, 5]).pairs.tolist() == []


def test_it_finds_what_the_search_itself_finds(tmp_path):
    values = fingerprints(50)
    (tmp_path / "f").write_bytes(values.tobytes())
    found, expected = search_near_duplicates(tmp_path / "f", []), near_duplicate_pairs(values)
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    np.testing.assert_array_equal(found.likeness, expected.likeness)


def test_a_search_that_is_killed_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "f")  # whoever reads it waits for ever

    before = children()  # such as servers of other tests
    ended = threading.Event()

    def kill() -> None:
        # Again and again: on a busy machine the search may begin late.
        while not ended.wait(1):
            for pid in children() - before:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill).start()
    try:
        with pytest.raises(DatasetError, match=r"cannot be looked for: the process .* was killed"):
            search_near_duplicates(tmp_path / "f", [])
    finally:
        ended.set()


def test_more_photos_than_can_be_told_apart_are_refused_with_what_to_do():
    require_searchable(1_048_576)
    with pytest.raises(DatasetError, match="1,048,577: pass --group_near_duplicates false"):
        require_searchable(1_048_577)
