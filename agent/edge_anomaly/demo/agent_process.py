"""The demo's agent: `edge-agent --config FILE` in a process that ends with its parent."""

import os
import signal
import sys
import threading
from importlib import import_module

__all__ = ["main"]


def main(config: str) -> int:
    """Run the agent; exit status as the command's."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cli = import_module("edge_anomaly.cli")  # seconds of imports, under guard from the start
    return int(cli.main(["--config", config]))


def _end_with_parent() -> None:
    # However the parent died, its end of the pipe closes; nobody else would stop us.
    os.read(0, 1)  # nothing is ever sent; sys.stdin would be locked when the interpreter ends
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
