"""Ways to take one step of `gevae`: encode the newest window, tell the next from 12 latents.

Random weights: speed does not depend on them. 48 slots of 38 signals, 67 pairs of which move
together. `online` caches the latents, as the agent does; `encoding 12 windows again` is what a
model without a state must do.
"""

from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT, Branch
from edge_anomaly.ports import Graph
from edge_export.families.family import Grown
from edge_export.families.gevae import Config, Gevae, Scaler
from edge_export.families.gevae_bundle import grow
from edge_export.graphs.verify import load

__all__ = ["AGAIN", "BATCHES", "CONTENDERS", "PEER", "SEED", "SHIPPED", "feeds", "step", "turns"]

BATCHES = (1, 8, 32, 128)
SHIPPED, PEER = "ONNX Runtime, dense, online", "eager PyG, online"
AGAIN = "ONNX Runtime, dense, encoding 12 windows again"
CONTENDERS = (SHIPPED, "TorchScript, dense, online", AGAIN, PEER)
SEED, SIGNALS, PAIRS = 0, 38, 67
Feed = dict[str, NDArray[Any]]
Step = Callable[[Feed], NDArray[np.float32]]


@cache
def grown() -> Grown:
    """The graphs of an untrained model of the default sizes."""
    torch.set_num_threads(1)
    config = Config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        all_pairs = torch.combinations(torch.arange(SIGNALS))
        pairs = all_pairs[torch.randperm(len(all_pairs))[:PAIRS]].T
        scaler = Scaler(torch.zeros(1, SIGNALS), torch.ones(1, SIGNALS), config.clip)
        edges = torch.cat([pairs, pairs.flip(0)], dim=1)
        model = Gevae(scaler, edges, torch.zeros(1, SIGNALS), config)
        for parameter in model.predictor.dense.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    state = [config.latents, config.latent]
    branch = Branch(name="main", window=config.window, heads=True, state=state)
    return grow(model, branch, torchscript=True)


def feeds(size: int, count: int = 16) -> list[Feed]:
    """The same random batches for every contender, each with the 11 windows before it."""
    rng, config = np.random.default_rng(SEED), Config()
    return [
        {
            "window": rng.normal(size=(size, config.window, SIGNALS)).astype(np.float32),
            "device": np.zeros(size, np.int64),
            "state": rng.normal(size=(size, config.latents, config.latent)).astype(np.float32),
            "past": rng.normal(size=(size * config.latents, config.window, SIGNALS)).astype(
                np.float32
            ),
        }
        for _ in range(count)
    ]


@cache
def step(name: str) -> Step:
    """One of CONTENDERS: the expected last step of the window to come, (B, 1, 38)."""
    made = grown()
    if name == PEER:
        if made.reference is None or made.ahead_reference is None:
            raise RuntimeError("nothing to compare with")
        return _online(made.reference, made.ahead_reference)
    runtime = TORCHSCRIPT if "TorchScript" in name else ONNX
    encode, ahead = load(runtime, made.graphs[runtime]), load(runtime, made.ahead[runtime])
    return _again(encode, ahead) if name == AGAIN else _online(encode, ahead)


def turns(run: Step, some: list[Feed]) -> Callable[[], object]:
    """Takes a step with the next of `some` at each call."""
    endless = cycle(some)
    return lambda: run(next(endless))


def _online(encode: Graph, ahead: Graph) -> Step:
    def run(feed: Feed) -> NDArray[np.float32]:
        state = encode.run(feed)["new_state"]
        return ahead.run({"state": state, "device": feed["device"]})["expected"]

    return run


def _again(encode: Graph, ahead: Graph) -> Step:
    config = Config()

    def run(feed: Feed) -> NDArray[np.float32]:
        count = len(feed["past"])
        none = np.full((count, config.latents, config.latent), np.nan, np.float32)
        device = np.zeros(count, np.int64)
        latents = encode.run({"window": feed["past"], "device": device, "state": none})
        state = latents["new_state"][:, -1].reshape(-1, config.latents, config.latent)
        return ahead.run({"state": state, "device": feed["device"]})["expected"]

    return run
