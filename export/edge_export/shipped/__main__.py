"""Train the demo's bundles again: `python -m edge_export.shipped PLANT ...`."""

import argparse
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_export.shipped import bearings, compressors, power, servers

__all__ = ["BUILDERS", "main"]

# Each trains the bundle of one plant and writes it to a folder.
BUILDERS: Mapping[str, Callable[[Path], object]] = {
    "bearings": bearings.build,
    "compressors": compressors.build,
    "power": power.build,
    "servers": servers.build,
}


def main() -> None:
    """Build the bundles of the plants that are named, in their place in the package."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m edge_export.shipped", description=__doc__)
    parser.add_argument("plants", nargs="+", choices=list(BUILDERS), metavar="PLANT")
    parser.add_argument(
        "--out", type=Path, default=compressors.OUT.parent, help="default: %(default)s"
    )
    args = parser.parse_args()
    for plant in args.plants:
        BUILDERS[plant](args.out / plant)


if __name__ == "__main__":
    main()
