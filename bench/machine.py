"""The machine that a table was measured on."""

import datetime as dt
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

from edge_export.bundles.provenance import commit, versions
from edge_kernels.lanes import REGISTER_BYTES

__all__ = ["cpu", "machine", "made", "written"]


def cpu() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def made() -> str:
    """Date, commit (`-dirty` where the tree was changed) and versions."""
    name, changed, _ = commit().partition("-dirty")
    numbers = ", ".join(f"{package} {number}" for package, number in versions().items())
    today = dt.datetime.now(tz=dt.UTC).date()
    return f"{today}; commit {name[:12] or 'unknown'}{changed}; {numbers}"


def written(text: str, table: Path) -> None:
    """Print a table, and write it to its file."""
    sys.stdout.write(text)
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(text, "utf-8")


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
