"""Memory over many swaps of a model: the agent as a process, asked over MQTT."""

import shutil
import time
from pathlib import Path

import msgspec

from edge_anomaly.adapters.mqtt_client import PlainClient
from proof import plant
from proof.plant import BASE, BUNDLE
from proof.run import STORE, Gateway, has_last_scores, pouring, until, watching

__all__ = ["swapped"]

SLOTS = 40


def swapped(url: str, folder: Path, times: int, *, settled: int = 5) -> tuple[float, float, int]:
    """Swap to and fro between two copies of the bundle.

    Returns:
        Resident memory, MB, after `settled` swaps and after all, and how many succeeded.
    """
    folder.mkdir(exist_ok=True)
    for name in ("one", "two"):
        shutil.copytree(BUNDLE, folder / name)
    # Other bytes, so that nothing is taken for the same model.
    manifest = folder / "two" / "manifest.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("version: '1'", "version: '2'"))
    text = plant.config(url, more=STORE).replace(str(BUNDLE), "one")
    replies: list[dict[str, object]] = []
    memory = []
    many = [one for slot in plant.messages(SLOTS, 1) for one in slot]
    with (
        watching(url) as ledger,
        Gateway(folder, text) as gateway,
        PlainClient(
            url,
            [f"{BASE}/reply/#"],
            lambda _topic, payload: replies.append(msgspec.json.decode(payload)),
        ) as client,
    ):
        until(ledger.online, "online")
        with pouring(url, many, 1e9):
            pass
        until(lambda: has_last_scores(ledger, SLOTS), "scores")
        for number in range(times):
            ask = {"bundle": "two" if number % 2 == 0 else "one", "shadow": "0s"}
            client.publish(f"{BASE}/cmd/swap", msgspec.json.encode(ask))
            until(lambda n=number: len(replies) >= 2 * (n + 1), "swapped")  # type: ignore[misc] # bound at once
            time.sleep(0.05)
            memory.append(gateway.resident_mb)
        switched = sum("switched" in str(reply.get("data")) for reply in replies)
        gateway.stop()
    return memory[settled - 1], memory[-1], switched
