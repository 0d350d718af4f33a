"""`forget_after` and `max_devices` of the agent as a process, on a real broker."""

from pathlib import Path

from agents import PATIENCE_S, compressor_readings, compressors_yaml, onlooker, publish, running
from brokers import Broker, eventually

from edge_anomaly.plants import Compressors

DEVICES = len(Compressors.devices)
LEAVES = [f"device/{d}/{leaf}" for d in Compressors.devices for leaf in ("state", "availability")]
_, VALUES = Compressors(1).step(36)


def test_who_stays_away_leaves_the_broker_and_makes_room(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)
    keys = f"offline_after: 1s\nforget_after: 3s\nmax_devices: {DEVICES - 1}\nstore: state\n"
    config.write_text(config.read_text("utf-8") + keys, "utf-8")
    with onlooker(broker.url) as watcher, running(config, watcher) as agent:
        publish(broker.url, compressor_readings(VALUES[:32]))
        eventually(lambda: len(watcher.scores()) == 32 * (DEVICES - 1), within=PATIENCE_S)
        eventually(lambda: bool(watcher.all("error")), within=PATIENCE_S)
        [refused] = watcher.all("error")
        assert (refused["code"], refused["device"]) == ("crowded", Compressors.devices[-1])
        assert "max_devices" in refused["detail"]
        live = LEAVES[:-2]  # without the one that was refused
        eventually(lambda: all(b"" in watcher.raw(leaf) for leaf in live), within=PATIENCE_S)
        eventually(lambda: watcher.all("health")[-1]["forgotten"] == DEVICES - 1, within=PATIENCE_S)
        with onlooker(broker.url, name="late") as late:
            eventually(lambda: late.says("online"), within=PATIENCE_S)
            assert not [leaf for leaf in live if late.retained(leaf)]
        before = len(watcher.scores())
        last = [one for one in compressor_readings(VALUES[32:], first=32)
                if Compressors.devices[-1] in one.topic]  # fmt: skip
        publish(broker.url, last)
        eventually(lambda: len(watcher.scores()) == before + 4, within=PATIENCE_S)
        newest = [score for key, score in watcher.scores().items() if key[0] in last[0].topic]
        assert newest == [None] * 4  # it begins
        assert agent.stop() == 0, agent.log
