import io
import subprocess
from pathlib import Path

from agents import (
    PATIENCE_S,
    command,
    compressor_readings,
    compressors_yaml,
    environment,
    onlooker,
    publish,
    running,
)
from brokers import Broker, eventually
from page_server import staged
from rich.console import Console

from edge_anomaly import cli
from edge_anomaly.plants import Compressors
from edge_anomaly.status_command import picture


def test_those_that_need_somebody_come_first() -> None:
    with staged(60) as stage:
        stage.alarm("m-050", severity="critical")
        stage.page._take()
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(picture(stage.page._wall))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("north/gw  online")
    assert lines[2].split()[:3] == ["m-050", "active", "unack"]
    assert lines[-1] == "and 20 more"


def test_a_running_agent_tells_how_it_stands(broker: Broker, tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, broker.url)

    def status() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command("status", "--config", config, "--once"),
            capture_output=True, text=True, timeout=60, env=environment() | {"COLUMNS": "120"},
            check=False,
        )  # fmt: skip

    with onlooker(broker.url) as watcher, running(config, watcher):
        publish(broker.url, compressor_readings(Compressors(1).step(40)[1]))
        eventually(lambda: bool(watcher.all("device/c-4/state")), within=PATIENCE_S)
        found = status()
        assert found.returncode == 0, found.stderr
        assert "north/gw-01  online" in found.stdout
        assert all(device in found.stdout for device in Compressors.devices)


def test_an_embedded_broker_cannot_be_asked(tmp_path: Path) -> None:
    config = compressors_yaml(tmp_path, "embedded:")
    assert cli.main(["status", "--config", str(config), "--once"]) == 2
