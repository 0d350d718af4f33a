"""Score recipes that several families share; the others have their own."""

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import Stage

__all__ = ["check_statistic", "default_recipe", "distance_recipe", "recipe_of"]

FEW_SIGNALS = 20
STATISTICS = ("residual", "mahalanobis")  # what of a network's residual may count


def default_recipe(signals: int, *, minutes: float = 12.0, with_raw: bool = True) -> list[Stage]:
    """The recipe that carries every family (research: last step, both tracks, smoothed).

    Args:
        signals: C; below 20 the three largest count, else the five largest.
        minutes: Time constant of the average; 12 min is alpha 0.08 at one minute and 0.34
            at five, where 0.1 and 0.3 were best on SMD and ASD.
        with_raw: Whether the residual counts beside what whitening leaves of it.
    """
    largest = min(signals, 3 if signals < FEW_SIGNALS else 5)
    return [
        Stage(stage="residual"),
        Stage(stage="whiten", with_raw=with_raw),
        Stage(stage="standardise"),
        Stage(stage="blame", minutes=minutes),
        Stage(stage="reduce", largest=largest),
        Stage(stage="smooth", minutes=minutes),
        Stage(stage="combine"),
        Stage(stage="smooth", minutes=minutes),
    ]


def distance_recipe(minutes: float = 12.0) -> list[Stage]:
    """The Mahalanobis distance of the last step's residual, smoothed.

    For processes whose signals are correlated and whose noise is Gaussian (research: best on the
    Tennessee Eastman process, worse than `default_recipe` on servers).

    Args:
        minutes: Time constant of the average.
    """
    return [
        Stage(stage="residual"),
        Stage(stage="reduce", how="mahalanobis"),
        Stage(stage="smooth", minutes=minutes),
    ]


def recipe_of(statistic: str, signals: int, minutes: float, *, with_raw: bool) -> list[Stage]:
    """The recipe that a network's `statistic` names, one that `check_statistic` lets pass."""
    if statistic == "mahalanobis":
        return distance_recipe(minutes)
    return default_recipe(signals, minutes=minutes, with_raw=with_raw)


def check_statistic(statistic: str) -> None:
    """Refuse a name that is none.

    Raises:
        ConfigError: Names those that there are.
    """
    if statistic not in STATISTICS:
        raise ConfigError(f"statistic: no {statistic!r}; there are {', '.join(STATISTICS)}")
