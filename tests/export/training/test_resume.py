"""Every family that learns by torch goes on where it was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import killed_training
import numpy as np
import pytest


# The checkpoint at which it dies: the second of its only part, of gevae's predictor, and of usad's
# epochs with an adversary.
@pytest.mark.parametrize(
    ("case", "fatal"),
    [("lstm-ae", 2), ("vae", 2), ("gevae+pca", 8), ("usad, network", 5)],
)
def test_a_killed_training_goes_on_to_the_bundle_it_would_have_made(
    case: str, fatal: int, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = subprocess.run(
        [sys.executable, killed_training.__file__, case, str(killed), str(fatal)],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert not killed.exists()
    assert list(tmp_path.glob(".killed.training*.pt"))
    want = killed_training.train(case, whole, resumable=False)
    resumed = killed_training.train(case, killed, resumable=True)
    for name, graph in want.graphs.items():
        assert resumed.graphs[name] == graph
    for name, array in want.calibration.items():
        np.testing.assert_array_equal(resumed.calibration[name], array)
    assert sorted(tmp_path.iterdir()) == [killed, whole]
