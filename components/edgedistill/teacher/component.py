"""KFP interface of the step teacher: names and types alone."""

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from edgedistill.contract import component
from edgedistill.settings import TeacherSettings


@component(TeacherSettings)
def teacher(
    train: Input[Dataset],
    val: Input[Dataset],
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
    teacher_arch: str,
    teacher_weights: str,
    epochs_teacher: int,
    lr_teacher: float,
) -> None:
    """Trains the teacher: its head alone, then all its layers or the later ones.

    Args:
        train: Photos to train on.
        val: Photos to choose the best epoch on.

    Returns:
        model: Weights of the epoch of the lowest validation loss; label_review.csv.
        metrics: val_accuracy, val_macro_f1, val_ece, in [0, 1], val_loss; how they were reached.
        report: Curves of loss and accuracy; photos whose labels may be wrong.
    """
    from edgedistill import logs

    logs.configure(log_level)

    from edgedistill.artifacts import log_metrics
    from edgedistill.settings import TeacherSettings
    from edgedistill.teacher.step import train_teacher

    # Chosen by their names: every parameter that is no artifact is a setting.
    settings = TeacherSettings.choose(locals())
    results = train_teacher(train.path, val.path, model.path, report.path, settings)
    log_metrics(metrics, results)
