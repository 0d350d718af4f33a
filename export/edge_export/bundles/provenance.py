"""Where a bundle comes from, so that it can be made again."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge_anomaly.files.bundle import Provenance
from edge_export.data.recordings import Recording, digest

__all__ = ["HELD_OUT", "commit", "provenance", "versions"]

HELD_OUT = "held_out"  # among the metrics: the last share of each device's time that was held out

PACKAGES = ("edge-anomaly-agent", "numpy", "onnx", "onnxruntime", "torch")


def provenance(
    recordings: Sequence[Recording], command: str, seed: int, metrics: dict[str, float]
) -> Provenance:
    """All that the manifest says about the making of a bundle.

    The time is the clock's, or SOURCE_DATE_EPOCH (reproducible-builds.org) where it is set.
    """
    now = float(os.environ.get("SOURCE_DATE_EPOCH", datetime.now(UTC).timestamp()))
    return Provenance(
        created=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        command=command,
        data_sha256=digest(recordings),
        seed=seed,
        commit=commit(),
        versions=versions(),
        metrics=metrics,
    )


def commit() -> str:
    """The commit of the source tree that runs, `-dirty` where it was changed; else empty."""
    describe = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    here = Path(__file__).parent
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            describe, cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Of Python and of what decides the numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from the source tree
            continue
    return found
