"""Makes `python -m edge_anomaly` the same as `edge-agent`."""

import sys

from edge_anomaly.cli import main

if __name__ == "__main__":
    sys.exit(main())
