"""Networks: published logits, own preprocessing, saved and loaded, weights from files."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image

from edgedistill.artifacts import NETWORK, WEIGHTS_FILE
from edgedistill.errors import ArtifactError, WeightsError

pytestmark = pytest.mark.slow

REFERENCE = json.loads(Path(__file__).with_name("lite_reference_logits.json").read_text())
PHOTOS = ("china.jpg", "flower.jpg")


def _corner(photo: str, size_px: int) -> NDArray[np.float32]:
    """The top left pixels of one of scikit-learn's photos: no resizing that could differ."""
    image: NDArray[np.float32] = load_sample_image(photo)[None, :size_px, :size_px]
    return image.astype(np.float32)


def _published(arch: str, size_px: int, *, fold_pixels: bool) -> Any:
    from edgedistill.tf import efficientnet_lite, torch_weights, weights

    network = efficientnet_lite.build_lite(arch, size_px, 1000, fold_pixels=fold_pixels)
    state = torch_weights.read_torch_state(weights.packaged_lite_weights(arch))
    by_layer = efficientnet_lite.to_keras_weights(state, arch, fold_pixels=fold_pixels)
    for name, values in by_layer.items():
        network.get_layer(name).set_weights(values)
    return network


@pytest.mark.parametrize(
    ("arch", "size_px"), [("efficientnet_lite1", 240), ("efficientnet_lite2", 260)]
)
def test_published_weights_give_the_published_networks_logits(arch: str, size_px: int) -> None:
    network = _published(arch, size_px, fold_pixels=False)
    for photo in PHOTOS:
        logits = network(_corner(photo, size_px)).numpy()[0]
        expected = REFERENCE[arch][photo]
        assert int(logits.argmax()) == expected["top_class"]
        # Seen: 1e-5. PyTorch and TensorFlow add in another order.
        np.testing.assert_allclose(logits[::20], expected["logits"], atol=1e-4)


def test_pixels_folded_into_the_stem_leave_the_logits_nearly_alone() -> None:
    network = _published("efficientnet_lite1", 240, fold_pixels=True)
    for photo in PHOTOS:
        logits = network(_corner(photo, 240)).numpy()[0]
        expected = REFERENCE["efficientnet_lite1"][photo]
        assert int(logits.argmax()) == expected["top_class"]
        # The stem's zero padding stands for 0 instead of 127 at the last row and column.
        assert np.abs(logits[::20] - expected["logits"]).mean() < 0.1


def test_resnet_sees_pixels_as_kerass_own_preprocessing_gives_them() -> None:
    from edgedistill.tf.networks import CaffePreprocessing
    from edgedistill.tf.runtime import keras

    pixels = _corner("china.jpg", 64)
    expected = keras.applications.resnet.preprocess_input(pixels.copy())
    np.testing.assert_allclose(CaffePreprocessing()(pixels), expected, atol=1e-4)


def test_b3_sees_pixels_less_the_mean_over_the_deviation_also_with_weights_from_a_file(
    tmp_path: Path,
) -> None:
    from edgedistill.tf.networks import build
    from edgedistill.tf.runtime import keras
    from edgedistill.tf.weights import load_pretrained

    file = tmp_path / "b3.h5"
    other = keras.applications.EfficientNetB3(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    # As in the published file: the layer's "variance" holds the deviation.
    other.get_layer(index=2).set_weights(
        [np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)]
    )
    other.save_weights(file)
    network = build("efficientnet_b3", 64, 5)
    load_pretrained(network, "efficientnet_b3", str(file))

    stem = network.get_layer("stem_conv")
    np.testing.assert_array_equal(
        stem.get_weights()[0], other.get_layer("stem_conv").get_weights()[0]
    )
    (layer,) = (x for x in network.layers if isinstance(x, keras.layers.Normalization))
    pixels = _corner("flower.jpg", 64)
    seen = keras.Model(network.input, layer.output)(pixels).numpy()
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(seen, expected, atol=1e-5)


@pytest.mark.parametrize("arch", ["efficientnet_b3", "resnet101"])
def test_a_backbone_has_the_weights_of_kerass_own_in_the_same_order(arch: str) -> None:
    # What is downloaded is copied over as one list.
    from edgedistill.tf.networks import build, feature_extractor
    from edgedistill.tf.runtime import keras

    builders = {
        "efficientnet_b3": keras.applications.EfficientNetB3,
        "resnet101": keras.applications.ResNet101,
    }
    own = builders[arch](include_top=False, weights=None, input_shape=(64, 64, 3))
    ours = feature_extractor(build(arch, 64, 5))

    def names(network: Any) -> list[tuple[str, tuple[int, ...]]]:
        # The preprocessing layer alone is numbered, if built twice in one process.
        return [
            (w.name.replace("_1/", "/"), tuple(w.shape))
            for w in network.weights
            if "normalization" not in w.name
        ]

    assert len(own.weights) == len(ours.weights)
    assert names(ours) == names(own)


@pytest.mark.parametrize(
    "arch", ["efficientnet_lite1", "efficientnet_lite2", "efficientnet_b3", "resnet101"]
)
def test_a_network_is_the_same_after_it_was_saved_and_loaded(tmp_path: Path, arch: str) -> None:
    from edgedistill.tf.networks import NetworkRecord, build, load_network, save_network

    network = build(arch, 64, 3)
    record = NetworkRecord(arch, 64, ["a", "b", "c"], "none", [], "0" * 64)
    save_network(network, tmp_path, record)
    again, read = load_network(tmp_path)
    assert read == record
    pixels = _corner("china.jpg", 64)
    np.testing.assert_array_equal(network(pixels), again(pixels))


