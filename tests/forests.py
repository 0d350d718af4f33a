"""From a trained scikit-learn forest to the flat arrays that the kernel reads."""

from edge_export.calibration.isolation import flatten as as_flat
from edge_export.calibration.isolation import rounded_down

__all__ = ["as_flat", "rounded_down"]
