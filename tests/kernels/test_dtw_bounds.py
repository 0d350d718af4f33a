"""Kernels check no bounds: these run them in buffers that end where memory ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs mprotect")


def run(*arguments: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("guarded_dtw.py"),
            *map(str, arguments),
        ],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize(
    ("start", "stop", "step", "channels"),
    [(1, 301, 1, 1), (1, 301, 13, 3), (1, 60, 5, 20)],
)
def test_no_size_leaves_its_buffers(start: int, stop: int, step: int, channels: int) -> None:
    done = run(start, stop, step, channels, 0)
    assert done.returncode == 0, done.stderr or done.returncode


@pytest.mark.parametrize("short", [1, 16])
def test_a_buffer_that_is_too_short_would_be_noticed(short: int) -> None:
    assert run(20, 24, 1, 1, short).returncode < 0, "the guards do not work"
