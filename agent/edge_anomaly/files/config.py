"""plant.yaml, as types. Each key of the file is a field here and nothing else."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
import yaml

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.duration import Duration, decode
from edge_anomaly.files.duration import lasting as _lasting
from edge_anomaly.files.inputs import AnyInput, Input, Time
from edge_anomaly.files.rules import Alarms, Clear, Commands, Raise
from edge_anomaly.files.yaml_lines import Lines

__all__ = [
    "AGGREGATES",
    "Aggregate",
    "Alarms",
    "Broker",
    "Clear",
    "Commands",
    "Config",
    "Duration",
    "HomeAssistant",
    "Input",
    "Model",
    "Raise",
    "Secret",
    "Store",
    "Time",
    "Tls",
    "Web",
    "parse",
]

AGGREGATES = ("last", "mean", "min", "max")
SCHEMES = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}

Word = Annotated[str, msgspec.Meta(pattern=r"^[^/+#\s]+(?!\s)$", max_length=128)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Aggregate = Literal["last", "mean", "min", "max"]


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a secret is; it never stands in the file itself."""

    env: Text | None = None
    file: Text | None = None

    def __post_init__(self) -> None:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected either {env: VARIABLE} or {file: PATH}")


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Certificates; without them the system's authorities are trusted."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the readings come from and the alarms go to."""

    url: str  # mqtt | mqtts | ws | wss; `embedded:` starts one in this process
    username: str | None = None
    password: Secret | None = None
    tls: Tls | None = None
    client_id: Word | None = None  # default: edge-agent-<site>-<agent>
    session_expiry: Duration = _lasting("1h")
    keepalive: Duration = _lasting("15s")
    protocol: Literal["auto", "5", "3.1.1"] = "auto"  # auto: 5, and 3.1.1 where that fails
    reader: Literal["tap", "callback"] = "tap"  # how messages are taken off paho's socket

    def __post_init__(self) -> None:
        if self.embedded:
            return
        url = urlsplit(self.url)
        if url.username or url.password:  # first: no other complaint may repeat a password
            raise ValueError("put the user in `username` and the password in a file or variable")
        if url.scheme not in SCHEMES or not url.hostname:
            kinds = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ValueError(f"broker url must be {kinds}HOST[:PORT] or embedded:, got {self.url}")
        _ = url.port  # raises ValueError where it is not a number in range

    @property
    def embedded(self) -> bool:
        """Whether the agent brings its own broker."""
        return self.url == "embedded:"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        url = urlsplit(self.url)
        return url.hostname or "", url.port or SCHEMES[url.scheme]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bundle and the devices it watches."""

    bundle: Text  # folder, relative to this file
    devices: Annotated[list[Text], msgspec.Meta(min_length=1)]  # ids or patterns: c-*
    signals: dict[str, str] = {}  # the plant's name: the model's name, where they differ
    # auto: the graph of 8 bits where the bundle has one, else that of float32
    runtime: Literal["auto", "onnx", "onnx-int8", "torchscript"] = "auto"
    # What stands for several readings in a slot: of all signals, or by signal and `default`.
    aggregate: Aggregate | dict[str, Aggregate] = "last"

    @property
    def aggregates(self) -> dict[str, Aggregate]:
        """What stands for several readings, by signal; `default` is for those not named."""
        return {"default": self.aggregate} if isinstance(self.aggregate, str) else self.aggregate

    def watches(self, device: str) -> bool:
        """Whether one of the patterns names `device`."""
        return any(fnmatchcase(device, pattern) for pattern in self.devices)


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where state, journal and outbox are kept over a crash."""

    path: Text  # folder, relative to this file
    on_failure: Literal["stop", "continue"] = "stop"  # when the disk is full or read-only
    commit: Duration = _lasting("100ms")  # at the latest; how long an acknowledgement may wait
    checkpoint: Duration = _lasting("30s")  # how much must be taken again after a crash
    synchronous: Literal["full", "normal"] = "full"  # outlive a loss of power, or only a crash


