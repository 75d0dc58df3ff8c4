"""KFP interface of the step qat_export: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from edgedistill.contract import component
from edgedistill.settings import QatExportSettings


@component(QatExportSettings)
def qat_export(
    train: Input[Dataset],
    val: Input[Dataset],
    student: Input[Model],
    teacher: Input[Model],
    tflite: Output[Model],
    metrics: Output[Metrics],
    report: Output[HTML],
    *,
    log_level: str,
    s3_endpoint: str,
    seed: int,
    batch_size: int,
    weight_decay: float,
    lr_schedule: str,
    warmup_frac: float,
    use_class_weights: bool,
    label_smoothing: float,
    ema_decay: float,
    early_stop_patience: int,
    trained_layers: str,
    augment: str,
    augment_flip: bool,
    mixup: float,
    save_tensorboard: bool,
    checkpoint_uri: str,
    checkpoint_steps: int,
    compute_threads: int,
    gpu_count: str,
    data_workers: int,
    mixed_precision: str,
    xla: str,
    distill_alpha: float,
    distill_temperature: float,
    teacher_views: int,
    qat: bool,
    epochs_qat: int,
    lr_qat: float,
    tflite_inference_input_type: str,
    tflite_inference_output_type: str,
    rep_data_num_batches: int,
    force_input_range_0_255: bool,
    quant_max_drop: float,
    budget_latency_ms: float,
    budget_size_mb: float,
) -> None:
    """Quantises the student into TFLite files of integers alone, and proves that they are.

    Args:
        train: Photos to fine-tune and to calibrate on.
        val: Photos to choose the best epoch on and to compare file and network on.
        student: What the step distiller wrote.
        teacher: What the step teacher wrote.

    Returns:
        tflite: Both full-integer TFLite files, labels.txt, model_metadata.json, how fast they are.
        metrics: val_accuracy, val_macro_f1, val_ece, val_loss of the int8 file; size, latency.
        report: What the file holds, what quantisation cost layer by layer, latency, curves.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.qat_export.step import export_int8
    from edgedistill.settings import QatExportSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = QatExportSettings.choose(locals())
    inputs = train.path, val.path, student.path, teacher.path
    log_metrics(metrics, export_int8(*inputs, tflite.path, report.path, settings))