def test_weights_are_named_by_their_shapes_types_and_values() -> None:
    from edgedistill.tf.networks import weights_digest
    from edgedistill.tf.runtime import keras

    def digest(kernel: list[list[float]], bias: list[float]) -> str:
        inputs = keras.Input((len(kernel),))
        network = keras.Model(inputs, keras.layers.Dense(len(bias))(inputs))
        network.set_weights([np.array(kernel), np.array(bias)])
        return weights_digest(network)

    told = b"<f4 (2, 1)\n" + struct.pack("<2f", 1, 2) + b"<f4 (1,)\n" + struct.pack("<f", 0.5)
    assert digest([[1], [2]], [0.5]) == hashlib.sha256(told).hexdigest()
    others = [digest([[1], [2]], [0.25]), digest([[2], [1]], [0.5]), digest([[1, 2]], [0.5, 0.5])]
    assert len({digest([[1], [2]], [0.5]), *others}) == 4


def test_the_record_names_the_weights_and_others_in_their_place_are_refused(
    tmp_path: Path,
) -> None:
    from edgedistill.tf.networks import (
        NetworkRecord,
        build,
        load_network,
        save_network,
        weights_digest,
    )

    network = build("efficientnet_lite2", 32, 2)
    record = NetworkRecord("efficientnet_lite2", 32, ["a", "b"], "none", [], "d")
    save_network(network, tmp_path, record)
    told = NETWORK.read(tmp_path)["weights_sha256"]
    assert told == weights_digest(network) == weights_digest(load_network(tmp_path)[0])
    head = network.get_layer("logits")
    kernel, bias = head.get_weights()
    bias[1] = np.nextafter(np.float32(0), np.float32(1))  # a single bit
    head.set_weights([kernel, bias])
    network.save_weights(tmp_path / WEIGHTS_FILE)
    with pytest.raises(ArtifactError, match=r"must hold the weights that network\.json beside it"):
        load_network(tmp_path)


def test_a_missing_network_is_an_artifact_error_that_names_the_file(tmp_path: Path) -> None:
    from edgedistill.tf.networks import load_network

    with pytest.raises(ArtifactError, match=r"network\.json is missing"):
        load_network(tmp_path)


def test_weights_of_another_network_are_refused_by_the_first_layer_that_does_not_fit() -> None:
    from edgedistill.tf.networks import build
    from edgedistill.tf.weights import load_lite, packaged_lite_weights

    network = build("efficientnet_lite1", 64, 3)
    other = packaged_lite_weights("efficientnet_lite2")
    # Widened by 1.1: 24 filters become 24 (26.4 rounds to 24), 40 become 48 (44 rounds up).
    with pytest.raises(WeightsError, match=r"does not fit efficientnet_lite1: layer block\d\d_"):
        load_lite(network, "efficientnet_lite1", other, with_head=False)


def test_weights_that_are_no_file_are_refused_before_anything_is_computed() -> None:
    from edgedistill.tf.weights import ensure_available

    with pytest.raises(WeightsError, match=r"/no/such\.h5 is no file"):
        ensure_available("efficientnet_b3", "/no/such.h5")


def test_a_broken_weights_file_is_one_sentence(tmp_path: Path) -> None:
    from edgedistill.tf.networks import build
    from edgedistill.tf.weights import load_pretrained

    file = tmp_path / "broken.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\nnot really")
    with pytest.raises(WeightsError, match="does not fit resnet101") as caught:
        load_pretrained(build("resnet101", 32, 2), "resnet101", str(file))
    assert "\n" not in str(caught.value)


def test_a_network_of_another_split_or_kind_is_refused(tmp_path: Path) -> None:
    from edgedistill.datasets import PackedDataset
    from edgedistill.tf.networks import (
        NetworkRecord,
        build,
        load_network_for,
        load_student_for,
        save_network,
    )

    def dataset(split_digest: str) -> PackedDataset:
        return PackedDataset(tmp_path, ["a", "b"], [], 64, (64,), "content", split_digest, {})

    network = build("efficientnet_lite2", 64, 2)
    save_network(
        network, tmp_path, NetworkRecord("efficientnet_lite2", 64, ["a", "b"], "none", [], "one")
    )
    load_network_for(dataset("one"), tmp_path, sizes_px=[96, 64])
    with pytest.raises(ArtifactError, match="comes from another split"):
        load_network_for(dataset("two"), tmp_path, sizes_px=[96, 64])
    with pytest.raises(ArtifactError, match=r"images of 96 or 260 px; got one for 64 px\."):
        load_network_for(dataset("one"), tmp_path, sizes_px=[96, 260])
    with pytest.raises(ArtifactError, match="must hold efficientnet_lite1; got efficientnet_lite2"):
        load_student_for(dataset("one"), tmp_path)


@pytest.mark.parametrize("arch", ["efficientnet_lite1", "resnet101"])
def test_a_file_that_holds_no_weights_is_refused_before_anything_is_computed(
    tmp_path: Path, arch: str
) -> None:
    from edgedistill.tf.weights import ensure_available

    file = tmp_path / "weights.h5"
    file.write_text("no weights")
    with pytest.raises(WeightsError, match=f"weights of {arch}"):
        ensure_available(arch, str(file))


def test_settings_and_networks_mean_the_same_by_imagenet_and_none_and_by_a_download() -> None:
    from edgedistill import settings
    from edgedistill.tf import weights

    assert (weights.IMAGENET, weights.RANDOM) == settings.WEIGHTS_WORDS
    assert set(weights._DOWNLOADS) == set(settings.DOWNLOADED_NETWORKS)
