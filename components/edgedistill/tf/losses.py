"""The losses of training: cross entropy against labels, and distillation against a teacher."""

from typing import Any

from edgedistill.tf.runtime import tf


def hard_loss(label_indices: Any, logits: Any, class_weights: Any) -> Any:
    """Mean over the batch of each photo's cross entropy times the weight of its class.

    Args:
        label_indices: shape (n,), integers.
        logits: shape (n, n_classes).
        class_weights: shape (n_classes,).
    """
    entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(label_indices, logits)
    return tf.reduce_mean(entropies * tf.gather(class_weights, label_indices))


def distillation_loss(teacher_logits: Any, student_logits: Any, temperature: float) -> Any:
    """`T**2 * KL(softmax(teacher / T) || softmax(student / T))`, mean over the batch.

    Args:
        teacher_logits: shape (n, n_classes).
        student_logits: shape (n, n_classes).
        temperature: T, greater than 0; above 1 it softens both.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    log_teacher = tf.nn.log_softmax(teacher_logits / temperature)
    log_student = tf.nn.log_softmax(student_logits / temperature)
    divergence = tf.reduce_sum(tf.exp(log_teacher) * (log_teacher - log_student), axis=-1)
    # T**2 keeps the gradient's size when T changes.
    return temperature**2 * tf.reduce_mean(divergence)
