"""KFP interface of the step split: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Output

from edgedistill.contract import component
from edgedistill.settings import SplitSettings


@component(SplitSettings)
def split(
    catalog: Input[Dataset],
    train: Output[Dataset],
    val: Output[Dataset],
    test: Output[Dataset],
    calib: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    *,
    log_level: str,
    seed: int,
    train_frac: float,
    val_frac: float,
    test_frac: float,
    calib_frac: float,
) -> None:
    """Divides the photos into train, val and test, each class in the same shares, groups whole.

    Args:
        catalog: What scan wrote.

    Returns:
        train: Photos to train on.
        val: Photos to choose epochs on.
        test: Photos to report on, seen once; beside them the photos that belong to no class.
        calib: Photos to choose the threshold on: those set aside for it, or val's again.
        metrics: Photos of each split, and the share of test photos that leak, or would have.
        report: Photos per class and split, what leaks, and what the test photos can tell.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.settings import SplitSettings
    from edgedistill.split.step import split_catalog

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = SplitSettings.choose(locals())
    results = split_catalog(
        catalog.path, train.path, val.path, test.path, calib.path, report.path, settings
    )
    log_metrics(metrics, results)
