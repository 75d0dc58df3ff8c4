from pathlib import Path

import pytest

from edgedistill.scan.tables import Tables
from edgedistill.settings import ScanSettings
from tests.scan.test_step import make

ROWS = ["1.png,cup,train,g", "2.png,mug,train,", "3.png,cup,val,", "4.png,_unknown,,"]


def listing_of(rows: list[str], folder: Path) -> str:
    """The digest of a manifest's listing; none of its photos is there, and none is read."""
    path = make(folder, **{"list.csv": "\n".join(["path,label,split,group", *rows]).encode()})
    with Tables.beside(folder / "x") as tables:
        tables.list_files(ScanSettings(data_dir=str(path / "list.csv")))
        return tables.listing_digest()


@pytest.fixture
def listing(tmp_path: Path) -> str:
    return listing_of(ROWS, tmp_path)


def test_the_same_files_in_another_order_are_the_same_listing(tmp_path: Path, listing: str) -> None:
    assert listing_of(ROWS[::-1], tmp_path) == listing


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1.png,cup", "9.png,cup"),
        ("3.png,cup", "3.png,mug"),
        (",train,g", ",train,h"),
        (",val,", ",test,"),
        ("4.png,_unknown", "5.png,_unknown"),
        ("3.png,cup,val,", "3.png,cup,val,\n../out.png,cup,val,"),  # one that is left out
        ("3.png,cup,val,", "3.png,cup,val,\n3.png,cup,val,"),
    ],
)
def test_another_file_label_group_split_or_refusal_is_another_listing(
    tmp_path: Path, listing: str, before: str, after: str
) -> None:
    changed = "\n".join(ROWS).replace(before, after)
    assert changed != "\n".join(ROWS)
    assert listing_of(changed.split("\n"), tmp_path) != listing


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7, 12])
def test_the_parts_are_equal_runs_that_make_up_the_whole(tmp_path: Path, n_parts: int) -> None:
    rows = [f"{number:02d}.png,{'cup' if number < 4 else 'mug'},," for number in range(9)]
    path = make(tmp_path, **{"list.csv": "\n".join(["path,label,split,group", *rows]).encode()})
    parts = []
    for index in range(n_parts):
        with Tables.beside(tmp_path / "x") as tables:
            tables.list_files(ScanSettings(data_dir=str(path / "list.csv")))
            tables.keep_part(index, n_parts)
            parts.append([place for _, place, *_ in tables.known.listed()])
    assert [place for part in parts for place in part] == [f"{n:02d}.png" for n in range(9)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
