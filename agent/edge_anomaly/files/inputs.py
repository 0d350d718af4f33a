"""The `inputs` of plant.yaml, as types: one kind a payload format, each with its own options."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec

from edge_anomaly.files.duration import Duration, lasting

__all__ = [
    "AnyInput",
    "ArrayInput",
    "CborInput",
    "Header",
    "HeaderField",
    "InfluxInput",
    "Input",
    "JsonInput",
    "MsgpackInput",
    "PathInput",
    "Quality",
    "SenmlInput",
    "SparkplugInput",
    "TextInput",
    "Time",
]

Text = Annotated[str, msgspec.Meta(min_length=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=1e9)]  # Hz
Unit = Literal["s", "ms", "us", "ns"]
Clock = Literal["payload", "arrival"]  # whose time counts, where the payload has one
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the payload says when a reading was taken."""

    path: Text
    unit: Literal["s", "ms", "us", "ns", "iso"] = "s"
    offset: str | None = None  # of ISO 8601 times that have none: +01:00

    def __post_init__(self) -> None:
        if self.offset is not None and (self.unit != "iso" or not _OFFSET.fullmatch(self.offset)):
            raise ValueError("offset goes with `unit: iso` and is written +01:00")


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the payload says how good a reading is; what is neither listed is bad."""

    path: Text
    good: list[str | int | bool]
    uncertain: list[str | int | bool] = []


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One subscription, whatever its payloads are."""

    topic: Text  # with {device} and {signal} where they stand
    lateness: Duration = lasting("2s")
    max_gap: Duration = lasting("30s")
    max_future: Duration = lasting("1min")
    qos: Literal[0, 1] = 1

    places: ClassVar[tuple[str, ...]] = ("device", "signal")  # that the topic may hold

    def __post_init__(self) -> None:
        fields = self.named
        if sorted(fields) != sorted(set(fields) & set(self.places)):
            names = " and ".join(f"{{{name}}}" for name in self.places) or "no {...}"
            raise ValueError(f"topic may hold {names}, each once")
        if self.topic.startswith("$share/"):
            raise ValueError("a shared subscription would tear a device's windows between agents")
        for level in self.topic.split("/"):
            if ("+" in level and level != "+") or ("#" in level and level != "#"):
                raise ValueError(f"a wildcard must stand alone between slashes: {level!r}")
        if "#" in self.topic[:-1]:
            raise ValueError("# may only end a topic")
        self.check()

    @property
    def named(self) -> list[str]:
        """What the topic says."""
        return re.findall(r"\{(.*?)\}", self.topic)

    @property
    def filter(self) -> str:
        """The MQTT topic filter.

        A wildcard takes a whole level (MQTT 5, 4.7.1): line-{device} is subscribed as +.
        """
        return "/".join("+" if "{" in level else level for level in self.topic.split("/"))

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a topic of this input is, with what it says as named groups."""
        parts = []
        for part in re.split(r"(\{\w+\}|\+|/#$|^#$)", self.topic):
            if part.startswith("{"):
                parts.append(f"(?P<{part[1:-1]}>[^/]+)")
            elif part == "+":
                parts.append("[^/]*")
            elif part in {"/#", "#"}:
                parts.append("(?:/.*)?" if part == "/#" else ".*")
            else:
                parts.append(re.escape(part))
        return re.compile("".join(parts), re.DOTALL)  # a level may hold a line break

    def check(self) -> None:
        """Raise ValueError where the options do not go together."""

    def check_device(self, other: str | None, means: str) -> None:
        """The device must be in the topic or in the payload, and in one of them only."""
        if "device" in self.named:
            if other is not None:
                raise ValueError(f"device is given twice: in the topic and as {means}")
        elif other is None:
            raise ValueError(
                f"nothing says the device: put {{device}} in the topic or give {means}"
            )


class PathInput(Input, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Payloads of objects and arrays: members are found by paths, a.b.c."""

    value: Text = "value"  # `.` is the whole payload
    device: Text | None = None  # where the topic does not say it
    signal: Text | None = None  # without any, each member of `value` is a signal
    time: Time | None = None  # absent: time of arrival
    quality: Quality | None = None  # absent: all is good
    # Samples a second, or where the payload says so: the value is an array of samples then,
    # the first of them of `time`; without `time` the last is of the arrival.
    rate: Rate | Text | None = None

    def check(self) -> None:
        """See `Input.check`."""
        if "signal" in self.named and self.signal is not None:
            raise ValueError("signal is given twice: in the topic and as a path")
        self.check_device(self.device, "a path")

    @property
    def names_signal(self) -> bool:
        """Whether topic or payload names the signal; otherwise each member is one."""
        return self.signal is not None or "signal" in self.named


class JsonInput(
    PathInput, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="json"
):
    """JSON: an object a reading, an object of many signals, or an array of either."""


class CborInput(
    PathInput, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="cbor"
):
    """CBOR (RFC 8949), read like JSON."""


class MsgpackInput(
    PathInput,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="format",
    tag="msgpack",
):
    """MessagePack, read like JSON."""


class TextInput(
    Input, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="text"
):
    """One number as text, of the time of its arrival."""

    decimal: Literal[".", ","] = "."

    def check(self) -> None:
        """See `Input.check`."""
        if sorted(self.named) != ["device", "signal"]:
            raise ValueError("a bare number names nothing: topic must hold {device} and {signal}")


