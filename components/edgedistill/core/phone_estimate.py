"""How long a phone may need for an image: from a published latency, without a phone."""

ESTIMATE_DEVICE = "Pixel 4 class CPU"
ESTIMATE_THREADS = 4
ESTIMATE_SOURCE = (
    "An estimate, not a measurement: in proportion to the multiply-adds, from the published "
    "9.1 ms of the int8 EfficientNet-Lite1 at 240 px on the CPU of a Pixel 4 with 4 threads "
    "(README of EfficientNet-Lite in TensorFlow's TPU repository)."
)
"""Where the figure comes from, and that it is an estimate: for the report and the app's team."""

_LITE1_MS = 9.1
# Of Lite1 at 240 px with 1000 classes, counted as `tf.multiply_adds` counts a file. The README's
# 631 M are half of all float operations, those of normalisation and activation among them.
_LITE1_MULTIPLY_ADDS = 600_185_232


def estimate_pixel4_ms(multiply_adds: int) -> float:
    """Latency of an int8 EfficientNet-Lite1 on a Pixel 4's CPU with 4 threads.

    In proportion, because a student differs from the published Lite1 by the size of its images:
    measured on a server from 96 to 320 px, its time for a multiply-add stayed within 9 %
    (tests/benchmarks/latency.py). A line through the published Lite0 to Lite4 (385 M, 6.5 ms to
    2,553 M, 30 ms) would ask for 1.8 ms even of a network without work; those differ in width, and
    wider layers take less time for a multiply-add: in proportion to Lite1 the estimate is 10 % too
    low for Lite0 and 29 % too high for Lite4.

    Args:
        multiply_adds: multiplications by weights for one image, at least 1.

    Returns:
        Milliseconds.

    Raises:
        ValueError: multiply_adds is below 1.

    Source: README of EfficientNet-Lite, TensorFlow's TPU repository, 2020: table, column "INT8 CPU
    latency".
    """
    if multiply_adds < 1:
        raise ValueError(f"multiply_adds must be at least 1; got {multiply_adds}")
    return _LITE1_MS * multiply_adds / _LITE1_MULTIPLY_ADDS
