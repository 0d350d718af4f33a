"""edge-agent: anomaly detection beside the machine.

The only module that knows every part: it reads the command line, composes, and turns
errors into one line and an exit status (0 done, 2 a file, bundle or broker is at fault).
"""

import argparse
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import msgspec
import shtab

from edge_anomaly import bundle_command, feed, replay, schema_command, simulate, status_command
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.label_file import LabelFile
from edge_anomaly.adapters.mqtt import MqttLink
from edge_anomaly.adapters.mqtt_dial import Identity
from edge_anomaly.adapters.store import SqliteStore
from edge_anomaly.adapters.systemd import Notifier
from edge_anomaly.adapters.vitals import Vitals
from edge_anomaly.compose import compose, read_config
from edge_anomaly.core import Core
from edge_anomaly.demo import command as demo
from edge_anomaly.errors import AgentError, ConfigError, StoreError
from edge_anomaly.event_log import EventLog, begin_logging
from edge_anomaly.files.config import Broker, Config, Secret
from edge_anomaly.hosting import host_page
from edge_anomaly.memory.keeper import Keeper, Pace, read_swapped
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.operator import Operator
from edge_anomaly.ports import Bystander  # noqa: TC001 - imported as all else is
from edge_anomaly.service import serve
from edge_kernels import warm

__all__ = ["main", "parser", "run"]

COMMANDS = (replay, demo, simulate, feed, bundle_command, schema_command, status_command)
EXAMPLES = """\
examples:
  edge-agent demo --for 60s                    see it work; needs nothing but the install
  edge-agent check --config plant.yaml         is the file right, are the bundles sound?
  edge-agent --config plant.yaml               run until SIGTERM or Ctrl-C
  edge-agent replay --config plant.yaml a.csv  the same alarms from a recording
  edge-agent --print-completion bash           completion for your shell
"""

