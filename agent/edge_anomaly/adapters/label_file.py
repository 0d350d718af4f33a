"""The verdicts of people as a file: what `edge-export calibrate --labels` reads."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_anomaly.alarms.labels import Labels
from edge_anomaly.values import Message, Publish

__all__ = ["FILE", "LabelFile"]

FILE = "labels.ndjson"

log = logging.getLogger(__name__)


class LabelFile:
    """A `Bystander` that keeps `labels.ndjson` beside the store; whole at any moment.

    The labels themselves are part of the agent's state, so a file that could not be written
    is written the next time.
    """

    def __init__(self, folder: Path, labels: Labels) -> None:
        """Begin with the labels that there are.

        Args:
            folder: That is there.
            labels: Of the annunciator.
        """
        self._file = folder / FILE
        self._labels = labels
        if len(labels):
            self._write()

    def asked(self) -> list[Message]:
        """Nothing is ever asked."""
        return []

    def heard(self, _said: Sequence[Publish], _now_ns: int) -> list[Publish]:
        """Write, where there is a new verdict."""
        if self._labels.fresh():
            self._write()
        return []

    def _write(self) -> None:
        content = b"".join(msgspec.json.encode(label) + b"\n" for label in self._labels)
        beside = self._file.with_suffix(".new")
        try:
            with beside.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self._file)
        except OSError as exc:
            log.error("%s: %s; the verdicts are in the state all the same", self._file, exc)  # noqa: TRY400 - no trace
