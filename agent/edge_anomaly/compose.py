"""Puts an agent together from the files that a config names."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import yaml

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.adapters.timed import timed
from edge_anomaly.core import Core
from edge_anomaly.errors import ConfigError
from edge_anomaly.files.config import Config, parse
from edge_anomaly.files.yaml_lines import Lines, written
from edge_anomaly.monitor import Monitor
from edge_anomaly.ports import Model
from edge_kernels import warm

__all__ = ["OUTWARD", "Parts", "assemble", "compose", "read_config"]

OUTWARD = ("reload", "swap", "rollback", "resend")  # what `operator` fulfils


class Parts(NamedTuple):
    """An agent, put together."""

    config: Config
    core: Core
    monitors: list[Monitor]


def read_config(path: Path) -> tuple[Config, str]:
    """A checked configuration and the digest of its file.

    Raises:
        ConfigError: It cannot be read or is wrong; names file, line and key.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: not UTF-8 text") from exc
    return parse(text, str(path)), hashlib.sha256(content).hexdigest()


def compose(path: Path, swapped: Mapping[str, str] | None = None) -> Parts:
    """The core with every model loaded and proven, and every kernel compiled that it will call.

    Args:
        path: Of the config.
        swapped: Folders that have taken over from those that the config names.

    Raises:
        ConfigError: The configuration is wrong.
        BundleError: A bundle cannot be trusted.
    """
    config, digest = read_config(path)
    return assemble(path, config, digest, swapped=swapped)


def assemble(
    path: Path,
    config: Config,
    digest: str,
    *,
    loaded: Mapping[tuple[str, str], Model] | None = None,
    swapped: Mapping[str, str] | None = None,
) -> Parts:
    """Like `compose`, for a config that has been read.

    Args:
        path: Of the config.
        config: What it says.
        digest: Of the file.
        loaded: Models that need not be loaded again, by digest of the bundle and runtime.
        swapped: Folders that have taken over from those that the config names.
    """
    monitors: list[Monitor] = []
    for index, watch in enumerate(config.models):
        folder = path.parent / (swapped or {}).get(watch.bundle, watch.bundle)
        bundle = read_bundle(folder)
        model = (loaded or {}).get((bundle.sha256, watch.runtime))
        if model is None:
            model = timed(load_model(bundle, folder, watch.runtime))
        try:
            monitors.append(Monitor(bundle, model, watch, config.inputs))
        except ConfigError as exc:
            first, *rest = exc.key
            key = (first, index, *rest) if first == "models" else exc.key
            raise _placed(exc, path, key) from exc
    # What a recipe calls is there already, since its bundle has answered golden inputs; what no
    # bundle calls need not be.
    warm(*{monitor.timeline.kernels for monitor in monitors})
    try:
        core = Core(
            config,
            monitors,
            version=version("edge-anomaly-agent"),
            config_sha256=digest,
            outward=OUTWARD,
        )
    except ConfigError as exc:
        raise _placed(exc, path, exc.key) from exc
    return Parts(config, core, monitors)


def _placed(error: ConfigError, path: Path, key: Sequence[str | int]) -> ConfigError:
    """`error` with file, line and key."""
    line = Lines(yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)).line(key)
    return ConfigError(f"{path}:{line}: {written(key)}: {error}")
