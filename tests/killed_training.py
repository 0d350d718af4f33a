"""A training that is killed: `python killed_training.py CASE OUT N`.

It trains as `edge-export train --resume` does, with the settings of a case of conformance.py, and
kills itself (SIGKILL) in the middle of writing its N-th checkpoint.
"""

import io
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from conformance import CASES
from coupled import record

from edge_anomaly.files.bundle import Bundle
from edge_export.bundles.train import Plan, train_bundle

__all__ = ["train"]


def train(name: str, out: Path, *, resumable: bool) -> Bundle:
    case = CASES[name]
    config = case.config
    if getattr(config, "epochs", 2) < 2:
        config = replace(config, epochs=2)
    some = case.recordings() if case.recordings else [record(f"c-{i}", i) for i in (1, 2, 3)]
    plan = Plan(name="one", torchscript=False, rule=case.rule, resumable=resumable)
    return train_bundle(case.family, some, config, out, plan)


def die_in_save(last: int) -> None:
    whole, saves = torch.save, 0

    def save(content: Any, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == last:
            file = io.BytesIO()
            whole(content, file)
            path.write_bytes(file.getvalue()[: file.tell() // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        whole(content, path)

    torch.save = save  # type: ignore[assignment] # this process lives for no other


if __name__ == "__main__":
    _, case_name, folder, fatal = sys.argv
    die_in_save(int(fatal))
    train(case_name, Path(folder), resumable=True)
