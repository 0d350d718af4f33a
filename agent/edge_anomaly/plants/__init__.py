"""Simulated plants with labelled faults: pure, seeded, without clock or I/O."""

from edge_anomaly.plants.compressors import PERIOD_S, Compressors
from edge_anomaly.plants.faults import Fault, Kind, random_faults
from edge_anomaly.plants.machines import SIGNALS

__all__ = ["PERIOD_S", "SIGNALS", "Compressors", "Fault", "Kind", "random_faults"]
