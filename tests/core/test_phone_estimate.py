import pytest

from edgedistill.core.phone_estimate import ESTIMATE_SOURCE, estimate_pixel4_ms

# Of EfficientNet-Lite0 to 4 with 1000 classes (their products with weights, as
# tests/tf/test_multiply_adds.py adds them up) and the published latency in ms.
PUBLISHED = {
    "lite0": (385_187_552, 6.5),
    "lite1": (600_185_232, 9.1),
    "lite2": (859_736_272, 12.0),
    "lite3": (1_383_321_872, 18.0),
    "lite4": (2_553_034_336, 30.0),
}


def test_the_published_network_gets_the_published_latency() -> None:
    assert estimate_pixel4_ms(PUBLISHED["lite1"][0]) == pytest.approx(9.1)


def test_a_quarter_of_the_work_takes_a_quarter_of_the_time() -> None:
    assert estimate_pixel4_ms(600_185_232 // 4) == pytest.approx(9.1 / 4)


@pytest.mark.parametrize(
    ("name", "error"), [("lite0", -0.10), ("lite2", 0.09), ("lite3", 0.17), ("lite4", 0.29)]
)
def test_other_widths_are_off_by_what_the_docstring_says(name: str, error: float) -> None:
    multiply_adds, published_ms = PUBLISHED[name]
    assert estimate_pixel4_ms(multiply_adds) / published_ms - 1 == pytest.approx(error, abs=0.005)


@pytest.mark.parametrize("multiply_adds", [0, -1])
def test_a_network_without_work_is_refused(multiply_adds: int) -> None:
    with pytest.raises(ValueError, match=f"must be at least 1; got {multiply_adds}"):
        estimate_pixel4_ms(multiply_adds)


def test_the_source_says_that_it_is_an_estimate_and_of_what() -> None:
    assert ESTIMATE_SOURCE.startswith("An estimate, not a measurement")
    for fact in ("9.1 ms", "EfficientNet-Lite1", "240 px", "Pixel 4", "4 threads"):
        assert fact in ESTIMATE_SOURCE
