"""Whether shards are those of one scan: all of them, each once, of the same files, packed alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedistill.artifacts import SHARD
from edgedistill.errors import ArtifactError
from edgedistill.scan.judging import PackedAs

_ALIKE = (
    "data_dir", "unknown_uri", "student_px", "teacher_sizes_px", "max_megapixels", "resized_share",
)  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """One shard's folder and its document."""

    folder: Path
    about: Mapping[str, Any]

    @property
    def index(self) -> int:
        """Its number, counted from 0."""
        return int(self.about["shard_index"])

    @property
    def packed(self) -> PackedAs:
        """How the collection was packed."""
        return PackedAs(
            self.about["data_dir"], self.about["student_px"],
            tuple(self.about["teacher_sizes_px"]), self.about["resized_share"],
        )  # fmt: skip


def open_shards(folders: Sequence[str]) -> list[Shard]:
    """The shards in the order of their files.

    Raises:
        ArtifactError: one is missing, is there twice, or belongs to another scan.
    """
    if not folders:
        raise ArtifactError("merge_shards must be given every shard of a scan; got none.")
    shards = [Shard(Path(folder), SHARD.read(Path(folder))) for folder in folders]
    _require_all_once(shards)
    shards.sort(key=lambda shard: shard.index)
    first, *others = shards
    for other in others:
        for name in _ALIKE:
            if other.about[name] != first.about[name]:
                raise ArtifactError(
                    f"{other.folder} must have been scanned with the same {name} as "
                    f"{first.folder}, {first.about[name]}; got {other.about[name]}: take all "
                    "shards from one run."
                )
        if other.about["listing"] != first.about["listing"]:
            raise ArtifactError(
                f"{other.folder} must be a part of the same list of files as {first.folder}; got "
                "another: the photos were changed between the shards' scans; scan them all again, "
                "and not from the cache (on a cluster: raise data_version)."
            )
    return shards


def _require_all_once(shards: Sequence[Shard]) -> None:
    n_shards = {int(shard.about["scan_shards"]) for shard in shards}
    if len(n_shards) > 1:
        counts = " and ".join(map(str, sorted(n_shards)))
        raise ArtifactError(
            f"all shards must be parts of as many; got parts of {counts}: take all from one run."
        )
    by_index: dict[int, Shard] = {}
    for shard in shards:
        twin = by_index.setdefault(shard.index, shard)
        if twin is not shard:
            raise ArtifactError(
                f"each shard must be given once; {twin.folder} and {shard.folder} are both "
                f"shard {shard.index}."
            )
    total = n_shards.pop()
    missing = [str(index) for index in range(total) if index not in by_index]
    if missing:
        raise ArtifactError(
            f"all {total} shards, counted from 0, must be given; missing: {', '.join(missing)}."
        )
