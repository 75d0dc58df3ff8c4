"""KFP interface of the step distiller: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from edgedistill.contract import component
from edgedistill.settings import DistillerSettings


@component(DistillerSettings)
def distiller(
    train: Input[Dataset],
    val: Input[Dataset],
    teacher: Input[Model],
    model: Output[Model],
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
    pretrained_rate: float,
    head_first: bool,
    train_batch_norm: bool,
    distill_alpha: float,
    distill_temperature: float,
    teacher_views: int,
    student_weights: str,
    epochs_student: int,
    lr_student: float,
    measure_kd_gain: bool,
) -> None:
    """Trains the student, EfficientNet-Lite1, on labels and on the teacher's answers.

    Args:
        train: Photos to train on.
        val: Photos to choose the best epoch on.
        teacher: What the step teacher wrote.

    Returns:
        model: Weights of the student's epoch of the lowest validation loss.
        metrics: val_accuracy, val_macro_f1, val_ece, in [0, 1], val_loss; how they were reached.
        report: Curves of loss and accuracy; what distillation gains, where that is measured.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.distiller.step import distil_student
    from edgedistill.settings import DistillerSettings

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = DistillerSettings.choose(locals())
    results = distil_student(train.path, val.path, teacher.path, model.path, report.path, settings)
    log_metrics(metrics, results)
