"""The losses of training: cross entropy against labels, and distillation against a teacher."""

from typing import Any

from edgedistill.tf.runtime import tf


def hard_loss(targets: Any, logits: Any, photo_weights: Any) -> Any:
    """Mean over the batch of each photo's cross entropy times its weight.

    Args:
        targets: shape (n, n_classes), each row a distribution over the classes.
        logits: shape (n, n_classes).
        photo_weights: shape (n,).
    """
    entropies = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
    return tf.reduce_mean(entropies * photo_weights)


def distillation_loss(log_softened: Any, student_logits: Any, temperature: float) -> Any:
    """`T**2 * KL(teacher || softmax(student / T))`, mean over the batch.

    Args:
        log_softened: shape (n, n_classes), logarithm of the teacher's probabilities, softened with
            the same temperature (`teachers.Teachers.softened`).
        student_logits: shape (n, n_classes).
        temperature: T, greater than 0; above 1 it softens both.

    Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2.
    """
    log_student = tf.nn.log_softmax(student_logits / temperature)
    divergence = tf.reduce_sum(tf.exp(log_softened) * (log_softened - log_student), axis=-1)
    # T**2 keeps the gradient's size when T changes.
    return temperature**2 * tf.reduce_mean(divergence)
