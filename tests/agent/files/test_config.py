from pathlib import Path

import pytest

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.config import Config, Duration, parse

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))
PLANT = """\
site: north
agent: gw-01
broker:
  url: mqtt://127.0.0.1:1883
inputs:
  - topic: plant/{device}/{signal}
    time: {path: t}
models:
  - bundle: bundles/one
    devices: [c-1, c-2]
  - bundle: bundles/two
    devices: ["d-*"]
"""


def with_line(old: str, new: str) -> str:
    assert old in PLANT
    return PLANT.replace(old, new, 1)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_example_parses(path: Path) -> None:
    assert parse(path.read_text("utf-8"), path.name).inputs


def test_what_is_left_out_has_its_default() -> None:
    config = parse(PLANT)
    [spec] = config.inputs
    assert (spec.lateness, spec.max_gap, spec.max_future, spec.qos) == (
        2 * 10**9,
        30 * 10**9,
        60 * 10**9,
        1,
    )
    assert config.base == "edge-agent/v1/north/gw-01"
    assert config.client_id == "edge-agent-north-gw-01"
    assert config.broker.address == ("127.0.0.1", 1883)
    assert config.alarms.severities == {"warning": 1.0, "critical": 2.0}
    assert (config.forget_after, config.max_devices) == (None, 10_000)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://h", ("h", 1883)),
        ("mqtts://h", ("h", 8883)),
        ("ws://h/mqtt", ("h", 80)),
        ("wss://h:444/mqtt", ("h", 444)),
        ("mqtt://[::1]:1884", ("::1", 1884)),
    ],
)
def test_a_broker_has_the_port_of_its_scheme(url: str, address: tuple[str, int]) -> None:
    assert parse(with_line("mqtt://127.0.0.1:1883", url)).broker.address == address


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1ns", 1),
        ("2us", 2_000),
        ("500ms", 500_000_000),
        ("2s", 2 * 10**9),
        ("2 s", 2 * 10**9),
        ("0s", 0),
        ("1.5min", 90 * 10**9),
        ("0.1s", 10**8),
        ("1.1s", 1_100_000_000),
        ("1h", 3600 * 10**9),
        ("30d", 30 * 86_400 * 10**9),
        ("365d", 365 * 86_400 * 10**9),
    ],
)
def test_a_duration_is_whole_nanoseconds(text: str, ns: int) -> None:
    assert Duration.read(text) == ns


