"""Several networks asked as one: the mean of their softened probabilities, safe at any logits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from edgedistill.artifacts import NETWORK, PIXELS_FOLDER, TEACHERS
from edgedistill.datasets import PackedDataset, Photo, write_dataset_tables
from edgedistill.errors import ArtifactError
from tests.tf.tiny import packed, tiny_network

pytestmark = pytest.mark.slow

SIZES_PX = (16, 24)


def photos_at(size_px: int, n_photos: int) -> NDArray[np.uint8]:
    draw = np.random.default_rng(size_px)
    return draw.integers(0, 256, (n_photos, size_px, size_px, 3)).astype(np.uint8)


def constant_network(*logits: float) -> Any:
    """Answers every photo of 16 px with these logits."""
    from edgedistill.tf.runtime import keras

    inputs = keras.Input((16, 16, 3))
    features = keras.layers.GlobalAveragePooling2D()(inputs)
    network = keras.Model(inputs, keras.layers.Dense(len(logits))(features))
    network.set_weights([np.zeros((3, len(logits))), np.array(logits)])
    return network


@pytest.fixture(scope="module")
def networks() -> list[Any]:
    """Three: of 16 px, 24 px and 16 px, whose answers differ."""
    return [tiny_network(size) for size in (16, 24, 16)]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_one_teacher_is_its_own_log_softmax_bit_for_bit(
    networks: list[Any], temperature: float
) -> None:
    from edgedistill.tf.folded_pass import FoldedPass
    from edgedistill.tf.runtime import tf
    from edgedistill.tf.teachers import Teachers

    images = photos_at(16, 5)
    logits = FoldedPass(networks[0])(images.astype(np.float32), training=False)
    answers = Teachers((networks[0],)).softened([images], temperature)
    np.testing.assert_array_equal(answers, tf.nn.log_softmax(logits / temperature))


def test_several_teachers_are_the_mean_of_their_probabilities_each_at_its_own_size(
    networks: list[Any],
) -> None:
    from edgedistill.tf.teachers import Teachers

    teachers = Teachers(tuple(networks))
    assert teachers.sizes_px == SIZES_PX
    images = {size: photos_at(size, 5) for size in SIZES_PX}
    answers = teachers.softened([images[size] for size in SIZES_PX], 3.0).numpy()
    logits = [
        network(images[size].astype(np.float32), training=False).numpy().astype(np.float64)
        for network, size in zip(networks, (16, 24, 16), strict=True)
    ]
    expected = np.mean([softmax(of_one / 3.0, axis=1) for of_one in logits], axis=0)
    np.testing.assert_allclose(np.exp(answers), expected, rtol=1e-5)
    # None of them alone: their answers differ by more than the tolerance.
    assert np.abs(softmax(logits[0] / 3.0, axis=1) - expected).max() > 1e-3
    assert answers.dtype == np.float32


def test_answers_far_apart_lose_no_class() -> None:
    from edgedistill.tf.teachers import Teachers

    images = photos_at(16, 1)
    # exp(-1000) is 0 in any float; the logarithm of the mean is still told: of the second class
    # log((e**-1000 + e**-2000) / 2) = -1000 - log 2, of the third -3000 of both, so -3000.
    teachers = Teachers((constant_network(0, -1000, -3000), constant_network(0, -2000, -3000)))
    answers = teachers.softened([images], 1.0).numpy()
    np.testing.assert_allclose(answers, [[0.0, -1000 - np.log(2), -3000]], rtol=1e-6)


def test_a_temperature_softens_each_teacher_before_the_mean() -> None:
    from edgedistill.tf.teachers import Teachers

    # At T = 2, odds of e**(2/2) and e**(4/2) to one.
    teachers = Teachers((constant_network(2, 0), constant_network(0, 4)))
    (answer,) = np.exp(teachers.softened([photos_at(16, 1)], 2.0).numpy())
    first = (np.e / (np.e + 1) + 1 / (1 + np.e**2)) / 2
    np.testing.assert_allclose(answer, [first, 1 - first], rtol=1e-6)


def test_a_graph_gives_what_the_call_gives_of_bytes_and_of_floats(networks: list[Any]) -> None:
    from edgedistill.tf.runtime import tf
    from edgedistill.tf.teachers import Teachers

    teachers = Teachers(tuple(networks))
    images = [photos_at(size, 4) for size in SIZES_PX]
    expected = teachers.softened(images, 4.0)
    for dtype in (tf.uint8, tf.float32):
        # The graph cannot tell the sizes by itself.
        signature = [tf.TensorSpec((None, None, None, 3), dtype)] * 2
        graph = tf.function(
            lambda small, large: teachers.softened([small, large], 4.0),
            input_signature=signature,
            autograph=False,
        )
        given = [tf.cast(i, dtype) for i in images]
        np.testing.assert_allclose(graph(*given), expected, atol=1e-5)


def test_asking_draws_no_dropout_and_leaves_the_statistics(networks: list[Any]) -> None:
    from edgedistill.tf.teachers import Teachers

    before = [w.copy() for w in networks[0].get_weights()]
    images = photos_at(16, 8)
    first, second = (Teachers((networks[0],)).softened([images], 1.0).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for was, now in zip(before, networks[0].get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_batch_for_each_size_is_wanted_and_no_more(networks: list[Any]) -> None:
    from edgedistill.tf.teachers import Teachers

    with pytest.raises(ValueError, match=r"zip\(\)"):
        Teachers(tuple(networks)).softened([photos_at(16, 2)], 1.0)


def test_batches_in_another_order_than_the_sizes_are_refused_in_a_graph_too(
    networks: list[Any],
) -> None:
    from edgedistill.tf.runtime import tf
    from edgedistill.tf.teachers import Teachers

    signature = [tf.TensorSpec((None, None, None, 3), tf.uint8)] * 2
    graph = tf.function(
        lambda *images: Teachers(tuple(networks)).softened(images, 1.0),
        input_signature=signature,
        autograph=False,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
        graph(photos_at(24, 2), photos_at(16, 2))


def dataset(folder: Path, n_photos: int, sizes_px: Sequence[int] = SIZES_PX) -> PackedDataset:
    for size in sizes_px:
        packed(folder / PIXELS_FOLDER / str(size), photos_at(size, n_photos))
    photos = [Photo(f"{n}.png", 0, "a", 9, 9, f"{n:064x}") for n in range(n_photos)]
    write_dataset_tables(
        folder, photos, ["a", "b", "c"], student_px=sizes_px[0], teacher_sizes_px=sizes_px[1:],
        digest="d", split_digest="one",
    )  # fmt: skip
    return PackedDataset.open(folder)


def test_all_photos_are_answered_in_order_as_logits_of_the_mean(
    tmp_path: Path, networks: list[Any]
) -> None:
    from edgedistill.tf.teachers import Teachers

    n_photos = 70  # more than are asked at once
    teachers = Teachers(tuple(networks))
    answers = teachers.log_probabilities(dataset(tmp_path, n_photos))
    at_once = teachers.softened([photos_at(size, n_photos) for size in SIZES_PX], 1.0)
    np.testing.assert_allclose(answers, at_once, atol=1e-5)
    # What takes logits may take these: their softmax is the mean of the probabilities.
    np.testing.assert_allclose(log_softmax(answers, axis=1), answers, atol=1e-5)


def save_teachers(folder: Path, sizes_px: dict[str, int]) -> list[Any]:
    from edgedistill.tf.networks import NetworkRecord, build, save_network

    networks = []
    for arch, size in sizes_px.items():
        (folder / arch).mkdir(parents=True)
        networks.append(build(arch, size, 3))
        record = NetworkRecord(arch, size, ["a", "b", "c"], "none", [], "one")
        save_network(networks[-1], folder / arch, record)
    TEACHERS.write(
        folder, {"archs": list(sizes_px), "val_accuracy": 0.5, "val_loss": 1.0, "label_review": {}}
    )
    return networks


def test_teachers_are_loaded_in_the_order_in_which_they_were_named(tmp_path: Path) -> None:
    from edgedistill.tf.teachers import load_teachers_for

    photos = dataset(tmp_path / "val", 2, (32, 64))
    sizes_px = {"efficientnet_lite2": 64, "efficientnet_lite1": 64}  # not by the alphabet
    saved = save_teachers(tmp_path / "teachers", sizes_px)
    teachers = load_teachers_for(photos, tmp_path / "teachers")
    assert [network.name for network in teachers.networks] == list(sizes_px)
    assert teachers.sizes_px == (64,)
    for was, now in zip(saved, teachers.networks, strict=True):
        np.testing.assert_array_equal(was(photos_at(64, 1)), now(photos_at(64, 1)))


def test_teachers_of_another_split_or_size_or_gone_are_refused(tmp_path: Path) -> None:
    from edgedistill.tf.teachers import load_teachers_for

    photos = dataset(tmp_path / "val", 2, (32, 64))
    with pytest.raises(ArtifactError, match=r"teachers\.json is missing"):
        load_teachers_for(photos, tmp_path / "nowhere")
    # Packed for the student alone.
    save_teachers(tmp_path / "teachers", {"efficientnet_lite2": 32})
    with pytest.raises(ArtifactError, match=r"images of 64 px; got one for 32 px\."):
        load_teachers_for(photos, tmp_path / "teachers")
    folder = tmp_path / "teachers/efficientnet_lite2"
    NETWORK.write(folder, {**NETWORK.read(folder), "img_size_px": 64, "data_digest": "two"})
    with pytest.raises(ArtifactError, match="efficientnet_lite2 comes from another split"):
        load_teachers_for(photos, tmp_path / "teachers")
    folder.rename(tmp_path / "away")
    with pytest.raises(ArtifactError, match=r"efficientnet_lite2/network\.json is missing"):
        load_teachers_for(photos, tmp_path / "teachers")
