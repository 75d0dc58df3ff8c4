"""Run by mediapipe's own environment: what its ImageClassifier and its schema see in a file.

mediapipe and tfmot want different versions of absl-py, so this cannot run where the tests do:

    $EDGEDISTILL_MEDIAPIPE_PYTHON classify_with_mediapipe.py MODEL IMAGES.npz ANSWERS.json

IMAGES: arrays of uint8, (height, width, 3), RGB, each of its own size. ANSWERS: `categories`, for
each image the [index, name, score] that the file's own threshold lets pass; `all_categories`, the
same with that threshold overruled; `metadata`, the file's TFLite Metadata; `files`, the text of
each file packed behind it.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema
from mediapipe.tasks.python import BaseOptions, vision

# A number above 0 overrules the file's threshold; 0 and less leave it as it is.
EVERY_SCORE = 1e-6


def main(model_path: str, images_path: str, answers_path: str) -> None:
    images = list(np.load(images_path).values())
    model = Path(model_path).read_bytes()
    answers = {
        "categories": classified(model_path, images, None),
        "all_categories": classified(model_path, images, EVERY_SCORE),
        "metadata": metadata(model),
        "files": packed_files(model),
    }
    Path(answers_path).write_text(json.dumps(answers), encoding="utf-8")


def classified(model_path, images, score_threshold):
    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=model_path), score_threshold=score_threshold
    )
    with vision.ImageClassifier.create_from_options(options) as classifier:
        return [categories(classifier, image) for image in images]


def categories(classifier, image):
    pixels = mp.Image(mp.ImageFormat.SRGB, np.ascontiguousarray(image))
    (head,) = classifier.classify(pixels).classifications
    return [[c.index, c.category_name, c.score] for c in head.categories]


def metadata(model):
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    (buffer,) = (m.buffer for m in parsed.metadata if m.name == b"TFLITE_METADATA")
    data = bytes(bytearray(parsed.buffers[buffer].data))
    if not metadata_schema.ModelMetadata.ModelMetadataBufferHasIdentifier(data, 0):
        raise ValueError("the metadata have another identifier")
    root = metadata_schema.ModelMetadata.GetRootAsModelMetadata(data, 0)
    return plain(metadata_schema.ModelMetadataT.InitFromObj(root))


def plain(value):
    """Objects of the schema as dictionaries, what is absent left out."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, (list, np.ndarray)):
        return [plain(v) for v in value]
    if hasattr(value, "__dict__"):
        return {k: plain(v) for k, v in vars(value).items() if v is not None}
    return value.item() if isinstance(value, np.generic) else value


def packed_files(model):
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        return {i.filename: archive.read(i).decode("utf-8") for i in archive.infolist()}


if __name__ == "__main__":
    main(*sys.argv[1:])
