"""The embedded broker's own process: rumqttd has no way to stop but the end of its process.

Run by path, so it imports nothing of ours. It ends with the parent: when the parent's end
of standard input closes, however the parent died.
"""

import logging
import os
import sys
import threading

import iotcore

__all__ = ["main"]


def main(config: str) -> None:
    """Serve until terminated; a first line on standard output says that the ports are free.

    Raises:
        OSError: A port is taken.
    """
    # rumqttd reports each packet as an error span.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    broker = iotcore.IotCoreBroker(config_path=config)
    broker.check_ports()
    print("free", flush=True)  # noqa: T201 - this line is the protocol with the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    broker.run_forever()


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever sent; sys.stdin would be locked when the interpreter ends
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
