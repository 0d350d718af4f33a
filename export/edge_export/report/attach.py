"""A report into a fresh bundle: nice to have, and never a reason to lose the bundle."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_anomaly.errors import AgentError
from edge_export.bundles.package import REPORT, add_file, read_bundle
from edge_export.data.recordings import Recording
from edge_export.evaluation.results import Setting
from edge_export.graphs.verify import load_model
from edge_export.report.gather import gather, read_curves
from edge_export.report.page import render

__all__ = ["attach"]

log = logging.getLogger(__name__)


def attach(folder: Path, recordings: Sequence[Recording], held_out: float) -> None:
    """Put report.html into the bundle in `folder`; where that cannot be done, say why.

    Args:
        folder: A bundle that was just written.
        recordings: What it was trained on.
        held_out: Last share of them, which calibrated.
    """
    try:
        bundle = read_bundle(folder)
        setting = Setting(held_out=held_out)
        found = gather(bundle, load_model(bundle), recordings, [], setting, read_curves(folder))
        # The report's digest is part of the bundle's, so that it cannot name it.
        add_file(folder, REPORT, render(replace(found, sha256="")).encode())
    except (AgentError, ValueError, ArithmeticError) as exc:
        log.warning("%s: no report: %s", folder, exc)
