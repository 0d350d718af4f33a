import hashlib
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agents import (
    COMPRESSORS,
    PATIENCE_S,
    Agent,
    Onlooker,
    command,
    compressor_readings,
    compressors_yaml,
    environment,
    onlooker,
    publish,
    running,
)
from brokers import Broker, eventually

from edge_anomaly.plants import PERIOD_S, Compressors
from edge_anomaly.simulate import START_S
from edge_anomaly.values import Message

SLOTS = 36  # a window of 30, and some more
DEVICES = len(Compressors.devices)


def has_all_scores(watcher: Onlooker) -> Callable[[], bool]:
    return lambda: len(watcher.scores()) == SLOTS * DEVICES


def test_late_joiners_learn_how_things_stand_and_that_it_stopped(
    broker: Broker, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    _, values = Compressors(1).step(SLOTS)
    with onlooker(broker.url) as watcher, running(config, watcher) as agent:
        publish(broker.url, compressor_readings(values))
        eventually(has_all_scores(watcher), within=PATIENCE_S)
        assert len(scored(watcher)) == (SLOTS - 29) * DEVICES
        with onlooker(broker.url, name="late") as late:
            topics = [f"device/{device}/state" for device in Compressors.devices]
            eventually(lambda: all(map(late.retained, topics)), within=PATIENCE_S)
            eventually(lambda: bool(late.retained("info")) and bool(late.retained("status")))
            assert [status["state"] for status in late.retained("status")] == ["online"]
            [info] = late.retained("info")
            assert info["schema"] == "edge-agent.info/1"
            assert info["models"][0]["devices"] == list(Compressors.devices)
            for device in Compressors.devices:
                [state] = late.retained(f"device/{device}/state")
                assert state == {
                    "schema": "edge-agent.state/1",
                    "device": device,
                    "detector": "compressors",
                    "group": None,
                    "state": "NORMAL",
                    "severity": None,
                    "event_id": None,
                    "since": None,
                    "message": None,
                }
            assert not late.raw("device/c-4/score")  # scores are not retained
        assert agent.stop(signal.SIGTERM) == 0
        with onlooker(broker.url, name="later") as later:
            eventually(lambda: bool(later.retained("status")))
            assert [status["state"] for status in later.retained("status")] == ["stopped"]
        assert [status["state"] for status in watcher.all("status")] == ["online", "stopped"]
        assert "Traceback" not in agent.log


def test_stops_cleanly_on_sigint_while_readings_pour_in(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    _, values = Compressors(1).step(150)
    with onlooker(broker.url) as watcher, running(config, watcher) as agent:
        publish(broker.url, compressor_readings(values))
        assert agent.stop(signal.SIGINT) == 0
        eventually(lambda: watcher.says("stopped"))
        assert "Traceback" not in agent.log


def test_the_broker_says_offline_for_an_agent_that_was_killed(
    broker: Broker, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    with onlooker(broker.url) as watcher:
        with running(config, watcher) as agent:
            agent.stop(signal.SIGKILL)
        eventually(lambda: watcher.says("offline"), within=PATIENCE_S)
        with onlooker(broker.url, name="late") as late:
            eventually(lambda: bool(late.retained("status")))
            assert [status["state"] for status in late.retained("status")] == ["offline"]
        with running(config, watcher) as agent:  # and of a new one, that it is there
            assert agent.stop() == 0


def test_works_on_after_a_restart_of_the_broker(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    _, values = Compressors(1).step(SLOTS)
    early, later = values[:32], values[32:]
    with onlooker(broker.url) as before, running(config, before) as agent:
        publish(broker.url, compressor_readings(early))
        eventually(lambda: len(before.scores()) == 32 * DEVICES, within=PATIENCE_S)
        broker.stop()
        eventually(lambda: "lost" in agent.log, within=PATIENCE_S)
        broker.start()
        with onlooker(broker.url, name="after") as after:
            eventually(lambda: after.says("online") and bool(after.raw("info")), within=PATIENCE_S)
            states = [f"device/{device}/state" for device in Compressors.devices]
            eventually(lambda: all(after.raw(leaf) for leaf in states), within=PATIENCE_S)
            # A restarted broker knows of no subscription until the agent has made it anew.
            eventually(lambda: agent.log.count("connected to") == 2, within=PATIENCE_S)
            publish(broker.url, compressor_readings(later, first=32))
            eventually(lambda: len(after.scores()) == 4 * DEVICES, within=PATIENCE_S)
            assert None not in after.scores().values()  # its windows outlived the broker
            assert agent.stop() == 0
            eventually(lambda: after.says("stopped"))


def scored(watcher: Onlooker) -> dict[tuple[str, int], float]:
    """The scores of windows that had one."""
    return {key: score for key, score in watcher.scores().items() if score is not None}


def bad_messages(slot: int) -> Iterator[tuple[str, Message]]:
    """What can be wrong with a message, beside the code it is to be counted under."""
    t = START_S + slot * PERIOD_S
    topic = "dirty/c-1/filter_dp"
    for code, payload in (
        ("unparsable", b'{"t":1,"v":'),
        ("unparsable", bytes(range(128, 256))),
        ("unparsable", b'{"t":%d,"v":NaN}' % t),
        ("unparsable", b'{"t":%d,"v":-Infinity}' % t),
        ("not_finite", b'{"t":%d,"v":1e39}' % t),
        ("wrong_type", b'{"t":%d,"v":"12"}' % t),
        ("wrong_type", b'{"t":%d,"v":null}' % t),
        ("wrong_type", b'{"t":"yesterday","v":1}'),
        ("wrong_type", b"7"),
        ("missing", b'{"t":%d}' % t),
        ("bad_time", b'{"t":9e18,"v":1}'),
        ("future", b'{"t":4e9,"v":1}'),
        ("empty", b""),
    ):
        yield code, Message(topic, payload)
    good = b'{"t":%d,"v":1}' % t
    yield "unknown_device", Message("dirty/c-9/filter_dp", good)
    yield "unknown_device", Message("dirty/c-1;drop/filter_dp", good)
    yield "unknown_signal", Message("dirty/c-1/filter_db", good)


def test_counts_bad_input_by_reason_and_scores_as_if_it_had_not_come(
    broker: Broker, tmp_path: Path
) -> None:
    _, values = Compressors(1).step(SLOTS)
    expected = {"too_large": 1}
    dirty: list[Message] = []
    for slot in range(SLOTS):
        for code, message in bad_messages(slot):
            dirty.append(message)
            expected[code] = expected.get(code, 0) + 1
        dirty += compressor_readings(values[slot : slot + 1], first=slot, plant="dirty")
    huge = b'{"t":0,"v":1,"pad":"%s"}' % (b"x" * 10_000_000)
    dirty.insert(len(dirty) // 2, Message("dirty/c-1/filter_dp", huge))
    clean = compressor_readings(values, plant="clean")
    bases = [f"edge-agent/v1/north/{name}" for name in ("clean", "dirty")]
    with (
        onlooker(broker.url, bases[0], name="of-clean") as of_clean,
        onlooker(broker.url, bases[1], name="of-dirty") as of_dirty,
        running(
            compressors_yaml(tmp_path, broker.url, agent="clean", plant="clean"), of_clean
        ) as one,
        running(
            compressors_yaml(tmp_path, broker.url, agent="dirty", plant="dirty"), of_dirty
        ) as other,
    ):
        publish(broker.url, clean)
        publish(broker.url, dirty)
        for watcher in (of_clean, of_dirty):
            eventually(has_all_scores(watcher), within=PATIENCE_S)
        # Windows meet in other batches, whose sums round differently in the last digit.
        assert scored(of_dirty) == pytest.approx(scored(of_clean), rel=1e-4)
        assert of_dirty.scores().keys() == of_clean.scores().keys()
        assert [agent.stop() for agent in (one, other)] == [0, 0]
        eventually(lambda: of_dirty.says("stopped"))
        assert not of_clean.raw("error")
        totals = {error["code"]: error["total"] for error in of_dirty.all("error")}
        assert totals == expected
        counts: dict[str, int] = {}
        for error in of_dirty.all("error"):
            counts[error["code"]] = counts.get(error["code"], 0) + error["count"]
        assert counts == expected  # each is reported once, in however many reports
        assert len(of_dirty.raw("error")) <= 4 * len(expected)  # and not one by one
        assert max(map(len, of_dirty.raw("error"))) < 2000  # nor the 10 MB again


def refusal(config: Path) -> str:
    """The one line with which the agent refuses to run."""
    ended = subprocess.run(
        command("--config", config),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert not ended.stdout
    [line] = ended.stderr.splitlines()
    return line


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle to tamper with."""
    return Path(shutil.copytree(COMPRESSORS, tmp_path / "bundle"))


def test_refuses_a_bundle_with_a_changed_byte(bundle: Path, tmp_path: Path) -> None:
    graph = bundle / "lstm-ae.onnx"
    content = bytearray(graph.read_bytes())
    should_be = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    line = refusal(compressors_yaml(tmp_path, "mqtt://127.0.0.1:1", bundle=bundle))
    assert line.startswith(f"edge-agent: {graph}: ")
    assert should_be in line


def test_refuses_a_bundle_with_a_missing_file(bundle: Path, tmp_path: Path) -> None:
    (bundle / "golden.npz").unlink()
    line = refusal(compressors_yaml(tmp_path, "mqtt://127.0.0.1:1", bundle=bundle))
    assert str(bundle / "golden.npz") in line


def test_refuses_a_config_that_is_not_there(tmp_path: Path) -> None:
    line = refusal(tmp_path / "plant.yaml")
    assert line == f"edge-agent: {tmp_path / 'plant.yaml'}: No such file or directory"


def test_refuses_an_unknown_key_by_line_and_name(tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, "mqtt://127.0.0.1:1")
    config.write_text(config.read_text("utf-8").replace("  lateness", "  latenes"), "utf-8")
    line = refusal(config)
    assert line.startswith(f"edge-agent: {config}:9: inputs[0].latenes: ")


def test_refuses_two_models_on_one_device(tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, "mqtt://127.0.0.1:1")
    second = f'  - bundle: {COMPRESSORS}\n    devices: ["c-2"]\n'
    config.write_text(config.read_text("utf-8") + second, "utf-8")
    line = refusal(config)
    assert f"{config}:15: models[1].devices" in line
    assert "c-2" in line


def test_refuses_patterns_that_meet_on_one_device(tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, "mqtt://127.0.0.1:1")
    second = f'  - bundle: {COMPRESSORS}\n    devices: ["*-2"]\n'
    config.write_text(config.read_text("utf-8") + second, "utf-8")
    line = refusal(config)
    where = f"edge-agent: {config}:15: models[1].devices: "
    assert line == f"{where}device 'c-2' is watched by another model too"


def test_waits_for_a_broker_that_is_not_there_yet_and_still_stops(
    broker: Broker, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    broker.stop()
    agent = Agent(config)
    try:
        eventually(lambda: agent.log.count("cannot reach") >= 2, within=PATIENCE_S)
        broker.start()
        with onlooker(broker.url) as watcher:
            eventually(lambda: watcher.says("online"), within=PATIENCE_S)
        broker.stop()
        eventually(lambda: "lost" in agent.log, within=PATIENCE_S)
        assert agent.stop() == 0
    finally:
        agent.process.kill()
        agent.process.wait()
