"""The bundle of the simulated servers: what it finds, and what it cannot see."""

import numpy as np
import pytest

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.demo.command import bundle_of
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.plants.server_faults import ServerFault, ServerKind
from edge_anomaly.plants.servers import SERVER_NAMES, SERVER_SIGNALS, SERVERS, ServerRoom
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer

SETTLED = 120  # slots after which the score's averages have forgotten how they began
SIGNALS = list(SERVER_SIGNALS)


@pytest.fixture(scope="module")
def shipped() -> tuple[Bundle, Model]:
    folder = bundle_of(SERVERS)
    bundle = read_bundle(folder)
    return bundle, load_model(bundle, folder)


def judged(
    shipped: tuple[Bundle, Model], seed: int, slots: int, *faults: ServerFault
) -> tuple[np.ndarray, np.ndarray]:
    """Score over threshold, and the signal furthest off, of every slot and server."""
    bundle, model = shipped
    _, values = ServerRoom(seed, faults).step(slots)
    scorer, device = Scorer(bundle, model), np.arange(len(SERVER_NAMES))
    ratio, worst = np.zeros((slots, device.size)), np.zeros((slots, device.size), np.int64)
    for end in range(bundle.window, slots + 1):
        window = np.ascontiguousarray(values[end - bundle.window : end].transpose(1, 0, 2))
        scores = scorer.score(window, device, np.full(device.size, end - 1))
        ratio[end - 1] = scores.score / scores.threshold
        worst[end - 1] = scores.deviation.argmax(axis=1)
    return ratio, worst


def test_ships_small_and_holds_a_network_and_what_it_must_beat(
    shipped: tuple[Bundle, Model],
) -> None:
    manifest = shipped[0].manifest
    assert [branch.name for branch in manifest.branches] == ["gevae", "pca"]
    assert sum(path.stat().st_size for path in bundle_of(SERVERS).iterdir()) < 200_000
    assert manifest.provenance.metrics["gevae.active_latents"] >= 8
    assert manifest.provenance.metrics["gevae.reconstruction_unexplained"] < 0.3


@pytest.mark.parametrize("seed", [301, 302])
def test_stays_quiet_through_day_and_night_while_nothing_is_broken(
    shipped: tuple[Bundle, Model], seed: int
) -> None:
    ratio, _ = judged(shipped, seed, 1440)
    above = ratio[SETTLED:] > 1
    assert above.mean() < 0.003
    assert not (above[2:] & above[1:-1] & above[:-2]).any()
    assert np.median(ratio[SETTLED:]) > 0.2  # quiet, not deaf


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (ServerKind.DISK_FAILING, 5.5),
        (ServerKind.FAN_FAILURE, 0.7),
        (ServerKind.FLOOD, 7.0),
        (ServerKind.MEMORY_LEAK, 28.0),
        (ServerKind.RUNAWAY_PROCESS, 38.0),
    ],
)
def test_finds_what_breaks_and_blames_its_signal(
    shipped: tuple[Bundle, Model], kind: ServerKind, size: float
) -> None:
    fault = ServerFault("web-2", kind, 200, 280, size)
    ratio, worst = judged(shipped, 303, 300, fault)
    mine = SERVER_NAMES.index("web-2")
    during = slice(fault.start, fault.end)
    assert (ratio[during, mine] > 1).sum() >= 3
    first = fault.start + int((ratio[during, mine] > 1).argmax())
    assert SIGNALS[worst[first, mine]] in fault.signals


def test_a_server_that_falls_quiet_as_at_night_is_what_it_cannot_see(
    shipped: tuple[Bundle, Model],
) -> None:
    """All signals leave together for a level that is usual at other hours."""
    lost = ServerFault("web-1", ServerKind.LOST_TRAFFIC, 200, 280, 0.8)
    ratio, _ = judged(shipped, 303, 300, lost)
    assert ratio[200:280, 0].max() < 1.2
