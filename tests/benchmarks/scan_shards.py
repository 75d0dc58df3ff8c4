"""A scan in shards against the scan by one step: seconds, bytes, and that the files are the same.

    python -m tests.benchmarks.scan_shards [--photos FOLDER] [--limit 1500] [--shards 4]

Everything runs with one worker, one after the other, as if each shard had a machine of one core:

- scan: `scan_photos`.
- shard: `scan_one_shard` of each; the slowest counts, as they run side by side on a cluster.
- merge: `merge_scanned`, which waits for all of them.

Seen on 28 November 2026 (2 cores, shared by a load of 12: only seconds of processor count), 1,500
photos of 400 x 533 px or so, four shards, 240 and 300 px; the same files:

    scan          23.7 s of processor
    four shards   24.7 s, a quarter of it each
    merge          6.4 s, 1.18 GB read and written once

With a core for each shard that is 12.6 s to 23.7 s: 1.9 times as fast. Of merge, reading,
two sums and writing are some 2.6 s (2.2 s a GB, `packed_sums`); the rest is the search for near
duplicates and the report.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

from edgedistill.merge_shards.step import merge_scanned
from edgedistill.scan.step import scan_photos
from edgedistill.scan_shard.step import scan_one_shard
from edgedistill.settings import MergeShardsSettings, ScanSettings, ScanShardSettings
from tests.benchmarks.scan_speed import copy_photos, cpu_s
from tests.benchmarks.timing import timed


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def gb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = Path(__file__).parents[3] / "shared" / "data" / "clothing"
    parser.add_argument("--photos", type=Path, default=data)
    parser.add_argument("--limit", type=int, default=1500)
    parser.add_argument("--shards", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out, photos = Path(folder), str(Path(folder) / "photos")
        n_photos = len(copy_photos(arguments.photos, arguments.limit, Path(photos)))
        start = cpu_s()
        _, whole = timed(
            lambda: scan_photos(
                str(out / "whole/catalog"),
                str(out / "whole/report"),
                ScanSettings(data_dir=photos),
                n_workers=1,
            )
        )
        whole_cpu = cpu_s() - start
        shards, took = [], []
        start = cpu_s()
        for index in range(arguments.shards):
            shards.append(str(out / "shards" / str(index)))
            settings = ScanShardSettings(
                data_dir=photos, shard_index=index, scan_shards=arguments.shards
            )
            one = timed(lambda: scan_one_shard(shards[-1], settings, n_workers=1))  # noqa: B023
            took.append(one[1].wall_s)
        shards_cpu, start = cpu_s() - start, cpu_s()
        _, merging = timed(
            lambda: merge_scanned(
                shards,
                str(out / "merged/catalog"),
                str(out / "merged/report"),
                MergeShardsSettings(),
            )
        )
        merge_cpu = cpu_s() - start
        same = files(out / "whole") == files(out / "merged")
        lines = [
            f"{n_photos} photos, {arguments.shards} shards; the same files: {same}",
            f"scan            {whole.wall_s:7.1f} s {whole_cpu:7.1f} s of processor",
            f"slowest shard   {max(took):7.1f} s {shards_cpu:7.1f} s of processor, all of them",
            f"merge           {merging.wall_s:7.1f} s {merge_cpu:7.1f} s of processor",
            f"shard and merge {max(took) + merging.wall_s:7.1f} s, "
            f"{whole.wall_s / (max(took) + merging.wall_s):.1f} times as fast",
            f"catalogue {gb(out / 'whole'):.3f} GB, shards {gb(out / 'shards'):.3f} GB, written "
            "once and read once",
        ]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    main()
