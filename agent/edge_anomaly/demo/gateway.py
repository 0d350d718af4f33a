"""The agent as the demo runs it: the same command as on a gateway, in its own process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from edge_anomaly.errors import AgentError

__all__ = ["AgentProcess", "Gateway"]

STOP_S = 10.0


class Gateway(Protocol):
    """A running agent."""

    def check(self) -> None:
        """Return while it runs.

        Raises:
            AgentError: It has ended, and why.
        """
        ...


class AgentProcess:
    """`edge-agent --config FILE` as a child process; stopped by SIGTERM on the way out."""

    def __init__(self, config: str, environment: Mapping[str, str] | None = None) -> None:
        """Make ready.

        Args:
            config: The text of a plant.yaml.
            environment: Variables besides ours.
        """
        self._environment = dict(environment or {})
        self._config = config
        self._folder = tempfile.TemporaryDirectory(prefix="edge-agent-demo-")
        self._log = Path(self._folder.name, "agent.log")
        self._process: subprocess.Popen[bytes] | None = None
        self.status: int | None = None  # exit status, once it has ended

    def __enter__(self) -> Self:
        file = Path(self._folder.name, "plant.yaml")
        file.write_text(self._config, "utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "edge_anomaly.demo.agent_process", str(file)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Where we were found, also when a test runner extended the path.
                env=os.environ
                | self._environment
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is for us, and we stop it in our order
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                self.status = process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                self.status = process.wait()
            if process.stdin is not None:
                process.stdin.close()
        self._folder.cleanup()

    def check(self) -> None:
        """Return while it runs.

        Raises:
            AgentError: It has ended; the text is the last line that it wrote.
        """
        if self._process is not None and self._process.poll() is not None:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
            last = lines[-1] if lines else f"exit status {self._process.returncode}"
            raise AgentError(f"the agent: {last.removeprefix('edge-agent: ')}")
