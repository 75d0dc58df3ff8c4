"""TensorFlow, its Keras 2 and a repeatable, quiet start: what every module of `tf` imports.

tfmot quantises Keras 2 networks only, hence `tf_keras`, never Keras 3.
"""

import logging
import os

from edgedistill.tf.quiet import quiet_native_code

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


with quiet_native_code():
    import tensorflow as tf
    import tf_keras as keras

    tf.config.list_physical_devices()  # starts the runtime, which logs too

# Its warnings speak to TensorFlow's own developers, such as of deprecated ways through the
# converter; what matters to a user is raised.
for _name in ("absl", "tensorflow"):
    logging.getLogger(_name).setLevel(logging.ERROR)

__all__ = ["keras", "seed_everything", "tf"]


def seed_everything(seed: int) -> None:
    """Makes the process draw and compute alike each time it is started with this seed.

    The same versions, kind of processor and number of compute threads are taken for granted;
    on a GPU as far as TensorFlow's deterministic operators reach.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
