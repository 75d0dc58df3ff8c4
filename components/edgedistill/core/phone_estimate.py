"""How long a phone may need for an image: from published latencies, without a phone."""

from itertools import pairwise

ESTIMATE_DEVICE = "Pixel 4 class CPU"
ESTIMATE_THREADS = 4
ESTIMATE_SOURCE = (
    "An estimate, not a measurement: interpolated between the published latencies of the int8 "
    "EfficientNet-Lite0 to Lite4 on the CPU of a Pixel 4 with 4 threads (Lite1 at 240 px: 9.1 ms), "
    "from the README of EfficientNet-Lite in TensorFlow's TPU repository, by multiply-adds. Other "
    "phones, other work on the phone and heat change it; measure on the phone before you promise."
)
"""Where the figure comes from, and that it is an estimate: for the report and the app's team."""

# Multiply-adds by weights of the five published networks (1000 classes; 224, 240, 260, 280 and 300
# px), counted from their shapes as `tf.multiply_adds` counts a file, and their latency in ms. The
# README's own 407 M, 631 M, 899 M, 1.44 B and 2.64 B count normalisation and activations too.
_PUBLISHED = (
    (385_187_552, 6.5),
    (600_185_232, 9.1),
    (859_736_272, 12.0),
    (1_383_321_872, 18.0),
    (2_553_034_336, 30.0),
)


def estimate_pixel4_ms(multiply_adds: int) -> float:
    """Latency of an int8 network like EfficientNet-Lite on a Pixel 4's CPU with 4 threads.

    Straight lines join the published points, and the outer two go on. In proportion to Lite1 the
    same points would be missed by -10 % (Lite0) to +27 % (Lite4): a part of the time does not grow
    with the image, so small images would be promised too short a time.

    Args:
        multiply_adds: multiplications by weights for one image, at least 1.

    Returns:
        Milliseconds.

    Raises:
        ValueError: multiply_adds is below 1.

    Source: the table of the README of EfficientNet-Lite, TensorFlow's TPU repository, 2020.
    """
    if multiply_adds < 1:
        raise ValueError(f"multiply_adds must be at least 1; got {multiply_adds}")
    lines = list(pairwise(_PUBLISHED))
    within = (line for line in lines if multiply_adds <= line[1][0])
    (x0, y0), (x1, y1) = next(within, lines[-1])
    return y0 + (y1 - y0) * (multiply_adds - x0) / (x1 - x0)
