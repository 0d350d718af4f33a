"""The simulated plants by name."""

from collections.abc import Mapping

from edge_anomaly.plants import bearings
from edge_anomaly.plants.compressors import COMPRESSORS
from edge_anomaly.plants.plant import Plant
from edge_anomaly.plants.power import POWER
from edge_anomaly.plants.servers import SERVERS

__all__ = ["PLANTS"]

PLANTS: Mapping[str, Plant] = {
    plant.name: plant for plant in (COMPRESSORS, bearings.PLANT, POWER, SERVERS)
}
