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
    teacher_img_size: str,
    student_img_size: int,
) -> None:
    """Finds, verifies, turns upright, letterboxes and packs every photo of a data folder.

    Returns:
        catalog: Every readable photo, packed at both image sizes, with its table.
        metrics: n_photos, n_bad_files and n_classes.
        report: Photos per class, and which files could not be read.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.scan.step import scan_photos
    from edgedistill.settings import ScanSettings

    settings = ScanSettings(
        log_level=log_level,
        teacher_arch=teacher_arch,
        data_dir=data_dir,
        teacher_img_size=teacher_img_size,
        student_img_size=student_img_size,
    )
    results = scan_photos(catalog.path, report.path, settings)
    log_metrics(metrics, results)
