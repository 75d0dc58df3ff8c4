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
    seed: int,
    batch_size: int,
    weight_decay: float,
    use_class_weights: bool,
    augment_flip: bool,
    save_tensorboard: bool,
    distill_alpha: float,
    distill_temperature: float,
    qat: bool,
    epochs_qat: int,
    lr_qat: float,
    tflite_inference_input_type: str,
    tflite_inference_output_type: str,
    rep_data_num_batches: int,
    force_input_range_0_255: bool,
) -> None:
    """Quantises the student and writes it as a TFLite file of integers alone, proven by reading it.

    Args:
        train: Photos to fine-tune and to calibrate on.
        val: Photos to choose the best epoch on and to compare file and network on.
        student: What the step distiller wrote.
        teacher: What the step teacher wrote.

    Returns:
        tflite: The full-integer TFLite file, labels.txt and model_metadata.json.
        metrics: Validation accuracy in [0, 1], and the file's size and agreement with the network.
        report: Curves, and what the file holds.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.qat_export.step import export_int8
    from edgedistill.settings import QatExportSettings

    settings = QatExportSettings(
        log_level=log_level,
        seed=seed,
        batch_size=batch_size,
        weight_decay=weight_decay,
        use_class_weights=use_class_weights,
        augment_flip=augment_flip,
        save_tensorboard=save_tensorboard,
        distill_alpha=distill_alpha,
        distill_temperature=distill_temperature,
        qat=qat,
        epochs_qat=epochs_qat,
        lr_qat=lr_qat,
        tflite_inference_input_type=tflite_inference_input_type,
        tflite_inference_output_type=tflite_inference_output_type,
        rep_data_num_batches=rep_data_num_batches,
        force_input_range_0_255=force_input_range_0_255,
    )
    results = export_int8(
        train.path, val.path, student.path, teacher.path, tflite.path, report.path, settings
    )
    log_metrics(metrics, results)
