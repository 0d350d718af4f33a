"""The model families, one file each, and the table that names them."""

from importlib import import_module

from edge_anomaly.errors import ConfigError
from edge_export.families.family import Family

__all__ = ["FAMILIES", "find"]

# The module that holds each family's FAMILY; loaded when asked for, since most load torch.
FAMILIES = {
    "const": "edge_export.families.linear",
    "gevae": "edge_export.families.gevae_bundle",
    "lstm-ae": "edge_export.families.lstm_ae_bundle",
    "pca": "edge_export.families.linear",
    "usad": "edge_export.families.usad",
    "vae": "edge_export.families.vae_bundle",
    "var1": "edge_export.families.linear",
}


def find(name: str) -> Family:
    """The family `name`, or for `a+b` an ensemble of several.

    Raises:
        ConfigError: There is none of that name, or its parts do not go together.
    """
    members = name.split("+")
    for member in members:
        if member not in FAMILIES:
            raise ConfigError(f"no family {member!r}; there are {', '.join(sorted(FAMILIES))}")
    if len(members) > 1:
        found: Family = import_module("edge_export.families.ensemble").ensemble(
            [find(member) for member in members]
        )
        return found
    module = import_module(FAMILIES[name])
    families: dict[str, Family] = {family.name: family for family in module.FAMILIES}
    return families[name]
