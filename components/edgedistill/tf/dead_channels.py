"""Channels that give a constant, written so that the integer file can hold the constant.

The file's scale of a channel is that of its kernel times gamma / sigma of its batch normalisation,
and its bias, an int32, counts in steps of it. Where gamma is tiny the steps are, too: the bias then
does not fit and the file computes something else, though Keras' fake-quantised network, which
rounds no bias, shows no harm. Where gamma is 0 the converter gives up and leaves the operator in
float. Such a channel hands on nothing of its input.
"""

from typing import Any

import numpy as np

from edgedistill.tf.kernel_quantizer import kernel_steps
from edgedistill.tf.ranges import range_of
from edgedistill.tf.runtime import keras

# A bias of more steps of its channel is too large. What the inputs add is less than the other half
# of an int32: at most 255 * 127 = 2**15 a weight, and no channel has 2**15 weights.
_MOST_STEPS = 2.0**30
# A mended channel's constant has this many at most: well below, or mending would not end.
_FITTING_STEPS = 2.0**28
# With gamma / sigma below this a channel's inputs are lost in its float32 already.
_NOTHING = 1e-20
# Of a mended channel; far above that, or mending would not end where all constants are tiny.
_LEAST_FACTOR = 2.0**-20
_KINDS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def mend_dead_channels(network: Any) -> None:
    """Writes the constant of each dead channel into a quantised network, in place.

    The channel's kernel and mean become 0, its beta the constant, its gamma one with which the
    constant fits. So the network and its file say the same, and what the network said before but
    for what the channel's inputs gave, below a thirtieth of the constant.

    Args:
        network: what `qat.quantise_aware` made, trained on or not. Convolutions with a bias of
            their own before a batch normalisation are left alone; no student has one.
    """
    for layer in network.layers:
        if not isinstance(getattr(layer, "layer", None), keras.layers.BatchNormalization):
            continue
        convolution = layer.input.node.layer
        if isinstance(convolution.layer, _KINDS) and not convolution.layer.use_bias:
            # A kernel's zeros have smaller steps than its weights had, and so may other channels
            # where its strongest weight was: what then does not fit is mended again.
            while _mend(convolution, layer.layer, _input_step(convolution)):
                pass


def _mend(convolution: Any, normalisation: Any, input_step: float) -> bool:
    """Whether a channel of the convolution was dead."""
    gamma, beta, mean, variance = (w.astype(float) for w in normalisation.get_weights())
    sigma = np.sqrt(variance + normalisation.epsilon)
    factor = np.abs(gamma) / sigma
    constant = beta - mean * gamma / sigma
    (variable,) = (w for w in convolution.trainable_weights if "kernel" in w.name)
    kernel = variable.numpy().copy()
    steps = input_step * kernel_steps(convolution.layer, kernel)
    dead = (factor < _NOTHING) | (np.abs(constant) > _MOST_STEPS * factor * steps)
    if not dead.any():
        return False
    kernel.reshape(-1, len(gamma))[:, dead] = 0
    # As strong as the strongest, so that training treats them alike.
    least = np.abs(constant[dead]).max() / (_FITTING_STEPS * steps[dead].min())
    gamma[dead] = max(least, factor[~dead].max(initial=_LEAST_FACTOR)) * sigma[dead]
    beta[dead], mean[dead] = constant[dead], 0
    variable.assign(kernel)
    normalisation.set_weights([gamma, beta, mean, variance])
    return True


def _input_step(layer: Any) -> float:
    """The step of the integers that a quantised layer takes."""
    before = layer.input.node.layer
    found = range_of(before)
    return _input_step(before) if found is None else (found[1] - found[0]) / 255
