"""A disk that is full and one that cannot be written: real ones, of a megabyte, in memory."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proof import plant
from proof.plant import Ledger
from proof.run import Gateway, has_last_scores, pouring, until, watching

__all__ = ["NoMountError", "refused_disk", "small_disk"]

MOUNT = "/bin/mount"
UMOUNT = "/bin/umount"


class NoMountError(Exception):
    """This process may not mount anything."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of one megabyte.

    Raises:
        NoMountError: We may not make one.
    """
    folder.mkdir(parents=True)
    made = subprocess.run(
        [MOUNT, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        raise NoMountError(made.stderr.decode())
    try:
        yield folder
    finally:
        subprocess.run([UMOUNT, "-l", str(folder)], check=False)


def fill(disk: Path) -> None:
    """Leave no byte free."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def read_only(disk: Path) -> None:
    """Let nothing be written any more."""
    subprocess.run([MOUNT, "-o", "remount,ro", str(disk)], check=True)


def refused_disk(
    url: str, folder: Path, slots: int, *, how: str, on_failure: str, seed: int = 1
) -> tuple[int | None, str, Ledger]:
    """Let the disk refuse in the middle of the plant's run.

    Args:
        url: The broker.
        folder: To work in.
        slots: Of the plant.
        how: full, or read-only after a restart
        on_failure: What the config says.
        seed: Of the plant.

    Returns:
        The exit status where it ended by itself (None: it went on to the end), its log, and
        what was seen.
    """
    many = [one for slot in plant.messages(slots, seed) for one in slot]
    half = len(many) // 2
    folder.mkdir(exist_ok=True)
    with small_disk(folder / "disk") as disk, watching(url) as ledger:
        store = f"store: {{path: disk, on_failure: {on_failure}, checkpoint: 1s}}"
        with Gateway(folder, plant.config(url, more=store)) as gateway:
            until(ledger.online, "online")
            with pouring(url, many[:half], 1e9):
                pass
            until(lambda: len(ledger.scores) >= half * 0.9, "the first scores")
            if how == "full":
                fill(disk)
            else:  # which Linux allows only while nobody writes: the agent is started on it anew
                gateway.stop()
                read_only(disk)
                gateway.start()
            process = gateway.process
            if process is None:
                raise RuntimeError("it was never started")
            with pouring(url, many[half:], 500.0):
                pass
            deadline = time.monotonic() + 20.0
            while time.monotonic() < deadline and process.poll() is None:
                if has_last_scores(ledger, slots):
                    break
                time.sleep(0.05)
            status = process.poll()
            if status is None:
                gateway.stop()
            return status, gateway.log, ledger
