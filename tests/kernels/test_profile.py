from typing import Any

import numpy as np
import pytest

from edge_kernels import against_profile

RNG = np.random.default_rng(0)
DEVICES, PLACES, SIGNALS = 2, 7, 3
MEDIAN = RNG.normal(size=(DEVICES, PLACES, SIGNALS)).astype(np.float32)
SPREAD = RNG.uniform(0.5, 2, size=MEDIAN.shape).astype(np.float32)
SERIES = RNG.normal(size=(5, 4, SIGNALS)).astype(np.float32)
DEVICE = np.array([0, 1, 1, 0, 1])
PLACE = RNG.integers(0, PLACES, (5, 4))


def test_is_the_definition() -> None:
    got = against_profile(SERIES, DEVICE, PLACE, MEDIAN, SPREAD)
    usual, width = MEDIAN[DEVICE[:, None], PLACE], SPREAD[DEVICE[:, None], PLACE]
    np.testing.assert_allclose(got, (SERIES - usual) / width, rtol=1e-6)


def test_a_value_as_usual_is_zero_and_one_spread_off_is_one() -> None:
    usual = MEDIAN[DEVICE[:, None], PLACE]
    width = SPREAD[DEVICE[:, None], PLACE]
    assert not against_profile(usual, DEVICE, PLACE, MEDIAN, SPREAD).any()
    above = against_profile(usual + width, DEVICE, PLACE, MEDIAN, SPREAD)
    np.testing.assert_allclose(above, 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("series", SERIES[0]),
        ("series", SERIES[..., :2]),
        ("device", DEVICE[:2]),
        ("device", DEVICE + 1),
        ("place", PLACE[:, :2]),
        ("place", PLACE - 1),
        ("place", PLACE + PLACES),
        ("spread", SPREAD[0]),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: Any) -> None:
    asked: dict[str, Any] = {
        "series": SERIES,
        "device": DEVICE,
        "place": PLACE,
        "median": MEDIAN,
        "spread": SPREAD,
    }
    with pytest.raises(ValueError, match="must"):
        against_profile(**(asked | {name: value}))
