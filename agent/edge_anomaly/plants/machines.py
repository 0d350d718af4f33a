"""The machines of the simulated station: their signals, sizes and ages."""

from dataclasses import dataclass

__all__ = ["DEVICES", "MACHINES", "SIGNALS", "USUAL", "Machine"]

SIGNALS: dict[str, str] = {  # name: unit
    "filter_dp": "kPa",
    "seal_gas_flow": "Nm3/h",
    "seal_gas_diff_pressure": "kPa",
    "seal_gas_temp": "degC",
    "primary_vent_flow": "Nm3/h",
    "primary_vent_pressure": "kPa",
    "secondary_seal_gas_flow": "Nm3/h",
    "separation_seal_gas_flow": "Nm3/h",
    "separation_seal_gas_pressure": "kPa",
    "seal_gas_to_vent_diff_pressure": "kPa",
}
USUAL = {  # level for which an instrument was bought
    "filter_dp": 15.0,
    "seal_gas_flow": 100.0,
    "seal_gas_diff_pressure": 150.0,
    "seal_gas_temp": 60.0,
    "primary_vent_flow": 10.0,
    "primary_vent_pressure": 40.0,
    "secondary_seal_gas_flow": 10.0,
    "separation_seal_gas_flow": 20.0,
    "separation_seal_gas_pressure": 120.0,
    "seal_gas_to_vent_diff_pressure": 4300.0,
}


@dataclass(frozen=True)
class Machine:
    """Size and age of one compressor."""

    name: str
    share: float  # of the station's demand
    filter_kpa: float  # dp of a clean filter at 100 Nm3/h
    labyrinth: float  # Nm3/h at 1 kPa
    set_kpa: float  # seal gas over sealed gas
    heater_c: float
    leak: float  # Nm3/h to the vent at full pressure
    nitrogen: float  # Nm3/h at 1 kPa
    separation_kpa: float
    noise: float  # of its instruments, times the usual
    clogging: float  # growth of the filter's resistance until it is changed
    filter_days: float  # until it is changed
    wear: float  # growth of the leakage a month


MACHINES = (
    Machine("c-1", 0.92, 9.0, 8.2, 150, 62, 6.0, 0.52, 118, 0.7, 0.15, 9, 0.002),  # new
    Machine("c-2", 1.00, 11.0, 8.9, 165, 58, 8.5, 0.60, 124, 1.0, 0.30, 7, 0.004),
    Machine("c-3", 0.85, 14.0, 7.6, 142, 66, 11.0, 0.47, 110, 1.2, 0.40, 6, 0.006),
    Machine("c-4", 0.96, 17.0, 8.5, 158, 55, 15.5, 0.55, 131, 1.6, 0.55, 5, 0.010),  # due
)
DEVICES: tuple[str, ...] = tuple(machine.name for machine in MACHINES)