log = logging.getLogger("edge_anomaly")


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit status."""
    top = parser()
    args = top.parse_args(argv)
    if args.run is None and args.config is None:
        top.print_help()
        return 2
    try:
        return int((args.run or run)(args))
    except AgentError as exc:
        # One line, whatever YAML, ONNX Runtime or torch had to say.
        sys.stderr.write(f"edge-agent: {' '.join(str(exc).split())}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(
        prog="edge-agent",
        description="Anomaly detection beside the machine: MQTT sensor topics in, alarms out.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=version("edge-anomaly-agent"))
    shtab.add_argument_to(top, "--print-completion")
    file = top.add_argument("--config", type=Path, metavar="FILE", help="run with this plant.yaml")
    file.complete = shtab.FILE  # type: ignore[attr-defined] # how shtab is told
    top.add_argument(
        "--log-format", choices=["console", "json"], default="console", help="of standard error"
    )
    top.add_argument("--verbose", action="store_true", help="say more on standard error")
    top.set_defaults(run=None)
    subparsers = top.add_subparsers(metavar="COMMAND")
    check = subparsers.add_parser("check", help="validate the config and its bundles, then stop")
    check.add_argument("--config", type=Path, required=True, metavar="FILE")
    check.set_defaults(run=_check)
    fill = subparsers.add_parser(
        "warm", help="compile every kernel into the cache, as when an image is built"
    )
    fill.set_defaults(run=_warm)
    for command in COMMANDS:
        command.register(subparsers)
    return top


def run(args: argparse.Namespace) -> int:
    """Serve the config until SIGTERM or SIGINT; exit status 0.

    Raises:
        AgentError: A file, bundle or the broker is at fault.
    """
    begin_logging(args.log_format, verbose=args.verbose)
    stop = _StopSignals()
    store, go_on = _store(args.config)
    parts = compose(args.config, read_swapped(store.notes()) if store else None)
    config, core, monitors = parts
    password = _secret(config.broker.password, args.config, "broker.password")
    token = _secret(None if config.page is None else config.page.token, args.config, "web.token")
    keeper = _keeper(config, core, store, go_on=go_on)
    with ExitStack() as stack:
        page = host_page(config, core, monitors, token, stack)
        keeper.recover()
        broker = _broker(config, stack)
        link = MqttLink(
            broker,
            Identity(config.client_id, core.will, password),
            core.subscriptions,
            stale=keeper.filters,
            watched=[name for name, _ in core.input_filters],
        )
        for monitor in monitors:
            manifest = monitor.bundle.manifest
            log.info("model %s %s on %s", manifest.name, manifest.version, monitor.model.provider)
        log.info("ready; alarms go to %s/event", config.base)
        notifier = Notifier(time.monotonic)
        notifier.ready(f"watching {len(core.devices)} devices")
        stack.callback(notifier.stopping)
        vitals = Vitals(keeper, link, config.base, time.monotonic)
        operator = Operator(
            args.config, parts, keeper, link, steady=time.monotonic, hung_up=stop.hung_up
        )
        bystanders: list[Bystander] = [operator, vitals, *page, EventLog(config.base), notifier]
        if config.keeping is not None:
            kept = args.config.parent / config.keeping.path
            bystanders.append(LabelFile(kept, core.annunciator.labels))
        serve(keeper, link, time.time_ns, time.monotonic, stop.asked, bystanders)
    log.info("stopped")
    return 0


def _check(args: argparse.Namespace) -> int:
    config, core, monitors = compose(args.config)
    _secret(config.broker.password, args.config, "broker.password")
    for topic, qos in core.subscriptions:
        sys.stdout.write(f"input    {topic} (QoS {qos})\n")
    for monitor in monitors:
        manifest = monitor.bundle.manifest
        watched = sum(monitor.row(device) is not None for device in monitor.devices)
        sys.stdout.write(
            f"model    {manifest.name} {manifest.version}: {watched} devices, "
            f"{len(monitor.signals)} signals, on {monitor.model.provider}\n"
        )
    sys.stdout.write(f"alarms   {config.base}/event\n")
    if config.page is not None:
        sys.stdout.write(f"page     http://{config.page.listen}\n")
    sys.stdout.write(f"{args.config}: all right\n")
    return 0


def _warm(_args: argparse.Namespace) -> int:
    began = time.perf_counter()
    warm()
    sys.stdout.write(f"every kernel is compiled, in {time.perf_counter() - began:.1f} s\n")
    return 0


class _StopSignals:
    """Whether SIGTERM or SIGINT has come; a second one ends the process at once. And SIGHUP."""

    def __init__(self) -> None:
        self._asked = self._hung_up = False
        signal.signal(signal.SIGHUP, self._hang_up)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def asked(self) -> bool:
        """Whether somebody wants us to stop."""
        return self._asked

    def hung_up(self) -> bool:
        """Whether SIGHUP has come since the last call."""
        found, self._hung_up = self._hung_up, False
        return found

    def _hang_up(self, _number: int, _frame: object) -> None:
        self._hung_up = True

    def _take(self, number: int, _frame: object) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)


def _store(path: Path) -> tuple[SqliteStore | None, bool]:
    """Where the config has state kept, and whether to go on when the disk refuses."""
    kept = read_config(path)[0].keeping
    if kept is None:
        return None, False
    go_on = kept.on_failure == "continue"
    try:
        return SqliteStore(path.parent / kept.path, synchronous=kept.synchronous), go_on
    except StoreError as exc:
        if not go_on:
            raise
        log.error("%s; going on without, a restart begins anew", exc)  # noqa: TRY400 - no trace
        return None, go_on


def _keeper(config: Config, core: Core, store: SqliteStore | None, *, go_on: bool) -> Keeper:
    """The core with a memory that outlives us, where there is a place for it."""
    kept = config.keeping
    if kept is None:
        log.warning("no `store` in the config: after a restart all windows begin anew")
    pace = None
    if kept is not None:
        pace = Pace(commit=kept.commit / 1e9, checkpoint=kept.checkpoint / 1e9)
    return Keeper(core, Outbox(config.base), store, pace=pace, go_on=go_on)


def _broker(config: Config, stack: ExitStack) -> Broker:
    """The broker to connect to, started here where it is the embedded one."""
    if not config.broker.embedded:
        return config.broker
    url = stack.enter_context(EmbeddedBroker()).url
    log.info("embedded broker on %s", url)
    return msgspec.structs.replace(config.broker, url=url)


def _secret(secret: Secret | None, config: Path, key: str) -> str | None:
    if secret is None:
        return None
    if secret.env is not None:
        if secret.env not in os.environ:
            raise ConfigError(f"{config}: {key}: variable {secret.env} is not set")
        return os.environ[secret.env]
    file = config.parent / (secret.file or "")
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{config}: {key}: {file}: {exc}") from exc
