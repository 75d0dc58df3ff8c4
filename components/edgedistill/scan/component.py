"""KFP interface of the step scan: names and types alone."""

from kfp.dsl import HTML, Dataset, Metrics, Output

from edgedistill.contract import component
from edgedistill.settings import ScanSettings


@component(ScanSettings)
def scan(
    catalog: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    *,
    log_level: str,
    teacher_arch: str,
    data_dir: str,
    unknown_uri: str,
    teacher_img_size: str,
    student_img_size: int,
    max_megapixels: float,
    data_version: str,
    group_near_duplicates: bool,
    s3_endpoint: str,
) -> None:
    """Finds, verifies, turns upright, letterboxes and packs every photo of a collection.

    Returns:
        catalog: Every readable photo, packed at both image sizes, with its table.
        metrics: Counts of photos, classes and findings, and the share of test photos that leak, or
            would have.
        report: What is wrong or odd with the photos, and what to do about it.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.scan.step import scan_photos
    from edgedistill.settings import ScanSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = ScanSettings.choose(locals())
    results = scan_photos(catalog.path, report.path, settings)
    log_metrics(metrics, results)
