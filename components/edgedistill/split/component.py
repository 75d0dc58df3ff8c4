"""KFP interface of the step split: names and types alone."""

from kfp.dsl import Dataset, Input, Markdown, Metrics, Output

from edgedistill.contract import component
from edgedistill.settings import SplitSettings


@component(SplitSettings)
def split(
    catalog: Input[Dataset],
    train: Output[Dataset],
    val: Output[Dataset],
    test: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[Markdown],
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
        val: Photos to choose epochs and the threshold on.
        test: Photos to report on, seen once.
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
    results = split_catalog(catalog.path, train.path, val.path, test.path, report.path, settings)
    log_metrics(metrics, results)
