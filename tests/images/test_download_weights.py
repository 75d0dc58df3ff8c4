"""The script that fetches ImageNet weights into the image, against a real server."""

import hashlib
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "images" / "train" / "download_weights.py"
B3 = "efficientnetb3_notop.h5"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("download_weights", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """An empty folder, and the URL at which it is served."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_of_the_right_checksum_lies_in_the_folder_readable_by_everybody(
    script: Any, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    served, url = mirror
    content = bytes(range(256)) * 10_000  # two chunks and a half
    (served / "weights.h5").write_bytes(content)
    # The MD5 is that of the same bytes by another way than the script's.
    digest = hashlib.new("md5", content, usedforsecurity=False).hexdigest()
    target = tmp_path / "target"
    target.mkdir()
    wanted = script.Download(url + "/", "weights.h5", digest)
    assert script.fetch(wanted, target) == 2_560_000
    assert [p.name for p in target.iterdir()] == ["weights.h5"]
    assert (target / "weights.h5").read_bytes() == content
    assert (target / "weights.h5").stat().st_mode & 0o777 == 0o644


def test_a_file_of_another_checksum_is_refused_and_leaves_nothing(
    script: Any, mirror: tuple[Path, str], tmp_path: Path
) -> None:
    served, url = mirror
    (served / "weights.h5").write_bytes(b"hello")
    target = tmp_path / "target"
    target.mkdir()
    # md5 of "hello", a widely known value.
    with pytest.raises(ValueError, match="has MD5 5d41402abc4b2a76b9719d911017c592, not 0000"):
        script.fetch(script.Download(url + "/", "weights.h5", "0" * 32), target)
    assert list(target.iterdir()) == []


def run_script(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_another_file_under_the_right_name_ends_the_build_with_a_sentence(
    mirror: tuple[Path, str], tmp_path: Path
) -> None:
    served, url = mirror
    (served / B3).write_bytes(b"hello")
    done = run_script("--wanted", "true", "--from", url, str(tmp_path / "target"))
    assert done.returncode == 1
    assert done.stderr == (
        f"{B3} could not be had: {url}/{B3} has MD5 5d41402abc4b2a76b9719d911017c592, not "
        "af6d107764bb5b1abb91932881670226. Without it: --build-arg DOWNLOADED_WEIGHTS=false\n"
    )
    assert list((tmp_path / "target").iterdir()) == []


def test_a_file_that_is_not_there_ends_the_build_with_a_sentence(
    mirror: tuple[Path, str], tmp_path: Path
) -> None:
    done = run_script("--wanted", "true", "--from", mirror[1], str(tmp_path / "target"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{B3} could not be had: HTTP Error 404")
    assert done.stderr.count("\n") == 1


def test_left_out_weights_are_named_and_their_folder_is_there(tmp_path: Path) -> None:
    done = run_script("--wanted", "false", str(tmp_path / "a" / "target"))
    assert done.returncode == 0
    assert done.stdout == (
        f"left out: {B3}, resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5\n"
    )
    assert list((tmp_path / "a" / "target").iterdir()) == []


def test_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    done = run_script("--wanted", "yes", str(tmp_path / "target"))
    assert done.returncode == 2
    assert not (tmp_path / "target").exists()


@pytest.mark.slow
def test_places_and_checksums_are_those_of_tf_keras(script: Any) -> None:
    from edgedistill.tf.runtime import keras
    from edgedistill.tf.weights import _DOWNLOADS

    applications = keras.src.applications
    b3, resnet = script.DOWNLOADS
    assert b3.folder_url == applications.efficientnet.BASE_WEIGHTS_PATH
    assert b3.md5 == applications.efficientnet.WEIGHTS_HASHES["b3"][1]
    assert resnet.folder_url == applications.resnet.BASE_WEIGHTS_PATH
    assert resnet.md5 == applications.resnet.WEIGHTS_HASHES["resnet101"][1]
    assert [d.name for d in script.DOWNLOADS] == [d.file_name for d in _DOWNLOADS.values()]


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["efficientnet_b3", "resnet101"])
def test_weights_in_the_images_folder_are_loaded_without_any_download(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from edgedistill.tf import weights
    from edgedistill.tf.networks import build, feature_extractor

    download = weights._DOWNLOADS[arch]
    made = download.build(include_top=False, weights=None)
    draw = np.random.default_rng(0)
    made.set_weights([draw.uniform(0.1, 0.9, w.shape) for w in made.get_weights()])
    made.save_weights(tmp_path / download.file_name)
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("urllib.request.urlopen", None)  # whoever asks the network fails
    weights.ensure_available(arch, "imagenet")
    network = build(arch, 64, 2)
    weights.load_pretrained(network, arch, "imagenet")
    # B3's own normalisation is set afterwards, so the last layer stands for all.
    have, want = feature_extractor(network).get_weights()[-1], made.get_weights()[-1]
    np.testing.assert_array_equal(have, want)
