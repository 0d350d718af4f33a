"""Puts the page together, where the config asks for one and its libraries are there."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module

from edge_anomaly.core import Core
from edge_anomaly.errors import ConfigError
from edge_anomaly.files.config import Config
from edge_anomaly.monitor import Monitor
from edge_anomaly.ports import Bystander
from edge_anomaly.traces import Traces
from edge_anomaly.wall import Wall

__all__ = ["host_page"]

log = logging.getLogger(__name__)

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def host_page(
    config: Config,
    core: Core,
    monitors: Sequence[Monitor],
    token: str | None,
    stack: ExitStack,
) -> list[Bystander]:
    """The page as a bystander, which listens until `stack` is left; none without `web`.

    Args:
        config: Its `web` says where.
        core: Whose windows the page draws.
        monitors: The models at work.
        token: What a command from the page must bring.
        stack: Stops it.

    Raises:
        ConfigError: The address is taken, or the libraries are not installed.
    """
    page = config.page
    if page is None:
        return []
    try:
        adapter = import_module("edge_anomaly.adapters.web")
    except ImportError as exc:
        raise ConfigError(f"web: needs pip install 'edge-anomaly-agent[web]' ({exc})") from exc
    watched = set(core.devices)
    traces = Traces(
        [(monitor.bundle, [d for d in monitor.devices if d in watched]) for monitor in monitors]
    )
    core.watcher, core.forgetter = traces.add, traces.forget
    wall = Wall(
        config.base, [(device, config.alarms.group_of(device)) for device in sorted(core.devices)]
    )
    shown = stack.enter_context(
        adapter.WebPage(page.address, wall, traces, token=token if page.commands else None)
    )
    log.info("page on %s%s", shown.address, "" if page.commands else ", read-only")
    if page.address[0] not in LOOPBACK:
        log.warning("everybody who reaches %s may look at the page", shown.address)
    bystander: Bystander = shown
    return [bystander]
