import json
import re
from pathlib import Path

from page_server import BASE

from edge_anomaly.adapters.metrics import exposition
from edge_anomaly.wall import Wall

DASHBOARD = Path(__file__).parents[2] / "configs" / "grafana.json"


def test_the_dashboard_asks_only_for_metrics_that_there_are() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"edge_\w+", target["expr"])
    }
    body, _ = exposition(Wall(BASE))
    kinds = re.findall(r"^# TYPE (\w+)", body.decode(), re.MULTILINE)
    assert len(asked) > 10
    assert asked <= set(kinds)
    assert all(name.startswith("edge_") for name in kinds)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
