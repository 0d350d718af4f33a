"""Four servers behind one balancer, a reading a signal and minute.

Demand follows the day and the week and wanders; the balancer shares it out. Each request costs
processor time, packets and writes; a disk's queue grows as u / (1 - u) of its use u; what the
processor burns warms the box with a lag, and the fan follows the heat. Backups run at night. So
most signals are one story told twelve times, and a fault is where a signal leaves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.blocks import Blocks, wandering
from edge_anomaly.plants.broken import extent, of_devices
from edge_anomaly.plants.plant import READINGS, Plant, each_signal
from edge_anomaly.plants.server_faults import ServerFault, ServerKind, server_faults

__all__ = ["SERVERS", "SERVER_NAMES", "SERVER_PERIOD_S", "SERVER_SIGNALS", "ServerRoom"]

SERVER_PERIOD_S = 60.0
DAY = int(86400 / SERVER_PERIOD_S)  # slots
BLOCK = 256  # slots drawn at once, so that chunks of any size give the same numbers
START_S = 1_704_067_200.0  # 2024-01-01, a Monday

SERVER_SIGNALS = {
    "requests": "1/s",
    "connections": "",
    "cpu": "%",
    "load": "",
    "memory": "%",
    "net_in": "MB/s",
    "net_out": "MB/s",
    "disk_write": "MB/s",
    "disk_queue": "",
    "latency": "ms",
    "temperature": "degC",
    "fan_speed": "rpm",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Server:
    """What tells one box from another."""

    share: float  # of the demand
    cost: float  # % of the processor a request a second
    memory: float  # % in use when idle
    disk: float  # MB/s that the disk can write
    warm: float  # degC above the room when idle


_SERVERS: Mapping[str, _Server] = {
    "web-1": _Server(share=0.30, cost=0.16, memory=38, disk=60, warm=14),
    "web-2": _Server(share=0.30, cost=0.17, memory=41, disk=60, warm=15),
    "app-1": _Server(share=0.22, cost=0.26, memory=52, disk=80, warm=18),
    "db-1": _Server(share=0.18, cost=0.30, memory=61, disk=140, warm=17),
}
SERVER_NAMES = tuple(_SERVERS)
PEAK = 900.0  # requests a second of all servers at the height of a working day
BACKUP = (2 * 60, 40)  # begins at this minute of the night, lasts so long
# Wandering of first order, of all servers and of each: time constant in slots, deviation.
_COMMON = {"demand": (90, 0.06), "room": (300, 0.6)}
_OWN = {"balance": (25, 0.03), "work": (40, 0.04), "cache": (240, 1.2)}
_HEAT_LAG, _MEMORY_LAG = 8.0, 90.0  # slots
# Deviation of each signal's noise, as a share of its value.
_NOISE = np.array([0.02, 0.015, 0.025, 0.04, 0.004, 0.03, 0.03, 0.05, 0.06, 0.03, 0.004, 0.008])


def _each(field: str) -> Floats:
    return np.array([getattr(server, field) for server in _SERVERS.values()], np.float64)


class ServerRoom:
    """The room, slot by slot; the same seed and faults give the same readings."""

    devices = SERVER_NAMES

    def __init__(self, seed: int, faults: Iterable[ServerFault] = ()) -> None:
        """Start on a Monday at midnight, slot 0.

        Args:
            seed: Of demand, wandering and noise; the servers are fixed.
            faults: What breaks.

        Raises:
            ValueError: A fault names a server that is not there.
        """
        self.faults: Sequence[ServerFault] = of_devices(faults, SERVER_NAMES, "server")
        self._seed = seed
        self._blocks = Blocks(self._simulate, BLOCK, (len(SERVER_NAMES), len(SERVER_SIGNALS)))
        rng = np.random.default_rng([seed, 0])
        self._common = rng.standard_normal(len(_COMMON))
        self._own = rng.standard_normal((len(_OWN), len(SERVER_NAMES)))
        self._heat = np.full(len(SERVER_NAMES), 20.0)
        self._held = np.full(len(SERVER_NAMES), 300.0)  # connections that memory remembers

    def step(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` slots.

        Returns:
            Their numbers, shape (n,), and the readings, shape (n, devices, signals).

        Raises:
            ValueError: `n` is negative.
        """
        return self._blocks.take(n)

    def _simulate(self, first: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([self._seed, first // BLOCK + 1])
        slot = np.arange(first, first + BLOCK)
        common = self._wander(rng, _COMMON, "_common")  # (BLOCK, 2)
        own = self._wander(rng, _OWN, "_own")  # (BLOCK, 3, D)
        values = self._story(slot, common, own)
        noise = rng.standard_normal(values.shape) * _NOISE
        readings: NDArray[np.float32] = np.maximum(values * (1 + noise), 0.0).astype(np.float32)
        return readings

    def _wander(
        self, rng: np.random.Generator, processes: Mapping[str, tuple[int, float]], name: str
    ) -> Floats:
        """A block of first-order noise of each process, in its own deviation."""
        decay, spread = wandering(processes)
        state: Floats = getattr(self, name)
        shape = (-1, *[1] * (state.ndim - 1))
        decay, spread = decay.reshape(shape), spread.reshape(shape)
        out = np.empty((BLOCK, *state.shape))
        kicks = rng.standard_normal(out.shape) * np.sqrt(1 - decay**2)
        for i in range(BLOCK):
            state = decay * state + kicks[i]
            out[i] = state * spread
        setattr(self, name, state)
        return out

    def _story(self, slot: NDArray[np.int64], common: Floats, own: Floats) -> Floats:
        """All signals, (BLOCK, D, C), without the instruments' noise; names are (BLOCK, D)."""
        demand = PEAK * _usual(slot) * (1 + common[:, 0])
        balance, work, cache = own[:, 0], own[:, 1], own[:, 2]
        lost = self._extent(ServerKind.LOST_TRAFFIC, slot)
        requests = demand[:, None] * _each("share") * (1 + balance) * (1 - lost)
        backup = _backup(slot)[:, None]
        runaway = self._extent(ServerKind.RUNAWAY_PROCESS, slot)
        cpu = 3 + _each("cost") * requests * (1 + work) + 6 * backup + runaway
        cpu = 100 * np.tanh(cpu / 100)  # what is asked for beyond 100 % waits
        connections = 20 + 1.8 * requests
        disk_write = 1.5 + 0.06 * requests * (1 + work) + 22 * backup
        slower = 1 + self._extent(ServerKind.DISK_FAILING, slot, minus=1.0)
        use = np.clip(disk_write / _each("disk") * slower, 0, 0.93)
        queue = 0.2 + 3 * use / (1 - use)
        latency = 12 + 40 * (cpu / 100) ** 3 + 2.5 * queue
        heat, held = self._lagged(cpu, connections)
        cooling = 1 - self._extent(ServerKind.FAN_FAILURE, slot)
        room = 21 + common[:, [1]]
        wanted = 2200 + 45 * heat
        fan = wanted * cooling
        temperature = room + _each("warm") + 0.42 * heat * (1 + 0.8 * (1 - cooling))
        temperature = temperature + 6 * (1 - cooling)
        leak = self._extent(ServerKind.MEMORY_LEAK, slot)
        memory = np.minimum(_each("memory") + 0.035 * held + cache + leak, 100)
        return np.stack(
            [
                requests,
                connections,
                cpu,
                cpu / 100 * 8 + 0.4 * queue,
                memory,
                0.3 + 0.011 * requests + self._extent(ServerKind.FLOOD, slot),
                0.4 + 0.034 * requests + 18 * backup,
                disk_write,
                queue,
                latency,
                temperature,
                fan,
            ],
            axis=-1,
        )

    def _lagged(self, cpu: Floats, connections: Floats) -> tuple[Floats, Floats]:
        heat, held = np.empty_like(cpu), np.empty_like(connections)
        for i in range(len(cpu)):
            self._heat = self._heat + (cpu[i] - self._heat) / _HEAT_LAG
            self._held = self._held + (connections[i] - self._held) / _MEMORY_LAG
            heat[i], held[i] = self._heat, self._held
        return heat, held

    def _extent(self, kind: ServerKind, slot: NDArray[np.int64], minus: float = 0.0) -> Floats:
        return extent(self.faults, kind, slot, SERVER_NAMES, minus)


def _usual(slot: NDArray[np.int64]) -> Floats:
    """Share of the peak demand by the time of the week, (n,)."""
    hour = slot % DAY / DAY * 24
    day = 0.25 + 0.75 * np.exp(-(((hour - 14) / 5) ** 2)) + 0.12 * np.exp(-(((hour - 20) / 2) ** 2))
    weekend = slot // DAY % 7 >= 5  # noqa: PLR2004 - Saturday
    return np.where(weekend, 0.25 + 0.55 * (day - 0.25), day)


def _backup(slot: NDArray[np.int64]) -> Floats:
    """How much of the nightly backup runs, 0..1, (n,)."""
    minute = slot % DAY - BACKUP[0]
    rise = np.clip(np.minimum(minute + 1, BACKUP[1] - minute) / 4, 0, 1)
    return np.where((minute >= 0) & (minute < BACKUP[1]), rise, 0.0)


SERVERS = Plant(
    name="servers",
    devices=SERVER_NAMES,
    signals=SERVER_SIGNALS,
    period_s=SERVER_PERIOD_S,
    speed=600.0,  # a minute of the room every tenth of a second
    start_s=START_S,
    horizon=30 * DAY,
    new=ServerRoom,
    faults=lambda seed, until: server_faults(seed, SERVER_NAMES, until),
    encode=each_signal(SERVER_SIGNALS),
    input={
        "topic": f"{READINGS}/{{device}}/{{signal}}",
        "value": "v",
        "time": {"path": "t", "unit": "s"},
        "max_gap": "3min",
    },
    grace_s=48 * SERVER_PERIOD_S,  # a window
    warming="Nothing yet: first each server is watched for three quarters of an hour of its time.",
    lately="the last half hour",
)
