"""KFP interface of the step evaluate: names and types alone."""

from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from edgedistill.contract import component
from edgedistill.settings import EvaluateSettings


@component(EvaluateSettings)
def evaluate(
    test: Input[Dataset],
    tflite: Input[Model],
    student: Input[Model],
    teacher: Input[Model],
    predictions: Output[Dataset],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    roc: Output[ClassificationMetrics],
    report: Output[HTML],
    *,
    log_level: str,
    seed: int,
    s3_endpoint: str,
    robustness_photos: int,
    min_top1: float,
    baseline_uri: str,
    max_regression: float,
) -> None:
    """Runs the TFLite file itself on the test photos, beside the float student and the teacher.

    Args:
        test: Photos that nothing was trained or chosen on.
        tflite: What the step qat_export wrote.
        student: What the step distiller wrote.
        teacher: What the step teacher wrote; several teachers answer as one.

    Returns:
        predictions: Answers of the file on the test photos, metrics.json and the confusion matrix.
        metrics: top1, macro_f1, ece of the file, and with _student and _teacher behind of those.
        confusion: Confusion matrix; rows are the truth.
        roc: ROC curve, one class against the rest, averaged over all of them.
        report: Every figure, class by class.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.evaluate.step import evaluate_file
    from edgedistill.settings import EvaluateSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = EvaluateSettings.choose(locals())
    results = evaluate_file(
        test.path, tflite.path, student.path, teacher.path, predictions.path, report.path, settings
    )
    log_metrics(metrics, results.metrics)
    confusion.log_confusion_matrix(results.confusion_labels, results.confusion_matrix)
    roc.log_roc_curve(results.fpr, results.tpr, results.thresholds)
