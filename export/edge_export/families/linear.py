"""`pca`, `var1` and `const`: what a process engineer trusts, fitted in seconds.

All three expect x_t = bias + A x_(t-1) + R x_t per device: the training mean, a forecast by
ridge regression, or a projection on the first principal components. `pca` ends in one of three
statistics of process monitoring (Jackson and Mudholkar, Technometrics 1979; Russell, Chiang and
Braatz, "Data-driven Methods for Fault Detection and Diagnosis in Chemical Processes", ch. 4):
SPE, the size of what the projection leaves; T2, the distance within it; or the full
Mahalanobis distance, both at once, which is best where signals are correlated and noise is
Gaussian.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import ONNX, Branch, Stage
from edge_anomaly.scoring import constant_key
from edge_export.calibration.recipes import default_recipe, distance_recipe
from edge_export.calibration.rules import DRIFT, Rule
from edge_export.data.split import Split
from edge_export.families.family import Family, Grown, Material, Trained
from edge_export.graphs.opset import IR_VERSION, OPSET

__all__ = [
    "FAMILIES",
    "LINEAR",
    "PRESETS",
    "WHITENED",
    "Coefficients",
    "Config",
    "Linear",
    "coefficients",
    "graph",
    "linear",
]

Floats = NDArray[np.float32]
Steps = NDArray[np.float64]

RIDGE = 1e-2  # of the mean variance: signals of one machine are nearly collinear
# Best whitened alone (research: SMD). const and var1 are what networks are held against, and take
# the networks' recipe, in which the residual counts as well; the other way is a preset.
WHITENED = ("pca",)
STATISTICS = ("residual", "spe", "t2", "mahalanobis")


@dataclass(frozen=True)
class Config:
    """What decides the model, beside the recordings."""

    window: int = 2  # slots: this one and, for a forecast, the one before
    clip: float = 3.0  # scaled values beyond +-clip are cut: three times the training range
    explained: float = 0.9  # pca: share of the variance that the kept components hold
    # What of a residual counts. residual: the recipe of the other families (research: best on
    # servers); spe: its mean square; t2: the distance within the kept components; mahalanobis:
    # of all signals (research: best on the Tennessee Eastman process).
    statistic: str = "residual"
    with_raw: bool = True  # the residual counts beside what whitening leaves of it
    stride: int = 1  # hops between the windows to learn from
    held_out: float = 0.2  # last share of each device's time: calibrates
    seed: int = 0  # nothing is drawn; kept so that all families are called alike

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise ConfigError(
                f"statistic: no {self.statistic!r}; there are {', '.join(STATISTICS)}"
            )


PRESETS = {
    "default": Config(),
    "paper": Config(statistic="spe"),  # as in textbooks
    "t2": Config(statistic="t2"),
    "mahalanobis": Config(statistic="mahalanobis"),
}


@dataclass(frozen=True)
class Coefficients:
    """x_t = bias + A x_(t-1) + R x_t, in scaled units, a row a device."""

    bias: Floats  # (D, C)
    before: Floats  # (D, C, C) A
    now: Floats  # (D, C, C) R


def coefficients(name: str, parts: Split, config: Config) -> Coefficients:
    """One of the three models, fitted on the part of healthy time to learn from."""
    fitted = []
    for d in range(len(parts.devices)):
        steps = parts.fit.window[parts.fit.device == d][:, -2:].astype(np.float64)
        scaled = ((steps - parts.centre[d]) / parts.scale[d]).clip(-config.clip, config.clip)
        fitted.append(LINEAR[name](scaled[:, 0], scaled[:, -1], config))
    bias, before, now = (np.stack(part).astype(np.float32) for part in zip(*fitted, strict=True))
    return Coefficients(bias, before, now)


def graph(parts: Split, found: Coefficients, config: Config, *, forecasts: bool) -> bytes:
    """The model as ONNX: `window` (B, W, C), `device` (B,) -> last step, both (B, 1, C)."""
    node, channels = helper.make_node, len(parts.signals)
    weights = {
        "centre": parts.centre,
        "scale": parts.scale,
        "clip": np.array(config.clip, np.float32),
        "bias": found.bias,
        "now": found.now.transpose(0, 2, 1),  # as rows are multiplied from the left
        "last": np.array([-1], np.int64),
        "end": np.array([np.iinfo(np.int64).max], np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        *(
            node("Gather", [name, "device"], [f"{name}_row"])
            for name in ("centre", "scale", "bias")
        ),
        *(
            node("Unsqueeze", [f"{name}_row", "one"], [f"{name}_1"])  # (B, 1, C)
            for name in ("centre", "scale", "bias")
        ),
        node("Sub", ["window", "centre_1"], ["centred"]),
        node("Div", ["centred", "scale_1"], ["unclipped"]),
        node("Neg", ["clip"], ["lowest"]),
        node("Clip", ["unclipped", "lowest", "clip"], ["scaled"]),
        node("Slice", ["scaled", "last", "end", "one"], ["observed"]),  # (B, 1, C)
        node("Gather", ["now", "device"], ["now_row"]),  # (B, C, C)
        node("MatMul", ["observed", "now_row"], ["projected"]),
        node("Add", ["bias_1", "projected"], ["known" if forecasts else "expected"]),
    ]
    if forecasts:
        weights |= {
            "before": found.before.transpose(0, 2, 1),
            "last_two": np.array([-2], np.int64),
        }
        nodes += [
            node("Slice", ["scaled", "last_two", "last", "one"], ["earlier"]),
            node("Gather", ["before", "device"], ["before_row"]),
            node("MatMul", ["earlier", "before_row"], ["carried"]),
            node("Add", ["known", "carried"], ["expected"]),
        ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "linear",
            [
                helper.make_tensor_value_info(
                    "window", TensorProto.FLOAT, ["batch", config.window, channels]
                ),
                helper.make_tensor_value_info("device", TensorProto.INT64, ["batch"]),
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1, channels])
                for name in ("observed", "expected")
            ],
            [
                numpy_helper.from_array(np.ascontiguousarray(value), name)
                for name, value in weights.items()
            ],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edge-export",
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


@dataclass(frozen=True)
class Linear:
    """The model in numpy, which the graph must equal; fulfils `edge_anomaly.ports.Graph`."""

    parts: Split
    found: Coefficients
    clip: float
    provider: str = "numpy"
    inputs: tuple[str, ...] = ("window", "device")

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Answers by name."""
        window, device = feed["window"], feed["device"]
        centre, scale = self.parts.centre[device, None], self.parts.scale[device, None]
        scaled = ((window - centre) / scale).clip(-self.clip, self.clip)
        observed = scaled[:, -1:]
        expected = self.found.bias[device, None] + np.einsum(
            "bij,bsj->bsi", self.found.now[device], observed
        )
        if window.shape[1] > 1:
            expected += np.einsum("bij,bsj->bsi", self.found.before[device], scaled[:, -2:-1])
        return {
            "observed": observed.astype(np.float32),
            "expected": expected.astype(np.float32),
        }


