"""The machine that a table was measured on."""

import datetime as dt
import importlib.metadata
import platform
import subprocess
from pathlib import Path

from edge_kernels.lanes import REGISTER_BYTES

__all__ = ["cpu", "machine"]


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine(packages: tuple[str, ...]) -> str:
    """CPU, vector width, versions of `packages`, commit and date, in one sentence."""
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  # whichever git there is
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"{cpu()}, registers of {REGISTER_BYTES * 8} bits, one core; "
        f"Python {platform.python_version()}, {', '.join(versions)}; "
        f"commit {commit or 'unknown'}, {today}."
    )
