"""The graph autoencoder: dense attention, cached latents, what it knows of its nodes, its gates."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import Branch
from edge_export.bundles.train import Plan, train_bundle
from edge_export.data.recordings import Recording, Slicing, Windows
from edge_export.data.split import Split, split
from edge_export.families import find
from edge_export.families.family import UselessModelError
from edge_export.families.gevae import Config, Gat, Gevae, divergence
from edge_export.families.gevae_bundle import (
    PRESETS,
    check_attention,
    grow,
    joined,
    new_model,
    train,
    vitality,
)
from edge_export.families.gevae_dense import DenseDecoder, DenseEncoder, DenseGat, faintest
from edge_export.families.gevae_graphs import WISHES, Ahead, Encode, scored
from edge_export.graphs.verify import ParityError, load
from edge_export.training.loop import Course

MINUTE = 60 * 10**9
TINY = Config(window=16, node=8, heads=2, head=6, latent=5, latents=4, predictor=7, epochs=1)


@pytest.fixture(scope="module")
def parts(recordings: list[Recording]) -> Split:
    return split(recordings, Slicing(TINY.window, MINUTE), held_out=0.2)


def windows(parts: Split, count: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    rows = np.linspace(0, len(parts.held) - 1, count).astype(int)
    some = parts.held[rows]
    return torch.from_numpy(some.window), torch.from_numpy(some.device)


EDGES = {
    "symmetric": [[0, 1, 1, 2], [1, 0, 2, 1]],
    "directed": [[0, 1, 3, 2], [1, 2, 0, 3]],
    "with an isolated node": [[0, 1], [1, 0]],
    "without an edge": [[], []],
}


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("concat", [True, False], ids=["side by side", "averaged"])
def test_dense_attention_is_that_of_pytorch_geometric(edges: list[list[int]], concat: bool) -> None:  # noqa: FBT001 - a parameter
    torch.manual_seed(0)
    gat = Gat(3, TINY, torch.tensor(edges, dtype=torch.int64), concat=concat)
    torch.nn.init.normal_(gat.conv.bias)
    nodes = torch.randn(5, 4, 3)
    with torch.no_grad():
        torch.testing.assert_close(dense(gat, nodes), gat(nodes), atol=1e-6, rtol=1e-5)


def dense(gat: Gat, nodes: torch.Tensor) -> torch.Tensor:
    answer: torch.Tensor = DenseGat(gat, nodes.shape[1])(nodes.transpose(1, 2))
    return answer.transpose(1, 2)


CHAIN = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def sharpened(gat: Gat, nodes: torch.Tensor, affinity: float) -> None:
    """Scale attention so that affinities in `nodes` reach up to this, either way."""
    with torch.no_grad():
        by_head = gat.conv.lin(nodes).reshape(-1, TINY.heads, gat.conv.out_channels)
        for attention in (gat.conv.att_src, gat.conv.att_dst):
            attention.mul_(affinity / 2 / (by_head * attention).sum(2).abs().max())


@pytest.mark.parametrize("concat", [True, False], ids=["side by side", "averaged"])
@pytest.mark.parametrize("affinity", [80, 180])
def test_attention_that_all_but_ignores_some_neighbours_is_still_that_of_pytorch_geometric(
    affinity: float,
    concat: bool,  # noqa: FBT001 - a parameter
) -> None:
    torch.manual_seed(0)
    gat = Gat(3, TINY, CHAIN, concat=concat)
    nodes = torch.randn(64, 4, 3)
    sharpened(gat, nodes, affinity)
    with torch.no_grad():
        torch.testing.assert_close(dense(gat, nodes), gat(nodes), atol=1e-6, rtol=1e-5)


def test_a_stranger_does_not_count_however_close_it_seems() -> None:
    torch.manual_seed(0)
    gat = Gat(3, TINY, CHAIN, concat=True)
    nodes = torch.randn(64, 4, 3)
    sharpened(gat, nodes, 4000)
    conv = gat.conv
    with torch.no_grad():
        conv.att_dst.zero_()  # who hears says nothing; who sends says up to 2000
        sends = (conv.lin(nodes).reshape(64, 4, TINY.heads, -1) * conv.att_src).sum(3)
        near = [[0, 1], [0, 1, 2], [1, 2], [3]]
        nearest = torch.stack([sends[:, rows].amax(dim=1) for rows in near], dim=1).amin(dim=(1, 2))
        kept = nodes[nearest > -150]
        assert 4 < len(kept) < 64
        assert sends.max() > 1000
        torch.testing.assert_close(dense(gat, kept), gat(kept), atol=1e-6, rtol=1e-5)


def test_a_model_whose_nodes_ignore_all_their_neighbours_is_refused(parts: Split) -> None:
    model = new_model(parts, TINY).eval()
    check_attention(model, parts.held)
    window, device = windows(parts, 64)
    with torch.no_grad():
        shown = model.encoder.nodes(model.scaler(window, device)) + model.encoder.embedding
    sharpened(model.encoder.first, shown, 2000)
    assert faintest(model, window, device) < -150
    with pytest.raises(ParityError, match=r"an affinity of -\d+, and below -100 .* learning_rate"):
        check_attention(model, parts.held)


@pytest.mark.parametrize("size", [0.0, 1e4, 1e18], ids=["none", "large", "enormous"])
def test_attention_stays_within_the_values_whatever_its_inputs(size: float) -> None:
    torch.manual_seed(0)
    gat = Gat(3, TINY, CHAIN, concat=True)
    nodes = torch.randn(5, 4, 3) * size
    with torch.no_grad():
        values = gat.conv.lin(nodes)
        got = dense(gat, nodes)
        assert torch.isfinite(got).all()
        slack = 1e-5 * float(values.abs().max())
        assert (got <= values.amax(dim=1, keepdim=True) + slack).all()
        assert (got >= values.amin(dim=1, keepdim=True) - slack).all()


def test_a_window_at_the_clip_in_every_signal_is_told_as_the_trained_model_tells_it(
    parts: Split,
) -> None:
    model = new_model(parts, TINY).eval()
    window, device = windows(parts)
    for extreme in (torch.full_like(window, 1e30), torch.full_like(window, -1e30), window * 0):
        with torch.no_grad():
            scaled = model.scaler(extreme, device)
            want = model.encoder(scaled)[0]
            got = DenseEncoder(model.encoder)(scaled)[0]
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-5)


def seen(values: NDArray[np.float32]) -> Split:
    n, c = values.shape
    some = Windows(
        values[:, np.newaxis], np.zeros(n, np.int64), np.arange(n), np.ones(n, np.float32)
    )
    row = np.zeros((1, c), np.float32)
    names = tuple(f"s{i}" for i in range(c))
    return Split(("d",), names, some, some[:0], row, row + 1, row)


def test_signals_that_move_together_are_joined_and_one_that_stands_still_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    values = np.stack([x, -x + 0.1 * rng.normal(size=500), rng.normal(size=500), x * 0 + 7e4], 1)
    edges = joined(seen(values.astype(np.float32)), 0.8)
    assert sorted(map(tuple, edges.T.tolist())) == [(0, 1), (1, 0)]


def test_a_plant_of_signals_that_stand_still_has_finite_answers() -> None:
    still = seen(np.full((40, 3), 5.0, np.float32))
    wide = replace(still.fit, window=np.repeat(still.fit.window, TINY.window, axis=1))
    model = new_model(replace(still, fit=wide), TINY)
    window, device = torch.from_numpy(wide.window[:2]), torch.zeros(2, dtype=torch.int64)
    assert torch.isfinite(model.loss(window, device, None))


def literal(parts: Split) -> Gevae:
    model = new_model(parts, replace(TINY, embedded=False, whole=True, correlation=2.0))
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_the_literal_decoder_gives_all_isolated_nodes_one_window_and_the_default_does_not(
    parts: Split,
) -> None:
    latent, device = torch.randn(3, TINY.latent), torch.zeros(3, dtype=torch.int64)
    with torch.no_grad():
        one = literal(parts).decoder(latent, device)
        own = new_model(parts, TINY).decoder(latent, device)
    torch.testing.assert_close(one[..., :1].expand_as(one), one)  # summed in another order
    assert (own.std(dim=2) > 0).all()


def test_the_default_begins_at_each_signals_mean(parts: Split) -> None:
    model = new_model(parts, TINY)
    last = parts.fit.window[parts.fit.device == 1, -1]
    want = ((last - parts.centre[1]) / parts.scale[1]).mean(axis=0)
    np.testing.assert_allclose(model.decoder.bias.detach()[1].numpy(), want, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [{}, {"node_encoder": "gru"}, {"embedded": False, "whole": True}],
    ids=["default", "gru", "paper"],
)
def test_the_graphs_answer_as_the_model_does(parts: Split, change: dict[str, Any]) -> None:
    config = replace(TINY, **change)
    model = new_model(parts, config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    state = [config.latents, config.latent]
    branch = Branch(name="main", window=config.window, heads=True, state=state)
    grown = grow(model, branch, torchscript=True)
    assert WISHES.rows is not None
    size = 2 * WISHES.rows + 5  # in blocks, the last of which is not full
    window, device = windows(parts, size)
    feed = {
        "window": window.numpy(),
        "device": device.numpy(),
        "state": np.full((size, *state), np.nan, np.float32),
    }
    assert grown.reference is not None
    assert grown.ahead_reference is not None
    want = grown.reference.run(feed)
    told = grown.ahead_reference.run(feed | {"state": want["new_state"]})["expected"]
    for runtime, content in grown.graphs.items():
        got = load(runtime, content).run(feed)
        for name, value in want.items():
            np.testing.assert_allclose(got[name], value, atol=1e-5)
        after = load(runtime, grown.ahead[runtime]).run(feed | {"state": want["new_state"]})
        np.testing.assert_allclose(after["expected"], told, atol=1e-5)


def test_cached_latents_equal_encoding_every_window_again(parts: Split) -> None:
    model = new_model(parts, TINY).eval()
    rows = np.flatnonzero(parts.held.device == 0)[: TINY.latents + 3]
    run = parts.held[rows]
    encode = Encode(model, DenseEncoder(model.encoder))
    ahead = Ahead(model, DenseDecoder(scored(model)))
    state = torch.full((1, TINY.latents, TINY.latent), torch.nan)
    device = torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        for i in range(len(run)):
            _, state = encode(torch.from_numpy(run.window[i : i + 1]), device, state)
        whole = model.encoder(model.scaler(torch.from_numpy(run.window), device.expand(len(run))))
        torch.testing.assert_close(state[0], whole[0][-TINY.latents :])
        last_step = model.decoder(model.predictor(state), device)[:, -1:]
        torch.testing.assert_close(ahead(state, device)[0], last_step)


def test_the_first_latent_stands_for_those_before_it_and_nothing_leaves_no_hole(
    parts: Split,
) -> None:
    model = new_model(parts, TINY).eval()
    encode = Encode(model, DenseEncoder(model.encoder))
    window, device = windows(parts, 2)
    with torch.no_grad():
        none = torch.full((2, TINY.latents, TINY.latent), torch.nan)
        _, state = encode(window, device, none)
        assert torch.equal(state[:, :1].expand_as(state), state)
        _, state = encode(torch.full_like(window, torch.nan), device, state)
        assert torch.isfinite(state).all()


COLLAPSING = {"beta": 100.0, "epochs": 2, "learning_rate": 0.05, "warm_up": 0.0}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (COLLAPSING | {"attempts": 1}, "0 latents are in use"),
        (COLLAPSING | {"attempts": 2, "beta": 1e5}, "lower beta .* attempts: 2"),
        (
            {"most_unexplained": 1e-6, "fewest_active": 0, "attempts": 1},
            "misses .* of the variance, at most 1e-06",
        ),
    ],
    ids=["collapsed", "collapsed again", "explains nothing"],
)
def test_a_useless_model_is_refused_and_nothing_is_written(
    tmp_path: Path, recordings: list[Recording], change: dict[str, float], complaint: str
) -> None:
    config = replace(TINY, **change)  # type: ignore[arg-type] # settings by name
    with pytest.raises(UselessModelError, match=complaint):
        train_bundle("gevae", recordings, config, tmp_path / "out", Plan(name="no"))
    assert not list(tmp_path.iterdir())


def test_a_collapsed_model_is_trained_anew_with_less_beta_and_the_user_is_told(
    tmp_path: Path, recordings: list[Recording], caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(TINY, beta=1.0, learning_rate=0.01, warm_up=0.0, attempts=3)
    plan = Plan(name="again", torchscript=False)
    made = train_bundle("gevae", recordings, config, tmp_path / "out", plan)
    assert "trained anew with beta 0.1" in caplog.text
    found = made.manifest.provenance.metrics
    assert found["beta"] < 1
    assert found["active_latents"] >= config.fewest_active


def test_the_weight_of_the_divergence_rises_with_training(parts: Split) -> None:
    model = new_model(parts, replace(TINY, beta=1.0, warm_up=0.5))
    torch.nn.init.normal_(model.encoder.mean.weight)
    window, device = windows(parts)
    with torch.no_grad():
        begin, quarter, half, end = (
            float(model.loss(window, device, None, at)) for at in (0.0, 0.25, 0.5, 1.0)
        )
        mean, log_variance = model.encoder(model.scaler(window, device))
        assert end - begin == pytest.approx(float(divergence(mean, log_variance).mean()), rel=1e-4)
    assert quarter - begin == pytest.approx((half - begin) / 2, rel=1e-4)
    assert half == end


def test_few_windows_are_gone_over_often_enough_to_teach_something(parts: Split) -> None:
    some = replace(parts, fit=parts.fit[:: len(parts.fit) // 40], held=parts.held[::9])
    model = new_model(some, replace(TINY, embedded=True))
    before = model.encoder.mean.weight.detach().clone()
    losses = train(model, some, Course(1, TINY.batch, 2e-3, 2, 0), Course(1, 64, 1e-3, 2, 0))
    first, last = losses.autoencoder
    assert last < 0.9 * first  # one pass over forty windows is one step
    assert not torch.equal(before, model.encoder.mean.weight)


def test_the_losses_of_both_parts_are_there_to_be_shown(parts: Split) -> None:
    model = new_model(parts, TINY)
    losses = train(model, parts, Course(2, TINY.batch, 2e-3, 9, 0), Course(3, 64, 1e-3, 9, 0))
    shown = {name: len(curve) for name, curve in losses.curves.items()}
    assert shown == {"autoencoder, held out": 3, "predictor, held out": 4}
    lonely = replace(parts, fit=parts.fit[::2], held=parts.held[:1])
    alone = train(model, lonely, Course(1, TINY.batch, 2e-3, 9, 0), Course(1, 64, 1e-3, 9, 0))
    assert list(alone.curves) == ["autoencoder, held out"]


def test_vitality_tells_a_model_that_says_nothing(parts: Split) -> None:
    model = new_model(parts, TINY)
    torch.nn.init.zeros_(model.encoder.mean.weight)
    found = vitality(model, parts.fit)
    assert found["active_latents"] == 0
    assert found["reconstruction_unexplained"] > 0.5


def test_presets_name_the_published_recipe() -> None:
    assert set(PRESETS) >= {"default", "paper"}
    paper = PRESETS["paper"]
    assert (paper.window, paper.latent, paper.latents, paper.correlation) == (48, 32, 12, 0.8)
    assert not paper.embedded
    assert paper.whole
    assert find("gevae").presets == PRESETS


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="no 'cnn'; there are conv, gru"):
        Config(node_encoder="cnn")
    with pytest.raises(ConfigError, match="need 13 slots at least"):
        Config(window=12)
