"""What an operator said about alarms: a file of true and false ones.

CSV with the columns device, start, end, verdict, or a JSON object a line with these members, as
the command `label` takes them. Times are ISO 8601 (UTC where they name no zone) or ms since the
epoch; a verdict is `true` or `confirmed`, or `false`.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_anomaly.errors import RecordingError

__all__ = ["Verdict", "read_verdicts"]

WORDS = {"true": True, "confirmed": True, "false": False}
COLUMNS = ("device", "start", "end", "verdict")


@dataclass(frozen=True)
class Verdict:
    """A stretch of a device's time, and whether something was wrong in it."""

    device: str
    start_ns: int
    end_ns: int  # exclusive, after start_ns
    real: bool


def read_verdicts(path: Path) -> list[Verdict]:
    """The verdicts in a file.

    Raises:
        RecordingError: It cannot be read or a line is not a verdict; names file and line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc
    found = []
    for line, row in _rows(path, text):
        try:
            found.append(_verdict(row))
        except (ValueError, KeyError, TypeError, OverflowError) as exc:
            raise RecordingError(f"{path}:{line}: not a verdict: {exc}") from exc
    return found


def _rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    lines = text.splitlines()
    if lines and not lines[0].lstrip().startswith("{"):
        table = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise RecordingError(f"{path}: no column {missing[0]!r} among {lines[0]}")
        for row in table:
            yield table.line_num, row
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as exc:
                raise RecordingError(f"{path}:{number}: not JSON: {exc}") from exc
            yield number, row


def _verdict(row: Mapping[str, Any]) -> Verdict:
    start_ns, end_ns = _ns(row["start"]), _ns(row["end"])
    if end_ns <= start_ns:
        raise ValueError("its end is not after its start")
    word = str(row["verdict"]).strip().lower()
    if word not in WORDS:
        raise ValueError(f"a verdict is one of {', '.join(WORDS)}, not {word!r}")
    return Verdict(str(row["device"]).strip(), start_ns, end_ns, WORDS[word])


def _ns(moment: object) -> int:
    """ISO 8601, or ms since the epoch."""
    text = str(moment).strip()
    if text.lstrip("-").isdigit():
        return int(text) * 10**6
    stamp = datetime.fromisoformat(text)
    stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return round(stamp.timestamp() * 10**6) * 1000
