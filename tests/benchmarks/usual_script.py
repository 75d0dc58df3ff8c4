"""Distillation as scripts usually do it, which ours is measured against.

JPEGs are decoded, letterboxed and varied anew in each epoch by tf.data, a custom `train_step` asks
the teacher for each batch, `model.fit` trains all layers with one Adam, batch normalisation and
all. The student's batch is the teacher's, made smaller.
"""

from typing import Any

from edgedistill.tf.runtime import keras, tf
from tests.benchmarks.clothing import Jpegs

ALPHA, TEMPERATURE = 0.5, 4.0


def batches(photos: Jpegs, size_px: int, batch_size: int, *, training: bool) -> Any:
    """A tf.data set of images in [0, 255], float32, and class numbers."""

    def load(place: Any, label: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(place), channels=3)
        return tf.image.resize_with_pad(image, size_px, size_px), label

    def vary(image: Any, label: Any) -> Any:
        image = tf.image.random_brightness(tf.image.random_flip_left_right(image), 30.0)
        return tf.clip_by_value(image, 0.0, 255.0), label

    found = tf.data.Dataset.from_tensor_slices(([*map(str, photos.places)], photos.label_indices))
    if training:
        found = found.shuffle(len(photos.places))
    found = found.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    if training:
        found = found.map(vary, num_parallel_calls=tf.data.AUTOTUNE)
    return found.batch(batch_size).prefetch(tf.data.AUTOTUNE)


class Distiller(keras.Model):  # type: ignore[misc]
    """A student that learns from labels and from a teacher, which is asked for each batch."""

    def __init__(self, student: Any, teacher: Any):
        super().__init__()
        self.student, self.teacher = student, teacher
        self._side_px = student.input_shape[1]
        self._hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._soft = keras.losses.KLDivergence()

    def call(self, images: Any, training: bool = False) -> Any:
        return self.student(tf.image.resize(images, [self._side_px] * 2), training=training)

    def train_step(self, data: Any) -> Any:
        images, labels = data
        taught = tf.nn.softmax(self.teacher(images, training=False) / TEMPERATURE)
        with tf.GradientTape() as tape:
            logits = self(images, training=True)
            soft = self._soft(taught, tf.nn.softmax(logits / TEMPERATURE))
            loss = ALPHA * self._hard(labels, logits) + (1 - ALPHA) * TEMPERATURE**2 * soft
        weights = self.student.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.compiled_metrics.update_state(labels, logits)
        return {"loss": loss, **{m.name: m.result() for m in self.metrics}}

    def test_step(self, data: Any) -> Any:
        images, labels = data
        self.compiled_metrics.update_state(labels, self(images, training=False))
        return {m.name: m.result() for m in self.metrics}


def compiled_distiller(student: Any, teacher: Any, learning_rate: float) -> Any:
    """Ready for `fit`."""
    distiller = Distiller(student, teacher)
    teacher.trainable = False
    distiller.compile(keras.optimizers.Adam(learning_rate), metrics=["accuracy"], jit_compile=False)
    return distiller


def compiled_classifier(network: Any, learning_rate: float) -> Any:
    """Ready for `fit` without a teacher: the same network, trained by labels."""
    network.compile(
        keras.optimizers.Adam(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    return network
