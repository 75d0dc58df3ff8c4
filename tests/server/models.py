"""Holds a body against the models of kfp-server-api, as a server does that knows no other field."""

import re
from datetime import datetime
from typing import Any

import kfp_server_api


class UnknownFieldError(ValueError):
    """The body has a field that the model has not."""


def check_body(body: Any, model_name: str) -> None:
    """Raises ValueError, in the words of protojson, unless the body is of that model."""
    model = getattr(kfp_server_api, model_name)
    values = getattr(model, "allowable_values", None)
    if values is not None:
        if body not in values:
            raise ValueError(f'invalid value for enum type: "{body}"')
        return
    if not isinstance(body, dict):
        raise ValueError(f"unexpected token {body!r}")
    types = {json_name: model.openapi_types[n] for n, json_name in model.attribute_map.items()}
    for name, value in body.items():
        if name not in types:
            raise UnknownFieldError(f'proto: (line 1:1): unknown field "{name}"')
        _check_value(name, value, types[name])


def _check_value(name: str, value: Any, kind: str) -> None:
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        for one in value:
            _check_value(name, one, inner.group(1))
    elif inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        for one in value.values():
            _check_value(name, one, inner.group(1))
    elif kind == "object":
        return
    elif kind == "datetime":
        datetime.fromisoformat(value)
    elif kind in ("str", "bool", "int", "float"):
        # Whole numbers of 64 bits are texts in the models, and either in JSON.
        kinds: dict[str, tuple[type, ...]] = {
            "str": (str, int), "bool": (bool,), "int": (int,), "float": (int, float)
        }  # fmt: skip
        allowed = kinds[kind]
        if not isinstance(value, allowed) or (kind == "str" and isinstance(value, bool)):
            raise ValueError(f"invalid value for {kind} field {name}: {value!r}")
    else:
        check_body(value, kind)


def check_parameters(values: dict[str, Any], declared: dict[str, Any]) -> None:
    """Raises ValueError unless a run may start with these, by the rules of KFP's server."""
    kinds = {"BOOLEAN": bool, "STRING": str, "STRUCT": dict, "LIST": list}
    for name, parameter in declared.items():
        has_default = "defaultValue" in parameter or parameter.get("isOptional")
        if name not in values and not has_default:
            raise ValueError(
                f"parameter {name} is not optional, yet has neither default value nor user "
                "provided value"
            )
    for name, value in values.items():
        if name not in declared:
            raise ValueError(f"parameter {name} is not an input of the pipeline")
        kind = declared[name]["parameterType"]
        wanted = kinds.get(kind, (int, float))
        if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
            raise ValueError(f"input parameter {name} requires type {kind}, but got {value!r}")