def linear(name: str, parts: Split, config: Config) -> Linear:
    """One of LINEAR in numpy."""
    return Linear(parts, coefficients(name, parts, config), config.clip)


def _family(name: str, *, forecasts: bool) -> Family:
    def train(material: Material, config: Config) -> Trained:
        parts = material.parts
        found = coefficients(name, parts, config)
        branch = Branch(name="main", window=config.window, hop=material.slicing.hop, heads=True)
        content = graph(parts, found, config, forecasts=forecasts)
        return Trained(
            [Grown(branch, {ONNX: content}, Linear(parts, found, config.clip))],
            *_recipe(material, config),
        )

    shortest = 2 if forecasts else 1
    presets = {key: replace(config, window=shortest) for key, config in PRESETS.items()}
    raw, white = (replace(presets["default"], with_raw=with_raw) for with_raw in (True, False))
    if name != "pca":  # whose components the other statistics are of
        presets = {"paper": presets["paper"]}
    own = (
        {"default": white, "both": raw} if name in WHITENED else {"default": raw, "whitened": white}
    )
    presets |= own
    # Levels of servers drift: a fixed quantile alarmed on 7 to 20 % of their later time.
    return Family(name, presets, train, rule=Rule(DRIFT))


def _recipe(
    material: Material, config: Config
) -> tuple[list[Stage], dict[str, NDArray[np.float32]]]:
    """Stages of the statistic, and the constants that come from the training windows."""
    signals, minutes = len(material.parts.signals), material.smooth_minutes
    if config.statistic == "residual":
        return default_recipe(signals, minutes=minutes, with_raw=config.with_raw), {}
    last = Stage(stage="residual")
    if config.statistic == "spe":
        return [last, Stage(stage="reduce", how="mean-square")], {}
    mean, precision = zip(
        *(
            _metric(material.parts, d, config, whole=config.statistic == "mahalanobis")
            for d in range(len(material.parts.devices))
        ),
        strict=True,
    )
    key = {part: constant_key(1, "reduce", part) for part in ("mean", "precision")}
    constants = {
        key["mean"]: np.stack(mean).astype(np.float32)[:, np.newaxis],
        key["precision"]: np.stack(precision).astype(np.float32)[:, np.newaxis],
    }
    if config.statistic == "mahalanobis":
        return distance_recipe(minutes), constants
    return [last, Stage(stage="reduce", how="mahalanobis")], constants


