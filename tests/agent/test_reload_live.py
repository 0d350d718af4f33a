"""SIGHUP and `cmd/reload` to the agent as a process, on a real broker."""

import signal
from pathlib import Path

from agents import PATIENCE_S, compressor_readings, compressors_yaml, onlooker, publish, running
from brokers import Broker, eventually

from edge_anomaly.plants import Compressors
from edge_anomaly.values import Message

DEVICES = len(Compressors.devices)
BASE = "edge-agent/v1/north/gw-01"
_, VALUES = Compressors(1).step(36)


def test_a_running_agent_takes_a_new_config_and_keeps_its_windows(
    broker: Broker, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    with onlooker(broker.url) as watcher, running(config, watcher) as agent:
        publish(broker.url, compressor_readings(VALUES[:32]))
        eventually(lambda: len(watcher.scores()) == 32 * DEVICES, within=PATIENCE_S)
        [before] = watcher.all("info")
        text = config.read_text("utf-8")
        config.write_text(text + "alarms: {severities: {low: 1.0, high: 2.0}}\n", "utf-8")
        agent.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(watcher.all("info")) == 2, within=PATIENCE_S)
        assert watcher.all("info")[1]["config_sha256"] != before["config_sha256"]
        config.write_text(text + "alarms: {severities: {}}\n", "utf-8")
        publish(broker.url, [Message(f"{BASE}/cmd/reload", b'{"id": "7"}')])
        eventually(lambda: bool(watcher.all("reply/reload")), within=PATIENCE_S)
        [reply] = watcher.all("reply/reload")
        assert (reply["id"], reply["code"]) == ("7", "bad_config")
        assert "severities" in reply["error"]
        publish(broker.url, compressor_readings(VALUES[32:], first=32))
        eventually(lambda: len(watcher.scores()) == 36 * DEVICES, within=PATIENCE_S)
        newest = sorted(watcher.scores().items(), key=lambda one: one[0][1])[-4 * DEVICES :]
        assert None not in [score for _, score in newest]
        assert agent.stop() == 0
