"""Simulated plants with labelled faults: pure, seeded, without clock or I/O."""

from edge_anomaly.plants.compressors import COMPRESSORS, PERIOD_S, START_S, Compressors
from edge_anomaly.plants.faults import Fault, Kind, random_faults
from edge_anomaly.plants.machines import SIGNALS
from edge_anomaly.plants.plant import READINGS, Plant, Simulation, Trouble
from edge_anomaly.plants.power import POWER
from edge_anomaly.plants.table import PLANTS

__all__ = [
    "COMPRESSORS",
    "PERIOD_S",
    "PLANTS",
    "POWER",
    "READINGS",
    "SIGNALS",
    "START_S",
    "Compressors",
    "Fault",
    "Kind",
    "Plant",
    "Simulation",
    "Trouble",
    "random_faults",
]
