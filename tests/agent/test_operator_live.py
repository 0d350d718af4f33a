"""An operator at work over a real broker: commands, answers, and a crash in between."""

import signal
from pathlib import Path
from typing import Any

import msgspec
from agents import (
    BASE,
    PATIENCE_S,
    Onlooker,
    compressor_readings,
    compressors_yaml,
    onlooker,
    publish,
    running,
)
from brokers import Broker, eventually
from paho.mqtt.packettypes import PacketTypes
from peers import new_properties, peer

from edge_anomaly.plants import Compressors, Fault, Kind
from edge_anomaly.values import Health

LOSS = Fault.of(Kind.SEPARATION_GAS_LOSS, "c-2", (40, 200), size=0.6)


def state_of(watcher: Onlooker, device: str = "c-2") -> str:
    said = watcher.all(f"device/{device}/state")
    return str(said[-1]["state"]) if said else ""


def new_events(watcher: Onlooker, device: str = "c-2") -> list[dict[str, Any]]:
    return [e for e in watcher.all("event") if (e["device"], e["type"]) == (device, "new")]


def test_an_alarm_is_seen_answered_and_remembered_over_a_crash(
    broker: Broker, tmp_path: Path
) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    config.write_text(config.read_text("utf-8") + "store: state\n", "utf-8")
    readings = compressor_readings(Compressors(3, [LOSS]).step(75)[1])
    with onlooker(broker.url) as watcher, peer(broker.url, "operator") as operator:
        operator.subscribe("operator/answers")
        with running(config, watcher) as agent:
            publish(broker.url, readings)
            eventually(lambda: state_of(watcher) == "ACTIVE_UNACK", within=PATIENCE_S)
            eventually(lambda: bool(new_events(watcher)), within=PATIENCE_S)
            [new] = new_events(watcher)
            properties = new_properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = "operator/answers"
            properties.CorrelationData = b"\x01\x02"
            ask = msgspec.json.encode({"id": "7", "event_id": new["event_id"], "by": "ana"})
            operator.publish(f"{BASE}/cmd/ack", ask, properties=properties)
            eventually(lambda: bool(operator.messages), within=PATIENCE_S)
            [answer] = operator.messages
            assert answer.properties is not None
            assert vars(answer.properties)["CorrelationData"] == b"\x01\x02"
            reply = msgspec.json.decode(answer.payload)
            assert (reply["status"], reply["id"]) == ("ok", "7")
            eventually(lambda: state_of(watcher) == "ACTIVE_ACK", within=PATIENCE_S)
            eventually(lambda: watcher.all("reply/ack") == [reply], within=PATIENCE_S)
            label = {"event_id": new["event_id"], "verdict": "true"}
            operator.publish(f"{BASE}/cmd/label", msgspec.json.encode(label))
            eventually(lambda: bool(watcher.all("reply/label")), within=PATIENCE_S)
            agent.stop(signal.SIGKILL)
        with running(config, watcher):
            with onlooker(broker.url, name="late") as late:
                eventually(lambda: bool(late.retained("device/c-2/state")), within=PATIENCE_S)
                [kept] = late.retained("device/c-2/state")
            assert (kept["state"], kept["event_id"]) == ("ACTIVE_ACK", new["event_id"])
            again = msgspec.json.encode({"event_id": new["event_id"], "for": "1h"})
            operator.publish(f"{BASE}/cmd/shelve", again)
            eventually(lambda: state_of(watcher) == "SHELVED", within=PATIENCE_S)
    told = {event["seq"]: event for event in watcher.all("event") if event["device"] == "c-2"}
    assert [told[seq]["change"] for seq in sorted(told)] == ["raised", "ack", "shelved"]
    [line] = (tmp_path / "state" / "labels.ndjson").read_text("utf-8").splitlines()
    assert msgspec.json.decode(line)["event_id"] == new["event_id"]


def test_health_is_retained_and_expires(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    with onlooker(broker.url) as watcher, running(config, watcher):
        eventually(lambda: bool(watcher.all("health")), within=PATIENCE_S)
        with peer(broker.url, "late") as late:
            late.subscribe(f"{BASE}/health")
            eventually(lambda: bool(late.messages), within=PATIENCE_S)
            [kept] = late.messages[:1]
    assert kept.retain
    assert kept.properties is not None
    assert 0 < vars(kept.properties)["MessageExpiryInterval"] <= 60
    health = msgspec.json.decode(kept.payload, type=Health)
    assert health.connected
    assert health.memory_bytes > 50_000_000


def test_a_retained_command_does_nothing(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    with onlooker(broker.url) as watcher, peer(broker.url, "operator") as operator:
        ask = msgspec.json.encode({"device": "c-1"})
        operator.publish(f"{BASE}/cmd/out-of-service", ask, retain=True)
        with running(config, watcher):
            eventually(
                lambda: any(e["code"] == "retained_command" for e in watcher.all("error")),
                within=PATIENCE_S,
            )
            assert watcher.all("reply/out-of-service") == []
        operator.publish(f"{BASE}/cmd/out-of-service", b"", retain=True)
