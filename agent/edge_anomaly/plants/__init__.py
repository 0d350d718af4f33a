"""Simulated plants with labelled faults: pure, seeded, without clock or I/O."""

from edge_anomaly.plants.compressors import PERIOD_S, SIGNALS, Compressors
from edge_anomaly.plants.faults import Fault, Kind, random_faults

__all__ = ["PERIOD_S", "SIGNALS", "Compressors", "Fault", "Kind", "random_faults"]
