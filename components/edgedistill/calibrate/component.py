"""KFP interface of the step calibrate: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from edgedistill.contract import component
from edgedistill.settings import CalibrateSettings


@component(CalibrateSettings)
def calibrate(
    calib: Input[Dataset],
    predictions: Input[Dataset],
    tflite: Input[Model],
    bundle: Output[Model],
    metrics: Output[Metrics],
    report: Output[HTML],
    *,
    log_level: str,
    s3_endpoint: str,
    threshold_target_accept_accuracy: float,
    threshold_min_coverage: float,
    threshold_penalty_incorrect: float,
    threshold_per_class: bool,
    model_version: str,
    export_uri: str,
) -> None:
    """Chooses the threshold below which the app answers 'unknown', and makes the app's bundle.

    Args:
        calib: Photos to choose the threshold on: those set aside for it, or the validation photos.
        predictions: What the step evaluate wrote: answers to the test photos, and the gate.
        tflite: What the step qat_export wrote.

    Returns:
        bundle: Everything to ship, as files and as one zip; no zip where the gate says no.
        metrics: The thresholds, and their coverage and accuracy on calib and test, in [0, 1].
        report: The curve behind the choice, what can be promised, and whether it was kept.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.calibrate.step import calibrate_threshold
    from edgedistill.settings import CalibrateSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = CalibrateSettings.choose(locals())
    results = calibrate_threshold(
        calib.path, predictions.path, tflite.path, bundle.path, report.path, settings
    )
    log_metrics(metrics, results.metrics)
    if results.exported_to:
        bundle.metadata["exported_to"] = results.exported_to
