"""KFP interface of the component scan_shard: names and types alone."""

from kfp.dsl import Dataset, Metrics, Output

from edgedistill.contract import component
from edgedistill.settings import ScanShardSettings


@component(ScanShardSettings)
def scan_shard(
    shard: Output[Dataset],
    metrics: Output[Metrics],
    *,
    log_level: str,
    teacher_arch: str,
    data_dir: str,
    unknown_uri: str,
    teacher_img_size: str,
    student_img_size: int,
    max_megapixels: float,
    data_version: str,
    s3_endpoint: str,
    shard_index: int,
    scan_shards: int,
) -> None:
    """Packs one of several equal parts of a collection, for merge_shards to put together.

    Returns:
        shard: The part's photos, packed at both image sizes, not judged yet.
        metrics: Files of the collection, photos packed here and files left out here.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.scan_shard.step import scan_one_shard
    from edgedistill.settings import ScanShardSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = ScanShardSettings.choose(locals())
    results = scan_one_shard(shard.path, settings)
    log_metrics(metrics, results)
