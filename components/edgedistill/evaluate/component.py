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
    """Judges the TFLite file itself on the test photos, beside every model that it came from.

    Args:
        test: Photos that nothing was trained or chosen on.
        tflite: What the step qat_export wrote.
        student: What the step distiller wrote.
        teacher: What the step teacher wrote; several teachers answer as one.

    Returns:
        predictions: Answers of the file, metrics.json, evaluation.json, gate.json, the mistakes.
        metrics: Figures of the file, of teacher and student; ship is 1 where the gate is met.
        confusion: Confusion matrix of at most 40 classes; rows are the truth.
        roc: ROC curve of confidence: right answers (known) against errors.
        report: The verdict, every figure with its interval, and where the file fails.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.evaluate.step import evaluate_file
    from edgedistill.settings import EvaluateSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = EvaluateSettings.choose(locals())
    views = evaluate_file(
        test.path, tflite.path, student.path, teacher.path, predictions.path, report.path, settings
    )
    log_metrics(metrics, views.metrics)
    confusion.log_confusion_matrix(views.confusion_labels, views.confusion_matrix)
    roc.log_roc_curve(views.fpr, views.tpr, views.thresholds)
