"""How a setting is declared, checked and read back: as a field of a class, with its constraint."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from edgedistill.errors import SettingError

Value = bool | int | float | str

_TRUE_AND_FALSE = {"true": True, "false": False}
_KINDS = {
    int: "a whole number", float: "a number", str: "text", dict: "a JSON object",
    list: "a JSON list",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What a setting means and which values it may take.

    Bounds are None where there is none; `choices` is empty where any value is allowed. A text, or
    each value of an object, must match `pattern` as a whole; `wanted` says in words what that is.
    """

    help: str
    unit: str = ""
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ".*"
    wanted: str = ""

    def range_text(self) -> str:
        """The range in words: "greater than 0 and at most 1", or "" for no limit."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        bounds = [
            f"{words} {bound:.10g}"
            for words, bound in (
                ("greater than", self.gt),
                ("at least", self.ge),
                ("less than", self.lt),
                ("at most", self.le),
            )
            if bound is not None
        ]
        return " and ".join(bounds)

    def admits(self, value: Value | dict[str, Any] | list[Any]) -> bool:
        """Whether `value`, of the right type already, lies in the range."""
        if self.choices:
            return value in self.choices
        if isinstance(value, str):
            return re.fullmatch(self.pattern, value, re.DOTALL) is not None
        if isinstance(value, dict):
            return self.pattern == ".*" or all(
                isinstance(inner, str) and self.admits(inner) for inner in value.values()
            )
        if isinstance(value, list):
            return True
        return (
            math.isfinite(value)
            and (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
        )


def setting(default: Value, help: str, **limits: Any) -> Any:
    """Declares a field with its default, one sentence of help, unit and range."""
    return field(default=default, metadata={"constraint": Constraint(help=help, **limits)})


def required(help: str) -> Any:
    """Declares a text field that has no default: it must be given."""
    return field(metadata={"constraint": Constraint(help=help)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings classes: checks each value when an instance is made.

    Raises:
        SettingError: a value has the wrong type or lies outside its range.
    """

    def __post_init__(self) -> None:
        for declared in declared_settings(type(self)):
            declared.check(getattr(self, declared.name))

    @classmethod
    def choose(cls, values: Mapping[str, Value]) -> Self:
        """The instance made from those of `values` that this class declares."""
        chosen: dict[str, Any] = {
            d.name: values[d.name] for d in declared_settings(cls) if d.name in values
        }
        return cls(**chosen)


@dataclass(frozen=True, kw_only=True)
class DeclaredSetting:
    """One setting, read back from its class: for flags, components, tables and checks.

    `default`, of this type, is None where the setting must be given. Beside settings it describes
    flags, and parameters of a pipeline, which may be a dict or a list too.
    """

    name: str
    type: type
    default: Any
    constraint: Constraint

    def parse(self, text: str) -> Any:
        """The value that `text`, as typed on a command line, stands for.

        Raises:
            SettingError: the text is no value of this setting's type or lies outside its range.
        """
        value: Any = text
        if self.type is bool:
            value = _TRUE_AND_FALSE.get(text.lower(), text)
        elif self.type is not str:
            read = json.loads if self.type in (dict, list) else self.type
            try:
                value = read(text)
            except ValueError:
                value = text
        self.check(value)
        return value

    def check(self, value: object) -> None:
        """Raises SettingError unless `value` has this setting's type and lies in its range."""
        well_typed = type(value) is self.type or (self.type is float and type(value) is int)
        if not well_typed or not self.constraint.admits(value):  # type: ignore[arg-type]
            raise SettingError(f"{self.name} must be {self.wanted()}; got {value}.")

    def help_text(self) -> str:
        """What it means, with unit and range, as KFP and --help show it."""
        limits = ", ".join(t for t in (self.constraint.unit, self.constraint.range_text()) if t)
        return f"{self.constraint.help} ({limits})" if limits else self.constraint.help

    def wanted(self) -> str:
        """What a value must be, in words: "true or false", "a whole number at least 1"."""
        if self.constraint.wanted:
            return self.constraint.wanted
        if self.type is bool:
            return "true or false"
        if self.constraint.choices:
            return self.constraint.range_text()
        kind = _KINDS[self.type]
        return f"{kind} {self.constraint.range_text()}".strip()


def declared_settings(settings: type[Settings]) -> list[DeclaredSetting]:
    """The settings of one class, inherited ones first."""
    return [
        DeclaredSetting(
            name=f.name,
            type=f.type,  # type: ignore[arg-type]
            default=None if f.default is dataclasses.MISSING else f.default,
            constraint=f.metadata["constraint"],
        )
        for f in dataclasses.fields(settings)
    ]
