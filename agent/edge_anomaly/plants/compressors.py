"""Four compressors with dry gas seals on one header, one reading a signal and minute.

A compressor's shaft is sealed by clean gas that is pressed through a filter into the
primary seal. What leaks through it goes to the vent; nitrogen holds the secondary seal and
separates it from the bearings. So, in short, and for every machine alike but for its size
and age:

    flow of seal gas    ~ sqrt(differential pressure x density)      (a labyrinth)
    filter dp           ~ clogging x flow^2 / density
    flow to the vent    ~ wear x sealed pressure x speed
    vent pressure       = flare header + (flow to the vent)^2
    secondary flow      ~ sqrt(nitrogen header - vent pressure)
    separation flow     ~ sqrt(separation pressure)

Load follows the station's demand in steps and falls when a sister machine on the header
starts; gas is warmed by the heater, the machine and the day. None of this is a fault.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.blocks import Blocks, wandering
from edge_anomaly.plants.broken import during, extent, of_devices
from edge_anomaly.plants.faults import Fault, Kind, random_faults
from edge_anomaly.plants.machines import DEVICES, MACHINES, SIGNALS, USUAL
from edge_anomaly.plants.plant import READINGS, Plant, each_signal

__all__ = ["BLOCK", "COMPRESSORS", "DAY", "PERIOD_S", "START_S", "Compressors"]

PERIOD_S = 60.0
START_S = 1_704_067_200.0  # 2024-01-01
DAY = int(86400 / PERIOD_S)  # slots
BLOCK = 256  # slots drawn at once, so that chunks of any size give the same numbers

_COLUMN = {name: column for column, name in enumerate(SIGNALS)}

Floats = NDArray[np.float64]


def _each(field: str) -> Floats:
    return np.array([getattr(machine, field) for machine in MACHINES], np.float64)


# Wandering of first order: time constant in slots, standard deviation.
_COMMON = {
    "weather": (720, 3.0),  # degC
    "header": (60, 1.0),  # bar
    "flare": (30, 2.0),  # kPa
    "nitrogen": (45, 0.012),  # share
}
_OWN = {
    "load": (20, 0.045),  # share
    "control": (3, 0.02),  # share of the set point
    "heater": (8, 0.5),  # degC
    "vent": (10, 0.02),  # share
    "regulator": (15, 0.008),  # share
}
# Deviation of an instrument's noise, as a share of the signal's usual level.
_NOISE = np.array([0.010, 0.004, 0.006, 0.003, 0.012, 0.008, 0.007, 0.007, 0.005, 0.001])
_LEVELS = (0.56, 0.66, 0.76, 0.86, 0.96, 1.04)  # of demand
_DEMAND_SLOTS, _SISTER_SLOTS = 120.0, 240.0  # mean time between changes
_LOAD_LAG, _SISTER_LAG, _HEAT_LAG = 3.0, 2.0, 12.0


class Compressors:
    """The station, slot by slot; the same seed and faults give the same readings."""

    devices = DEVICES
    signals = tuple(SIGNALS)

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        """Start at midnight, slot 0.

        Args:
            seed: Of weather, demand and noise; sizes and ages of the machines are fixed.
            faults: What breaks.

        Raises:
            ValueError: A fault names a device that the station does not have.
        """
        self.faults: Sequence[Fault] = of_devices(faults, DEVICES, "compressor")
        self._seed = seed
        self._blocks = Blocks(self._simulate, BLOCK, (len(DEVICES), len(SIGNALS)))
        rng = self._rng(-1)
        self._common = rng.standard_normal(len(_COMMON))
        self._own = rng.standard_normal((len(_OWN), len(DEVICES)))
        self._filter_age = rng.uniform(0, 1, len(DEVICES))
        self._demand = self._demand_now = float(rng.choice(_LEVELS))
        self._sister = self._sister_now = float(rng.integers(2))
        self._heat = np.full(len(DEVICES), self._demand)
        self._last = np.zeros((len(DEVICES), len(SIGNALS)))
        self._stuck: dict[Fault, float] = {}

    def step(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` slots.

        Returns:
            Their numbers, shape (n,), and the readings in engineering units,
            shape (n, devices, signals).

        Raises:
            ValueError: `n` is negative.
        """
        return self._blocks.take(n)

    def _rng(self, block: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, block + 1])

    def _simulate(self, first: int) -> NDArray[np.float32]:
        rng = self._rng(first // BLOCK)
        slot = np.arange(first, first + BLOCK)
        common, own, load, sister, heat = self._drive(rng)
        values = self._physics(slot, common, own, load, sister, heat)
        noise = rng.standard_normal(values.shape)
        level = np.array([USUAL[name] for name in SIGNALS])
        values += noise * (_NOISE * level) * _each("noise")[:, None]
        np.maximum(values, 0.0, out=values)
        self._break_sensors(slot, values)
        self._last = values[-1].copy()
        return values.astype(np.float32)

    def _drive(
        self, rng: np.random.Generator
    ) -> tuple[dict[str, Floats], dict[str, Floats], Floats, Floats, Floats]:
        """What moves the machines: wandering, load, sister machine, heat of the machine."""
        decay, spread = wandering(_COMMON)
        own_decay, own_spread = wandering(_OWN)
        kicks = rng.standard_normal((BLOCK, len(_COMMON))) * np.sqrt(1 - decay**2)
        own_kicks = rng.standard_normal((BLOCK, len(_OWN), len(DEVICES)))
        own_kicks *= np.sqrt(1 - own_decay**2)[:, None]
        chance, level = rng.random((BLOCK, 2)), rng.choice(_LEVELS, BLOCK)
        common = np.empty((BLOCK, len(_COMMON)))
        own = np.empty((BLOCK, len(_OWN), len(DEVICES)))
        load, heat = np.empty((BLOCK, len(DEVICES))), np.empty((BLOCK, len(DEVICES)))
        sister = np.empty((BLOCK, 1))
        share = _each("share")
        for i in range(BLOCK):
            common[i] = self._common = decay * self._common + kicks[i]
            own[i] = self._own = own_decay[:, None] * self._own + own_kicks[i]
            if chance[i, 0] < 1 / _DEMAND_SLOTS:
                self._demand = float(level[i])
            if chance[i, 1] < 1 / _SISTER_SLOTS:
                self._sister = 1.0 - self._sister
            self._demand_now += (self._demand - self._demand_now) / _LOAD_LAG
            self._sister_now += (self._sister - self._sister_now) / _SISTER_LAG
            sister[i] = self._sister_now
            wander = own_spread[0] * self._own[0]
            load[i] = share * self._demand_now * (1 - 0.12 * self._sister_now) + wander
            self._heat = self._heat + (load[i] - self._heat) / _HEAT_LAG
            heat[i] = self._heat
        return (
            {name: common[:, [k]] * spread[k] for k, name in enumerate(_COMMON)},
            {name: own[:, k] * own_spread[k] for k, name in enumerate(_OWN)},
            load,
            sister,
            heat,
        )

    def _physics(
        self,
        slot: NDArray[np.int64],
        common: dict[str, Floats],
        own: dict[str, Floats],
        load: Floats,
        sister: Floats,
        heat: Floats,
    ) -> Floats:
        """True values of all signals, (BLOCK, D, C); every name is (BLOCK, D) or broadcasts."""
        day = slot[:, None] / DAY
        ambient = 13 + 6 * np.sin(2 * np.pi * (day - 0.375)) + common["weather"]
        suction = 43 - 7 * (load - 0.8) - 1.6 * sister + common["header"]  # bar
        speed = 0.5 + 0.5 * load
        temp = _each("heater_c") + 30 * (heat - 0.8) + 0.3 * (ambient - 13) + own["heater"]
        density = suction / 43 * 333 / (temp + 273)

        age = (self._filter_age + day / _each("filter_days")) % 1.0
        clogged = 1 + _each("clogging") * age
        clogged *= 1 + self._extent(Kind.FILTER_CLOGGING, slot, minus=1.0)
        hunting = self._extent(Kind.VALVE_HUNTING, slot) * np.sin(2 * np.pi * slot / 5.3)[:, None]
        # The set point follows the load, so that the seal is never starved.
        wanted = _each("set_kpa") * (0.6 + 0.5 * load) * (1 + own["control"] + hunting)
        resistance = _each("filter_kpa") * clogged / density * 1e-4
        flow = _each("labyrinth") * np.sqrt(wanted * density)
        # Beyond some dp the filter takes what the control valve no longer has to give.
        sag = np.clip(0.6 * (resistance * flow**2 - 30), 0, 0.5 * wanted)
        over = wanted - sag
        flow = _each("labyrinth") * np.sqrt(over * density)

        worn = 1 + _each("wear") * day / 30
        worn *= 1 + self._extent(Kind.PRIMARY_SEAL_LEAK, slot, minus=1.0)
        vent = _each("leak") * worn * suction / 43 * (0.28 + 0.8 * speed) * (1 + own["vent"])
        vent_pressure = 28 + 2.5 * sister + common["flare"] + 0.09 * vent**2
        supply = 1 + common["nitrogen"]
        secondary = _each("nitrogen") * np.sqrt(np.maximum(420 * supply - vent_pressure, 1))
        left = 1 - self._extent(Kind.SEPARATION_GAS_LOSS, slot)
        separation = _each("separation_kpa") * (supply + own["regulator"]) * left
        separation_flow = 1.9 * np.sqrt(np.maximum(separation, 0)) * (1 + 0.8 * (speed - 0.9))
        return np.stack(
            [
                resistance * flow**2,
                flow,
                over,
                temp,
                vent,
                vent_pressure,
                secondary,
                separation_flow,
                separation,
                100 * suction + over - vent_pressure,
            ],
            axis=-1,
        )

    def _extent(self, kind: Kind, slot: NDArray[np.int64], minus: float = 0.0) -> Floats:
        return extent(self.faults, kind, slot, DEVICES, minus)

    def _break_sensors(self, slot: NDArray[np.int64], values: Floats) -> None:
        for fault in during(self.faults, slot, Kind.SENSOR_DRIFT):
            cell = DEVICES.index(fault.device), _COLUMN[fault.signals[0]]
            values[:, *cell] *= 1 + fault.size * fault.extent(slot)
        for fault in during(self.faults, slot, Kind.SENSOR_STUCK):
            cell = DEVICES.index(fault.device), _COLUMN[fault.signals[0]]
            if fault not in self._stuck:
                at = fault.start - slot[0]
                self._stuck[fault] = float(values[at - 1, *cell] if at else self._last[cell])
            stuck = (slot >= fault.start) & (slot < fault.end)
            values[stuck, *cell] = self._stuck[fault]


COMPRESSORS = Plant(
    name="compressors",
    devices=DEVICES,
    signals=SIGNALS,
    period_s=PERIOD_S,
    speed=600.0,  # a minute of the plant every tenth of a second
    start_s=START_S,
    horizon=30 * DAY,
    new=Compressors,
    faults=lambda seed, until: random_faults(seed, DEVICES, until=until),
    encode=each_signal(SIGNALS),
    input={
        "topic": f"{READINGS}/{{device}}/{{signal}}",
        "format": "json",
        "value": "v",
        "time": {"path": "t", "unit": "s"},
        "max_gap": "3min",
    },
    grace_s=30 * PERIOD_S,  # a window
    warming="Nothing yet: first each machine is watched for half an hour of its time.",
    lately="the last half hour",
)