@pytest.mark.parametrize(
    "text", ["", "2", "s", "-1s", "2 weeks", "1.s", ".5s", "1e3s", "2S", "1s 5ms", 7, 2.0, None]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration.read(text)


@pytest.mark.parametrize("text", ["366d", "99999999999999999999d"])
def test_a_duration_leaves_room_for_arithmetic_on_times(text: str) -> None:
    with pytest.raises(ValueError, match="a year at most"):
        Duration.read(text)


INPUT = "  - topic: plant/{device}/{signal}\n"
LAST = '    devices: ["d-*"]\n'


ERRORS = [
    (PLANT + "colour: red\n", "13: colour: Object contains unknown field `colour`"),
    (
        with_line("    time: {path: t}", "    time:\n      path: t\n      zone: UTC"),
        "9: inputs[0].time.zone: Object contains unknown field `zone`",
    ),
    (with_line("site: north", "site: 7"), "1: site: Expected `str`, got `int`"),
    (with_line("site: north\n", ""), "1: site: Object missing required field `site`"),
    (with_line("north", "a/b"), "1: site: Expected `str` matching regex"),
    (with_line("north", "|\n  north"), "1: site: Expected `str` matching regex"),
    (with_line("  url: mqtt://127.0.0.1:1883\n", "  qos: 1\n"), "4: broker.qos: Object cont"),
    (with_line("mqtt://", "http://"), "3: broker: broker url must be mqtt://"),
    (with_line("mqtt://127.0.0.1:1883", "mqtt://"), "3: broker: broker url must be"),
    (with_line("1883", "99999"), "3: broker: Port out of range"),
    (with_line("mqtt://127.0.0.1:1883", "mqtt://[::1"), "3: broker: Invalid IPv6 URL"),
    (with_line("mqtt://", "mqtt://me:hunter2@"), "3: broker: put the user in `username`"),
    (with_line("mqtt://", "http://me:hunter2@"), "3: broker: put the user in `username`"),
    (
        with_line("inputs", "  password: hunter2\ninputs"),
        "5: broker.password: Expected `object | null`, got `str`",
    ),
    (
        with_line("inputs", "  password: {env: A, file: b}\ninputs"),
        "5: broker.password: expected either",
    ),
    (with_line("inputs", "  password: {}\ninputs"), "5: broker.password: expected either"),
    (
        with_line("inputs", "  keepalive: fast\ninputs"),
        "5: broker.keepalive: expected a duration such as",
    ),
    (
        with_line(INPUT, INPUT + "    lateness: 2\n"),
        "7: inputs[0].lateness: expected a duration such as 500ms, 2s, 5min or 1h, got 2",
    ),
    (
        with_line(INPUT, INPUT + "    lateness: 300000d\n"),
        "7: inputs[0].lateness: expected a duration of a year at most",
    ),
    (with_line(INPUT, INPUT + "    qos: 2\n"), "7: inputs[0].qos: Invalid enum value 2"),
    (with_line(INPUT, INPUT + "    format: xml\n"), "7: inputs[0].format: Invalid value 'xml'"),
    (with_line("{path: t}", "{path: t, unit: m}"), "7: inputs[0].time.unit: Invalid enum"),
    (with_line("plant/", "$share/all/plant/"), "6: inputs[0]: a shared subscription would"),
    (with_line("plant/", "plant/c+/"), "6: inputs[0]: a wildcard must stand alone"),
    (with_line("plant/", "plant/#/"), "6: inputs[0]: # may only end a topic"),
    (with_line("{signal}", "x#"), "6: inputs[0]: a wildcard must stand alone"),
    (with_line("{signal}", "{tag}"), "6: inputs[0]: topic may hold {device} and {signal}"),
    (with_line("{signal}", "{device}"), "6: inputs[0]: topic may hold"),
    (with_line("{device}/", ""), "6: inputs[0]: nothing says the device"),
    (
        with_line(INPUT, INPUT + "    signal: name\n"),
        "6: inputs[0]: signal is given twice",
    ),
    (with_line("[c-1, c-2]", "[]"), "10: models[0].devices: Expected `array` of length >= 1"),
    (with_line("[c-1, c-2]", "c-1"), "10: models[0].devices: Expected `array`, got `str`"),
    (with_line("[c-1, c-2]", "[c-1, 2]"), "10: models[0].devices[1]: Expected `str`"),
    (
        PLANT + "    signals: {temperature: 1}\n",
        "13: models[1].signals: Expected `str`, got `int`",
    ),
    (
        PLANT + "    signals: {1: temperature}\n",
        "13: models[1].signals: Expected `str`, got `int`",
    ),
    (PLANT + "    runtime: torch\n", "13: models[1].runtime: Invalid enum value 'torch'"),
    (
        with_line("d-*", "c-2"),
        "12: models[1].devices: 'c-2' is also claimed by models[0] (bundles/one)",
    ),
    (with_line("d-*", "c-*"), "12: models[1].devices: 'c-*' is also claimed by models[0]"),
    (
        with_line("[c-1, c-2]", "[c-1, d-4]"),
        "12: models[1].devices: 'd-*' is also claimed by models[0]",
    ),
    (
        PLANT + "alarms:\n  raise: {above: 0.5}\n",
        "13: alarms: clear.below 0.8 must not exceed raise.above 0.5",
    ),
    (PLANT + "alarms:\n  severities: {}\n", "13: alarms: severities: one must begin"),
    (PLANT + "alarms:\n  severities: {bad: 2}\n", "13: alarms: severities: one must begin"),
    (PLANT + "alarms:\n  severities: {bad: .nan}\n", "14: alarms.severities: Expected `float`"),
    (PLANT + "alarms:\n  severities: {bad: no}\n", "14: alarms.severities: Expected `float`"),
    (PLANT + "alarms:\n  raise: {above: .nan}\n", "14: alarms.raise.above: Expected `float`"),
    (PLANT + "alarms:\n  raise: {windows: 0}\n", "14: alarms.raise.windows: Expected `int`"),
    (PLANT + "max_devices: 0\n", "13: max_devices: Expected `int` >= 1"),
    (PLANT + "forget_after: soon\n", "13: forget_after: "),
    (
        PLANT + "forget_after: 1min\n",
        "1: file: forget_after must not be shorter than offline_after",
    ),
    (PLANT + "site: south\n", "13: site: given twice"),
    (PLANT + "    devices: [x]\n", "13: devices: given twice"),
    (PLANT + "? [a, b]\n: c\n", "13: not YAML: found unhashable key"),
    (PLANT + "1: c\n", "1: file: Expected `str`"),
    (PLANT + "since: 2024-13-45\n", "1: cannot be read: month must be in"),
    (PLANT + "deep: " + "[" * 5000 + "\n", "1: cannot be read: maximum recursion"),
    (PLANT + "round: &a [*a]\n", "1: cannot be read: maximum recursion"),
    (PLANT + "\tx: 1\n", "13: not YAML: "),
    ("- a\n- b\n", "1: file: Expected `object`, got `array`"),
    ("broken: [\n", "2: not YAML: "),
    ("a: \x00\n", "1: not YAML: unacceptable character"),
    ("!!python/object:os.system {}\n", "1: not YAML: could not determine a constructor"),
    ("", "1: the file is empty"),
    ("# nothing\n", "1: the file is empty"),
]


@pytest.mark.parametrize(
    ("text", "complaint"), ERRORS, ids=[f"{n} {what}" for n, (_, what) in enumerate(ERRORS)]
)
def test_an_error_names_file_line_and_key(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "north.yaml")
    assert str(caught.value).startswith(f"north.yaml:{complaint}")
    assert "hunter2" not in str(caught.value)


def test_a_list_written_over_many_lines_is_told_by_the_line_of_the_item() -> None:
    text = with_line("[c-1, c-2]", "\n      - c-1\n      - [c-2]")
    with pytest.raises(ConfigError, match=r"^plant.yaml:12: models\[0\].devices\[1\]: Expected"):
        parse(text)


def test_patterns_watch_what_they_say_and_nothing_else() -> None:
    first, second = parse(PLANT).models
    assert [device for device in ("c-1", "c-10", "C-1", "d-1") if first.watches(device)] == ["c-1"]
    assert [device for device in ("d-", "d-1", "xd-1", "D-1") if second.watches(device)] == [
        "d-",
        "d-1",
    ]


def test_a_config_cannot_be_changed() -> None:
    config: Config = parse(PLANT)
    with pytest.raises(AttributeError):
        config.site = "south"  # type: ignore[misc]  # that it cannot is what is tested
