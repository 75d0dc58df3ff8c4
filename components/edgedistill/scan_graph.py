"""How a collection is scanned in the graph of a pipeline: by one step, or by shards."""

from collections.abc import Callable
from typing import Any

from kfp import dsl

from edgedistill.components import merge_shards, scan, scan_shard
from edgedistill.contract import Parameters

PlaceTask = Callable[[str, Any], Any]
"""Fits the task of a step (by its name) to the place it runs at, and gives the task."""


def scan_collection(given: Parameters, place: PlaceTask, scan_shards: int) -> Any:
    """The task whose outputs are catalog, metrics and report.

    Args:
        given: the pipeline's parameters.
        place: fits each task to its place.
        scan_shards: how many pods share the work; fixed when the pipeline is compiled.
    """
    if scan_shards == 1:
        return place("scan", scan(**given.of("scan"))).set_display_name("Photos")
    return scan_in_shards(given, place, scan_shards)[1]


def scan_in_shards(given: Parameters, place: PlaceTask, scan_shards: int) -> tuple[Any, Any]:
    """The task in the loop, whose output `shard` can be collected, and the one that merges."""
    with dsl.ParallelFor(list(range(scan_shards)), name="Shards") as index:
        packing = scan_shard(shard_index=index, scan_shards=scan_shards, **given.of("scan_shard"))
        place("scan_shard", packing).set_display_name("Photos of a shard")
    merging = merge_shards(
        shards=dsl.Collected(packing.outputs["shard"]), **given.of("merge_shards")
    )
    return packing, place("merge_shards", merging).set_display_name("Photos")
