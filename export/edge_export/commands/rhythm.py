"""edge-export rhythm: the periods of recordings, and whether they are still those of a bundle."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from edge_anomaly.files.bundle import Manifest
from edge_export.bundles.package import read_bundle
from edge_export.commands import options
from edge_export.data.periods import changed, rhythm
from edge_export.data.recordings import period_of
from edge_export.data.sources import NAMES, healthy

__all__ = ["known_periods", "register", "run"]

EXAMPLES = """examples:
  edge-export rhythm --data last-half-year.csv
  edge-export rhythm --data last-half-year.csv --bundle bundles/feeders   # has it moved?
"""
COUNT = 3


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "rhythm",
        run,
        summary="in which periods recordings repeat, and whether a bundle still fits them",
        description="The strongest periods of recordings, from their spectrum.",
        examples=EXAMPLES,
    )
    options.data(command, NAMES)
    options.folder(command, "--bundle", "to compare with what it was trained on", metavar="BUNDLE")


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Print the periods.

    Raises:
        BundleError: The bundle cannot be used.
        RecordingError: A recording cannot be read, or tells no period.
    """
    recordings = healthy(arguments.data)
    manifest = None if arguments.bundle is None else read_bundle(arguments.bundle).manifest
    period_ns = period_of(recordings) if manifest is None else manifest.period_ns
    found = rhythm(recordings, period_ns, count=COUNT)
    hour = 3600e9 / period_ns
    for period in found.periods:
        sys.stdout.write(f"{period:8.1f} slots  {period / hour:8.2f} h\n")
    if not found.periods:
        sys.stdout.write("no period stands out\n")
    if manifest is not None:
        gone = changed(known_periods(manifest), found.periods)
        sys.stdout.write(
            "the bundle was trained on the same rhythm\n"
            if not gone
            else f"{', '.join(f'{period:.1f}' for period in gone)} slots, on which the bundle was "
            "trained, no longer stand out: train again\n"
        )


def known_periods(manifest: Manifest) -> list[float]:
    """The periods of the recordings that a bundle was trained on, strongest first, slots."""
    metrics = manifest.provenance.metrics
    keys = (f"period_{i}" for i in range(1, COUNT + 1))
    return [metrics[key] for key in keys if key in metrics]
