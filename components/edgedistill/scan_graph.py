"""How a collection is scanned in the graph of a pipeline: by one step, or by shards."""

from typing import Any

from kfp import dsl

from edgedistill.components import merge_shards, scan, scan_shard
from edgedistill.contract import Parameters

SHARDS_NAME = "Shards"


def scan_whole(given: Parameters) -> Any:
    """The task of a collection that one step scans; its outputs are catalog, metrics, report."""
    return scan(**given.of("scan")).set_display_name("Photos")


def scan_in_shards(given: Parameters, scan_shards: int) -> tuple[Any, Any]:
    """The tasks of a collection that several steps scan together.

    Args:
        given: the pipeline's parameters.
        scan_shards: how many; fixed when the pipeline is compiled.

    Returns:
        The task inside the loop, whose output `shard` can be collected, and the one behind it, with
        the outputs of scan: catalog, metrics, report. Kubernetes' settings belong on both.
    """
    with dsl.ParallelFor(list(range(scan_shards)), name=SHARDS_NAME) as index:
        packing = scan_shard(
            shard_index=index, scan_shards=scan_shards, **given.of("scan_shard")
        ).set_display_name("Photos of a shard")
    merging = merge_shards(
        shards=dsl.Collected(packing.outputs["shard"]), **given.of("merge_shards")
    ).set_display_name("Photos")
    return packing, merging
