"""edge-export forests: a bundle's Isolation Forests for runtimes other than the agent."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.scoring import constant_key
from edge_export.bundles.package import read_bundle
from edge_export.calibration.isolation import from_arrays, to_onnx
from edge_export.commands import options
from edge_kernels import Forest

__all__ = ["forests_of", "register", "run"]

EXAMPLES = """examples:
  edge-export forests bundles/feeders --out forests/

Each file takes `rows` float32 (n, features) and gives `score` float32 (n,): scikit-learn's
decision_function of a forest without contamination, below 0 where a row is unusual.
"""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "forests",
        run,
        summary="a bundle's Isolation Forests as ONNX files, one TreeEnsembleRegressor each",
        description="Write the Isolation Forests of a bundle as ONNX files.",
        examples=EXAMPLES,
    )
    options.bundle(command)
    options.folder(command, "--out", "where to put them", required=True)


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Write the files.

    Raises:
        BundleError: The bundle cannot be used, has no forest, or the folder not be written to.
    """
    found = dict(forests_of(read_bundle(arguments.bundle)))
    if not found:
        raise BundleError(f"{arguments.bundle}: its score recipes have no stage `forest`")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name, forest in found.items():
            (arguments.out / f"{name}.onnx").write_bytes(to_onnx(forest))
            sys.stdout.write(f"{name}.onnx: {forest.root.size} trees, {forest.features} features\n")
    except OSError as exc:
        raise BundleError(f"{arguments.out}: cannot be written: {exc}") from exc


def forests_of(bundle: Bundle) -> Iterator[tuple[str, Forest]]:
    """Every forest of a bundle by `<branch>-<track>`."""
    for branch in bundle.manifest.branches:
        for position, stage in enumerate(branch.recipe):
            if stage.stage == "forest":
                prefix = constant_key(position, "forest", "", branch.name)
                arrays = {
                    key.removeprefix(prefix): np.asarray(value)
                    for key, value in bundle.calibration.items()
                    if key.startswith(prefix)
                }
                for track, forest in enumerate(from_arrays(arrays)):
                    yield f"{branch.name}-{track + 1}", forest
