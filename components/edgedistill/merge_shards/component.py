"""KFP interface of the component merge_shards: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Output

from edgedistill.contract import component
from edgedistill.settings import MergeShardsSettings


@component(MergeShardsSettings)
def merge_shards(
    shards: Input[list[Dataset]],
    catalog: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    *,
    log_level: str,
    group_near_duplicates: bool,
) -> None:
    """Puts the shards of one collection together and judges them: the catalogue that scan gives.

    Args:
        shards: What every scan_shard of the collection wrote, in any order.

    Returns:
        catalog: Every readable photo, packed at both image sizes, with its table.
        metrics: Counts of photos, classes and findings, and the share of test photos that leak, or
            would have.
        report: What is wrong or odd with the photos, and what to do about it.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.merge_shards.step import merge_scanned
    from edgedistill.settings import MergeShardsSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = MergeShardsSettings.choose(locals())
    places = [shard.path for shard in shards]
    results = merge_scanned(places, catalog.path, report.path, settings)
    log_metrics(metrics, results)