class SenmlInput(
    Input, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="senml"
):
    """SenML packs (RFC 8428)."""

    encoding: Literal["json", "cbor"] = "json"
    # What a record's full name is: urn:dev:{device}:{signal}. Default: the signal where the
    # topic says the device, else {device}/{signal}.
    name: Text | None = None
    booleans: Literal["refuse", "number"] = "refuse"  # number: 0 and 1
    strings: Literal["refuse", "ignore"] = "refuse"  # and opaque data
    clock: Clock = "payload"

    places: ClassVar[tuple[str, ...]] = ("device",)

    def check(self) -> None:
        """See `Input.check`."""
        parts = sorted(re.findall(r"\{(.*?)\}", self.naming))
        if parts != ["device", "signal"][len(self.named) :]:
            wanted = "{signal}" if self.named else "{device} and {signal}"
            raise ValueError(f"name must hold {wanted}, once; the topic says the rest")

    @property
    def naming(self) -> str:
        """What a full name is, with its places."""
        return self.name or ("{signal}" if self.named else "{device}/{signal}")


class SparkplugInput(
    Input,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="format",
    tag="sparkplug",
):
    """Sparkplug B: births, data and deaths of edge nodes and their devices."""

    # The name of a device; {group}, {node} and {device} are of the topic. What a node says of
    # itself is of the device named {node}.
    device: Text = "{node}/{device}"
    rebirth: bool = True  # ask nodes for their birth where it was missed
    rebirth_every: Duration = lasting("1min")  # at most, and node by node
    reorder: Duration = lasting("2s")  # how long a missing sequence number is waited for
    rate: Rate | None = None  # samples a second of metrics that are arrays
    clock: Clock = "payload"

    places: ClassVar[tuple[str, ...]] = ()

    def check(self) -> None:
        """See `Input.check`."""
        if not self.topic.startswith("spBv1.0/") or not self.topic.endswith("#"):
            raise ValueError("topic must be spBv1.0/<group>/# or spBv1.0/+/#: births, data, deaths")
        names = re.findall(r"\{(.*?)\}", self.device)
        if "device" not in names or not set(names) <= {"group", "node", "device"}:
            raise ValueError("device is made of {group}, {node} and {device}, the last at least")


class InfluxInput(
    Input, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="influx"
):
    """InfluxDB line protocol: as many lines as there are."""

    device: Text | None = None  # the tag that says it, where the topic does not
    # What names a signal: {field}, {measurement}, or a tag: {axis}.
    signal: Text = "{field}"
    measurement: Text | None = None  # read only this one
    precision: Unit = "ns"
    booleans: Literal["refuse", "number"] = "refuse"  # number: 0 and 1
    strings: Literal["refuse", "ignore"] = "ignore"
    clock: Clock = "payload"

    places: ClassVar[tuple[str, ...]] = ("device",)

    def check(self) -> None:
        """See `Input.check`."""
        self.check_device(self.device, "a tag")
        if "{field}" not in self.signal:
            raise ValueError("signal must hold {field}: a line may have many")


class HeaderField(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number in front of the samples, little-endian."""

    at: Annotated[int, msgspec.Meta(ge=0, le=4096)]  # bytes from the start
    type: Literal["uint32", "int64", "uint64", "float32", "float64"]
    unit: Unit = "ns"  # of the start


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands in front of the samples."""

    bytes: Annotated[int, msgspec.Meta(ge=0, le=4096)]
    start: HeaderField | None = None
    rate: HeaderField | None = None  # Hz

    def __post_init__(self) -> None:
        for field in (self.start, self.rate):
            if field is not None and field.at + int(field.type[-2:]) // 8 > self.bytes:
                raise ValueError(
                    f"a header of {self.bytes} bytes has no {field.type} at {field.at}"
                )


class ArrayInput(
    Input, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="array"
):
    """Samples at a fixed rate as plain binary numbers, little-endian."""

    type: Literal["float32", "float64", "int16"] = "float32"
    channels: list[Text] | None = None  # signals, interleaved; else the topic says the one
    scale: float = 1.0  # value = number * scale + offset
    offset: float = 0.0
    rate: Rate | None = None  # samples a second, where neither topic nor header says so
    header: Header | None = None
    # Of a {start} in the topic. Without any start the last sample is of the arrival, and
    # block follows block without a gap as long as their times agree.
    unit: Unit = "ns"

    places: ClassVar[tuple[str, ...]] = ("device", "signal", "start", "rate")

    def check(self) -> None:
        """See `Input.check`."""
        if "device" not in self.named:
            raise ValueError("nothing says the device: put {device} in the topic")
        if ("signal" in self.named) == bool(self.channels):
            raise ValueError("either the topic holds {signal}, or `channels` lists the signals")
        if self.channels and len(set(self.channels)) < len(self.channels):
            raise ValueError("channels: one is there twice")
        header = self.header or Header(bytes=0)
        for name, own in (("rate", self.rate), ("start", None)):
            said = [name in self.named, getattr(header, name) is not None, own is not None]
            if sum(said) > 1:
                raise ValueError(f"{name} is given twice: the topic, the header or a key, not two")
            if name == "rate" and not any(said):
                raise ValueError("nothing says the rate: give rate, a header with it, or {rate}")


AnyInput = (
    JsonInput
    | TextInput
    | SenmlInput
    | SparkplugInput
    | InfluxInput
    | CborInput
    | MsgpackInput
    | ArrayInput
)