class HomeAssistant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Have Home Assistant find the devices by itself."""

    prefix: Word = "homeassistant"


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The page, /healthz, /readyz and /metrics."""

    listen: Text  # HOST:PORT; 127.0.0.1 is this machine only, 0.0.0.0 everybody
    commands: bool = False  # acknowledge and shelve from the page; needs the token
    token: Secret | None = None

    def __post_init__(self) -> None:
        host, port = self.address  # raises ValueError where it is none
        if not host or not 0 <= port < 1 << 16:
            raise ValueError(f"listen must be HOST:PORT, got {self.listen!r}")
        if self.commands and self.token is None:
            raise ValueError("commands from the page need a token: {env: VARIABLE} or {file: PATH}")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        if not port.isdecimal():
            raise ValueError(f"listen must be HOST:PORT, got {self.listen!r}")
        return host.strip("[]"), int(port)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    site: Word
    agent: Word
    broker: Broker
    inputs: Annotated[list[AnyInput], msgspec.Meta(min_length=1)]
    models: Annotated[list[Model], msgspec.Meta(min_length=1)]
    alarms: Alarms = msgspec.field(default_factory=Alarms)
    commands: Commands = Commands()
    home_assistant: HomeAssistant | None = None  # discovery; `{}` turns it on
    web: Text | Web | None = None  # the page; absent: none
    offline_after: Duration = _lasting("5min")  # silence, after which a device counts as offline
    forget_after: Duration | None = None  # silence, after which a device begins afresh; never
    max_devices: Annotated[int, msgspec.Meta(ge=1)] = 10_000  # live at once; others are refused
    store: Text | Store | None = None  # absent: a restart begins with empty windows

    @property
    def base(self) -> str:
        """What all topics of this agent begin with."""
        return f"edge-agent/v1/{self.site}/{self.agent}"

    def __post_init__(self) -> None:
        if isinstance(self.web, str):
            Web(listen=self.web)  # raises ValueError where it is no address
        if self.forget_after is not None and self.forget_after < self.offline_after:
            raise ValueError("forget_after must not be shorter than offline_after")

    @property
    def page(self) -> Web | None:
        """The page, where there is one."""
        return Web(listen=self.web) if isinstance(self.web, str) else self.web

    @property
    def keeping(self) -> Store | None:
        """The store, where there is one."""
        return Store(path=self.store) if isinstance(self.store, str) else self.store

    @property
    def client_id(self) -> str:
        """MQTT client id; two agents must not share one."""
        return self.broker.client_id or f"edge-agent-{self.site}-{self.agent}"


def parse(text: str, name: str = "plant.yaml") -> Config:
    """Read and check a configuration.

    Args:
        text: YAML.
        name: The file's name, for the error.

    Raises:
        ConfigError: `file:line: key: what is wrong`.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = Lines(node)
        for line, key in lines.repeated():
            raise ConfigError(f"{name}:{line}: {key}: given twice")
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise ConfigError(f"{name}:{line}: not YAML: {exc.problem or exc.context}") from exc
    except yaml.YAMLError as exc:
        raise ConfigError(f"{name}:1: not YAML: {exc}") from exc
    except (ValueError, RecursionError) as exc:  # a 13th month, a number of 5000 digits, [[[[
        raise ConfigError(f"{name}:1: cannot be read: {exc}") from exc
    if data is None:
        raise ConfigError(f"{name}:1: the file is empty; see configs/plant.yaml for an example")
    _choose_json(data)
    try:
        config = msgspec.convert(data, Config, dec_hook=decode)
    except msgspec.ValidationError as exc:
        line, key, what = lines.locate(str(exc))
        raise ConfigError(f"{name}:{line}: {key}: {what}") from exc
    for index, pattern, other in _shared_devices(config):
        line = lines.line(("models", index, "devices"))
        raise ConfigError(f"{name}:{line}: models[{index}].devices: {pattern!r} is also {other}")
    return config


def _choose_json(data: object) -> None:
    """An input without a `format` is JSON; that is a default, which a tag cannot have."""
    inputs = data.get("inputs") if isinstance(data, dict) else None
    for spec in inputs if isinstance(inputs, list) else []:
        if isinstance(spec, dict):
            spec.setdefault("format", "json")


def _shared_devices(config: Config) -> Iterator[tuple[int, str, str]]:
    """Devices that two models plainly claim; patterns that overlap show at run time."""
    for index, model in enumerate(config.models):
        for before, other in enumerate(config.models[:index]):
            for pattern in model.devices:
                if other.watches(pattern) or any(fnmatchcase(p, pattern) for p in other.devices):
                    yield index, pattern, f"claimed by models[{before}] ({other.bundle})"
