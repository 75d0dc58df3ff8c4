"""From the words of a command line to a value for each parameter of a compiled pipeline.

All of them are sent, defaults too: KFP's compare page shows those alone that were sent.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from edgedistill.cluster_parameters import CLUSTER_VARIANTS
from edgedistill.declaration import declared_settings
from edgedistill.errors import SettingError
from edgedistill.presets import unknown_name_sentence
from edgedistill.server.compiled import CompiledPipeline, Parameter
from edgedistill.settings import STEP_SETTINGS

_PLACES = {"data_dir": ("sample",), "unknown_uri": ("sample", ""), "baseline_uri": ("",),
           "export_uri": ("",), "checkpoint_uri": ("",)}  # fmt: skip
_PYTHON_TYPES: dict[str, type] = {
    "BOOLEAN": bool, "NUMBER_INTEGER": int, "NUMBER_DOUBLE": float, "STRING": str, "STRUCT": dict,
    "LIST": list,
}  # fmt: skip
_DECLARED = CLUSTER_VARIANTS["pvc"].parameters()  # it has those of every other variant too


def every_parameter(
    compiled: CompiledPipeline, texts: Mapping[str, str], flags: Collection[str]
) -> dict[str, Any]:
    """A value for each parameter: the given one, else the default.

    Args:
        compiled: the pipeline whose parameters they are.
        texts: what was given, as typed, by name.
        flags: names of the command's own flags, which a slip may have meant.

    Raises:
        SettingError: a name is unknown, a value is missing or not allowed.
    """
    declared = compiled.parameters
    for name in texts:
        if name not in declared:
            raise SettingError(unknown_name_sentence(name, [*declared, *flags]))
    given = {name: _value(declared[name], text) for name, text in texts.items()}
    defaults = {p.name: _typed(p, p.default) for p in declared.values() if p.default is not None}
    values = {**defaults, **given}
    missing = [p.name for p in declared.values() if p.name not in values and not p.is_optional]
    if missing:
        flags_missing = " ".join(f"--{name} VALUE" for name in missing)
        raise SettingError(f"{' and '.join(missing)} must be given: add {flags_missing}.")
    for name in _PLACES.keys() & given.keys():
        _check_place(name, given[name], compiled)
    _check_together(values)
    return values


def _value(parameter: Parameter, text: str) -> Any:
    """The value that the text stands for, checked as the setting of that name is."""
    setting = _DECLARED.get(parameter.name)
    if setting is not None and setting.type is _PYTHON_TYPES.get(parameter.type):
        return _typed(parameter, setting.parse(text))
    if parameter.type == "STRING":
        return text
    try:
        return _typed(parameter, json.loads(text.lower() if parameter.type == "BOOLEAN" else text))
    except ValueError:
        raise SettingError(
            f"{parameter.name} must be {_wanted(parameter.type)}; got {text}."
        ) from None


def _typed(parameter: Parameter, value: Any) -> Any:
    """The value as JSON has to hold it for that type; YAML holds whole numbers as floats.

    Raises:
        ValueError: it is of another type.
    """
    kind = parameter.type
    if kind == "NUMBER_INTEGER" and _is_number(value) and float(value).is_integer():
        return int(value)
    if kind == "NUMBER_DOUBLE" and _is_number(value):
        return float(value)
    python_type = _PYTHON_TYPES.get(kind)
    if python_type is not None and isinstance(value, python_type):
        return value
    raise ValueError(f"{value!r} is no {kind}")


def _is_number(value: Any) -> bool:
    finite = isinstance(value, int | float) and value not in (float("inf"), float("-inf"))
    return finite and not isinstance(value, bool) and value == value


def _wanted(kind: str) -> str:
    return {
        "BOOLEAN": "true or false",
        "NUMBER_INTEGER": "a whole number",
        "NUMBER_DOUBLE": "a number",
        "STRUCT": 'a JSON object, such as \'{"key": "value"}\'',
        "LIST": "a JSON list, such as '[\"value\"]'",
    }.get(kind, f"a value of the type {kind}, which no command line can give")


def _check_place(name: str, text: str, compiled: CompiledPipeline) -> None:
    """Refuses a folder of this machine, as the steps run on others, or one that none mounts."""
    if text in _PLACES[name] or "://" in text:
        return
    if text[:1] == "/" and not compiled.mounts_volumes:
        raise SettingError(
            f"{name} {text}: this pipeline mounts no volume; take pipeline-pvc.yaml, or a place in "
            "a bucket (gs://, s3://)."
        )
    if text[:1] != "/":
        raise SettingError(
            f"{name} must be in a bucket (gs://, s3://) or the absolute path of a mounted volume, "
            f"as the steps do not run on this machine; got {text}."
        )


def _check_together(values: Mapping[str, Any]) -> None:
    """Checks what settings must be together, such as fractions that add up to 1."""
    for step in STEP_SETTINGS.values():
        if {d.name for d in declared_settings(step)} <= values.keys():
            step.choose(values)
