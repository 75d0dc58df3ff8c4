"""Settings in words: values as they are typed, defaults, and the steps that they belong to."""

from edgedistill.declaration import DeclaredSetting, Value, declared_settings
from edgedistill.settings import STEP_SETTINGS, StepSettings


def settings_by_step() -> dict[str, list[DeclaredSetting]]:
    """Each setting once, under the first step that uses it; what all have under "every step"."""
    shared = declared_settings(StepSettings)
    groups = {"every step": shared}
    shown = {d.name for d in shared}
    for step, settings in STEP_SETTINGS.items():
        groups[step] = [d for d in declared_settings(settings) if d.name not in shown]
        shown.update(d.name for d in groups[step])
    return groups


def default_text(declared: DeclaredSetting, nothing: str = "left empty") -> str:
    """The default as it would be typed, "must be given", or `nothing` where it is empty."""
    if declared.default is None:
        return "must be given"
    return value_text(declared.default) or nothing


def value_text(value: Value) -> str:
    """A value as it would be typed."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"