def _metric(parts: Split, d: int, config: Config, *, whole: bool) -> tuple[Steps, Steps]:
    """Mean and precision of the last step of training windows, scaled.

    Of all components, or of the kept ones, whose distance is T2.
    """
    last = parts.fit.window[parts.fit.device == d][:, -1].astype(np.float64)
    scaled = ((last - parts.centre[d]) / parts.scale[d]).clip(-config.clip, config.clip)
    off = scaled - scaled.mean(axis=0)
    covariance = off.T @ off / len(off)
    if whole:
        ridge = RIDGE * float(np.trace(covariance)) / len(covariance) or 1.0
        return np.zeros(len(covariance)), np.linalg.inv(
            covariance + ridge * np.eye(len(covariance))
        )
    axes, variance, kept = _components(off, config)
    scaled_axes = axes[:kept] / np.sqrt(variance[:kept, np.newaxis])
    return np.zeros(len(covariance)), scaled_axes.T @ scaled_axes


def _components(off: Steps, config: Config) -> tuple[Steps, Steps, int]:
    """Principal axes, the variance along each, and how many are kept.

    One is always left out: of unrelated signals `explained` may be all of them, and nothing
    would be left to see a fault by.
    """
    _, singular, axes = np.linalg.svd(off, full_matrices=False)
    held = np.cumsum(singular**2)
    kept = int(np.searchsorted(held, config.explained * held[-1])) + 1 if held[-1] > 0 else 0
    return axes, singular**2 / len(off), min(kept, off.shape[1] - 1)


Parts = tuple[Steps, Steps, Steps]


def _const(_before: Steps, now: Steps, _: Config) -> Parts:
    nothing = np.zeros((now.shape[1], now.shape[1]))
    return now.mean(axis=0), nothing, nothing


def _var1(before: Steps, now: Steps, _: Config) -> Parts:
    """Least squares with a ridge on the coefficients; the bias is free."""
    centre_before, centre_now = before.mean(axis=0), now.mean(axis=0)
    x, y = before - centre_before, now - centre_now
    gram = x.T @ x / len(x)
    ridge = RIDGE * float(np.trace(gram)) / len(gram) or 1.0  # nothing moved: nothing to weigh
    matrix = np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y / len(x)).T
    return centre_now - matrix @ centre_before, matrix, np.zeros_like(matrix)


def _pca(before: Steps, now: Steps, config: Config) -> Parts:
    """Projection on the kept components; what it leaves is the residual of SPE.

    T2 and Mahalanobis measure x - mean, so that for them nothing is projected.
    """
    if config.statistic in {"t2", "mahalanobis"}:
        return _const(before, now, config)
    centre = now.mean(axis=0)
    axes, _, kept = _components(now - centre, config)
    projection = axes[:kept].T @ axes[:kept]
    return centre - projection @ centre, np.zeros_like(projection), projection


LINEAR: dict[str, Callable[[Steps, Steps, Config], Parts]] = {
    "pca": _pca,
    "var1": _var1,
    "const": _const,
}
FAMILIES = [
    _family("pca", forecasts=False),
    _family("const", forecasts=False),
    _family("var1", forecasts=True),
]
