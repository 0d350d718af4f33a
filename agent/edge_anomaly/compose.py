"""Puts an agent together from the files that a config names."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import yaml

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.adapters.timed import timed
from edge_anomaly.config import Config, parse
from edge_anomaly.core import Core
from edge_anomaly.errors import ConfigError
from edge_anomaly.monitor import Monitor
from edge_anomaly.yaml_lines import Lines, written

__all__ = ["compose", "read_config"]


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


def compose(path: Path) -> tuple[Config, Core, list[Monitor]]:
    """The core with every model loaded and proven.

    Raises:
        ConfigError: The configuration is wrong.
        BundleError: A bundle cannot be trusted.
    """
    config, digest = read_config(path)
    monitors: list[Monitor] = []
    for index, watch in enumerate(config.models):
        folder = path.parent / watch.bundle
        bundle = read_bundle(folder)
        model = timed(load_model(bundle, folder, watch.runtime))
        try:
            monitors.append(Monitor(bundle, model, watch, config.inputs))
        except ConfigError as exc:
            first, *rest = exc.key
            key = (first, index, *rest) if first == "models" else exc.key
            raise _placed(exc, path, key) from exc
    try:
        core = Core(config, monitors, version=version("edge-anomaly-agent"), config_sha256=digest)
    except ConfigError as exc:
        raise _placed(exc, path, exc.key) from exc
    return config, core, monitors


def _placed(error: ConfigError, path: Path, key: Sequence[str | int]) -> ConfigError:
    """`error` with file, line and key."""
    line = Lines(yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)).line(key)
    return ConfigError(f"{path}:{line}: {written(key)}: {error}")
