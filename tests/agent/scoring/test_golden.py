import plants
import pytest

from edge_anomaly.scoring import check_golden
from edge_anomaly.scoring.batch import Batch, Floats, Part, Step
from edge_anomaly.scoring.stages import STAGES


def test_what_only_alarms_ask_for_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def telling(_part: Part) -> Step:
        def step(tracks: Floats, batch: Batch) -> Floats:
            batch.where = asked.append
            return tracks

        return step

    monkeypatch.setitem(STAGES, "residual", telling)
    check_golden(plants.bundle(), plants.model())
    assert asked == [0]
