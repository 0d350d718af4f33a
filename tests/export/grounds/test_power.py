from dataclasses import replace

import numpy as np
import pytest
from years import HOLIDAY, YEAR, year

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import power_demand, steel
from edge_export.data.datasets.files import folder
from edge_export.data.recordings import cut
from edge_export.grounds.power import DAY, power_ground


def test_a_holiday_and_the_day_after_are_left_out_and_nothing_else() -> None:
    days = np.flatnonzero(YEAR.ignored.reshape(-1, DAY).any(axis=1))
    assert days.tolist() == [HOLIDAY, HOLIDAY + 1]
    assert YEAR.ignored.sum() == 2 * DAY


def test_a_year_may_come_in_two_halves() -> None:
    whole = year()
    border = int(whole.t_ns[203 * DAY])
    halves = [cut(whole, 0, border), cut(whole, border, 2**62)]
    assert power_ground(halves).recording.values.tobytes() == whole.values.tobytes()


def test_weekdays_come_from_the_clock() -> None:
    assert YEAR.weekday[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


@pytest.mark.parametrize("rows", [slice(1, None), slice(None, -1), slice(None, None, 2)])
def test_what_is_no_whole_year_is_refused(rows: slice) -> None:
    whole = year()
    part = replace(whole, t_ns=whole.t_ns[rows], values=whole.values[rows])
    with pytest.raises(RecordingError, match="mill: not one signal every 15 minutes"):
        power_ground([part])


def test_a_year_with_a_hole_or_of_two_machines_is_refused() -> None:
    whole = year()
    holed = whole.values.copy()
    holed[77] = np.nan
    border = int(whole.t_ns[100])
    other = replace(cut(whole, border, 2**62), device="press")
    for years in ([replace(whole, values=holed)], [cut(whole, 0, border), other]):
        with pytest.raises(RecordingError, match="not one signal"):
            power_ground(years)


@pytest.mark.parametrize(
    ("dataset", "width", "ignored"), [(steel, 102.66, 1248), (power_demand, 897.0, 814)]
)
def test_the_recordings_are_those_of_the_published_figures(
    dataset: object, width: float, ignored: int
) -> None:
    name = {id(steel): "steel", id(power_demand): "power_demand"}[id(dataset)]
    if not folder(name).exists():
        pytest.skip({"steel": steel, "power_demand": power_demand}[name].MISSING)
    train, test = (steel if name == "steel" else power_demand).load()
    ground = power_ground([*train, *test])
    assert ground.width == pytest.approx(width, abs=0.01)
    assert ground.ignored[203 * DAY :].sum() == ignored
