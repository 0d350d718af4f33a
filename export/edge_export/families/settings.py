"""A family's settings: a preset, changed by a file and by the command line."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from edge_anomaly.errors import ConfigError
from edge_export.families.ensemble import Mixed
from edge_export.families.family import Family

__all__ = ["settings"]


def settings(
    family: Family,
    preset: str,
    file: Path | None = None,
    given: Mapping[str, Any] | None = None,
    words: Sequence[str] = (),
) -> Any:  # noqa: ANN401 - of the family's own type
    """The preset with what the file says, then the options, then the words `key=value`.

    Raises:
        ConfigError: There is no such preset or setting, or a value does not do; names it.
    """
    if preset not in family.presets:
        known = ", ".join(sorted(family.presets))
        raise ConfigError(f"--preset: {family.name} has no {preset!r}; there are {known}")
    config = family.presets[preset]
    if file is not None:
        config = _changed(family, config, _read(file), str(file))
    config = _changed(family, config, dict(given or {}), "options")
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set: expected key=value, got {word!r}")
        config = _changed(family, config, {key: yaml.safe_load(value)}, "--set")
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ConfigError(f"{file}: {exc}") from exc
    if not isinstance(body, dict):
        raise ConfigError(f"{file}: expected settings, one `key: value` a line")
    return body


def _changed(family: Family, config: Any, values: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - a family's
    if isinstance(config, Mixed):
        return _of_members(family, config, values, where)
    names = [field.name for field in dataclasses.fields(config)]
    for key in values:
        if key not in names:
            known = ", ".join(names)
            raise ConfigError(f"{where}: {family.name} has no setting {key!r}; there are {known}")
    try:
        whole = {name: getattr(config, name) for name in names} | dict(values)
        # Not strictly: to YAML 1.1, 1e-4 without a point is a text.
        return msgspec.convert(whole, type(config), strict=False)
    except (msgspec.ValidationError, ValueError) as exc:
        raise ConfigError(f"{where}: {exc}") from exc


def _of_members(family: Family, config: Mixed, values: Mapping[str, Any], where: str) -> Mixed:
    """Settings of an ensemble: `member.key`, `how`, `votes`, or a key of all that have it."""
    own = {key: value for key, value in values.items() if key in {"how", "votes"}}
    members = dict(config.members)
    for key, value in values.items():
        if key in own:
            continue
        member, dot, name = key.partition(".")
        chosen = [member] if dot else [m for m, c in members.items() if hasattr(c, key)]
        if not chosen or not set(chosen) <= members.keys():
            every = (f"{m}.{f.name}" for m, c in members.items() for f in dataclasses.fields(c))
            known = ", ".join(("how", "votes", *every))
            raise ConfigError(f"{where}: {family.name} has no setting {key!r}; there are {known}")
        for one in chosen:
            members[one] = _changed(family, members[one], {name if dot else key: value}, where)
    return dataclasses.replace(config, members=members, **own)
