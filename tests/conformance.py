"""The bundles that the conformance suite asks: one of every family, trained in seconds.

Add a family by a line in CASES; `recordings` may be a function where the four coupled signals of
conftest.py do not do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from years import year

from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, cut
from edge_export.families import find
from edge_export.families.gevae import Config as Gevae
from edge_export.families.linear import Config as Linear
from edge_export.families.lstm_ae import Config as LstmAe
from edge_export.families.usad import Config as Usad
from edge_export.families.vae import Config as Vae
from edge_export.grounds.bearings import recording
from edge_export.grounds.power import DAY

__all__ = ["CASES", "Case"]

LSTM_AE = LstmAe(window=8, outer=7, inner=5, latent=3, epochs=1, batch=64, seed=3)
GEVAE = Gevae(
    window=16,
    node=8,
    head=8,
    latent=5,
    latents=4,
    predictor=7,
    every=1,
    epochs=6,
    learning_rate=1e-2,
)
USAD = Usad(
    network=True, hidden=12, latent=4, epochs=6, every=6, trees=20, context=24, learning_rate=1e-2
)


VAE = Vae(
    segment=8,
    step=4,
    windows=7,
    layers=(16, 8),
    latent=3,
    strongest=3,
    epochs=6,
    fewest_nats=0.0,
    learning_rate=1e-2,
)


@dataclass(frozen=True)
class Case:
    """A family and settings with which it trains in seconds."""

    family: str
    config: Any
    recordings: Callable[[], Sequence[Recording]] | None = None
    rule: Rule | None = None
    torchscript: bool = False


def _shafts() -> Sequence[Recording]:
    """Vibration of two shafts, short blocks of which are snapshots here."""
    return [recording(seed, 2, device=f"shaft-{seed}") for seed in (1, 2)]


def _mill() -> list[Recording]:
    whole = year()
    return [cut(whole, 0, int(whole.t_ns[28 * DAY]))]


def _ensemble(family: str, **members: Any) -> Any:
    mixed = find(family).presets["default"]
    return replace(mixed, members=dict(mixed.members) | members)


CASES = {
    "const": Case("const", Linear(window=1)),
    "pca": Case("pca", Linear(window=1)),
    "pca, SPE": Case("pca", Linear(window=1, statistic="spe"), rule=Rule("tail", 1e-3)),
    "pca, T2": Case("pca", Linear(window=1, statistic="t2"), rule=Rule("mean-std", 3.0)),
    "pca, Mahalanobis": Case(
        "pca", Linear(window=1, statistic="mahalanobis"), rule=Rule("budget", 0.5)
    ),
    "var1": Case("var1", Linear(), rule=Rule("hour-of-week", 0.99)),
    "lstm-ae": Case("lstm-ae", LSTM_AE, torchscript=True),
    "gevae": Case("gevae", GEVAE, torchscript=True),
    "gevae, paper": Case("gevae", replace(GEVAE, embedded=False, whole=True, most_unexplained=9)),
    "usad": Case("usad", Usad(trees=20), _mill),
    "usad, network": Case("usad", USAD, _mill, torchscript=True),
    "usad, paper": Case(
        "usad", Usad(published=True, lengths=(10, 4), hidden=8, epochs=1, trees=20)
    ),
    "gevae+pca": Case("gevae+pca", _ensemble("gevae+pca", gevae=GEVAE)),
    "pca+var1, votes": Case("pca+var1", replace(_ensemble("pca+var1"), how="votes", votes=1)),
    "vae": Case("vae", VAE, recordings=_shafts, torchscript=True),
    "vae, paper": Case(
        "vae", replace(VAE, spectral=False, summed=False, strongest=0), recordings=_shafts
    ),
}
