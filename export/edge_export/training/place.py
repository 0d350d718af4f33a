"""Where a model is trained: on the CPU, or on a GPU that is really there."""

from edge_anomaly.errors import ConfigError

__all__ = ["require"]


def require(device: str) -> None:
    """Nothing, where torch can train on `device`.

    Args:
        device: cpu or cuda.

    Raises:
        ConfigError: It is neither, or torch sees no GPU; nothing has been read or trained yet.
    """
    if device == "cpu":
        return
    if device != "cuda":
        raise ConfigError(f"device: no {device!r}; there are cpu, cuda")
    import torch  # noqa: PLC0415 - families without a network need not load it

    if not torch.cuda.is_available():
        raise ConfigError(
            f"device: torch {torch.__version__} sees no GPU; train on the cpu, or install the "
            "torch that is built for this GPU's driver"
        )
