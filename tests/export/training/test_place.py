"""Where a model is trained. No GPU is here: what is tested is that its absence is told at once.

And that a model which is moved takes all that it needs along. torch's `meta` device stands for
the GPU: it has shapes and no numbers, and refuses to mix with tensors that were left on the CPU.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental import _config as fx

from edge_anomaly.errors import ConfigError
from edge_export import cli
from edge_export.bundles.train import Plan
from edge_export.families import gevae, lstm_ae, usad_network, vae
from edge_export.training.place import require

N, W, C, D = 3, 16, 4, 2


def test_the_cpu_is_always_there_and_a_gpu_where_torch_sees_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    require("cuda")
    assert Plan("any", device="cuda").device == "cuda"


def test_a_gpu_that_is_not_there_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=rf"torch {torch.__version__[:3]}.* sees no GPU"):
        Plan("any", device="cuda")
    words = ["train", "--family", "pca", "--data", "no.csv", "--device", "cuda"]
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "sees no GPU; train on the cpu" in told
    assert "no.csv" not in told
    assert not list(tmp_path.iterdir())


def test_another_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="no 'tpu'; there are cpu, cuda"):
        require("tpu")


def of_lstm_ae(device: str) -> Tensor:
    config = lstm_ae.Config(window=W)
    model = lstm_ae.LstmAe(lstm_ae.Scaler(torch.zeros(D, C), torch.ones(D, C), 3.0), config)
    window, who = inputs(model, device)
    latent = model.encoder(model.scaler(window, who))
    head = model.heads[1]
    assert isinstance(head, lstm_ae.Head)
    told: Tensor = head(latent, W)
    return told.mean()


def of_gevae(device: str) -> Tensor:
    config = gevae.Config(window=W)
    scaler = gevae.Scaler(torch.zeros(D, C), torch.ones(D, C), 3.0)
    model = gevae.Gevae(scaler, torch.tensor([[0, 1], [1, 0]]), torch.zeros(D, C), config)
    window, who = inputs(model, device)
    told = model.predictor(torch.zeros(N, config.latents, config.latent, device=device))
    noise = torch.zeros(N, config.latent, device=device)
    loss: Tensor = model.loss(window, who, noise) + model.decoder(told, who).mean()
    return loss


def of_vae(device: str) -> Tensor:
    config = vae.Config(segment=W, layers=(8, 4), latent=2)
    model = vae.Vae(torch.zeros(D, W, C), torch.ones(D, W, C), config)
    window, who = inputs(model, device)
    error, nats = model.loss(window, who, torch.zeros(N, config.latent, device=device))
    return error + nats


def of_usad(device: str) -> Tensor:
    sizes = usad_network.Sizes(window=W, latent=3, hidden=6, clock=True, adversary=0.2, both=True)
    model = usad_network.Network(np.zeros((D, C), np.float32), np.ones((D, C), np.float32), sizes)
    window, who = inputs(model, device)
    seen, expected = model(window, who, torch.zeros(N, W, 4, device=device))
    missed: Tensor = seen - expected
    return missed.mean()


def inputs(model: torch.nn.Module, device: str) -> tuple[Tensor, Tensor]:
    model.to(device)
    return torch.zeros(N, W, C, device=device), torch.ones(N, dtype=torch.int64, device=device)


@pytest.mark.parametrize("loss", [of_lstm_ae, of_gevae, of_vae, of_usad])
def test_a_model_that_is_moved_leaves_nothing_behind(
    loss: Callable[[str], Tensor],
) -> None:
    # GATConv looks for self-loops among its edges: how many there are is unknown without numbers.
    with fx.patch(  # type: ignore[attr-defined] # torch adds it as it loads
        meta_nonzero_assume_all_nonzero=True
    ):
        assert loss("meta").device.type == "meta"
    assert torch.isfinite(loss("cpu"))
