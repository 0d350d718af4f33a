from hypothesis import given
from hypothesis import strategies as st

from edge_anomaly.memory.silence import Silence, Step


def lively(gap_s: float, count: int = 30, *, name: str = "a") -> tuple[Silence, float]:
    """A watch after `count` messages, and the time of the last."""
    silence = Silence([name, "never"])
    for number in range(count):
        silence.hear([name], number * gap_s)
    return silence, (count - 1) * gap_s


def test_subscribes_then_reconnects_ever_more_rarely() -> None:
    silence, last = lively(1.0)
    found = [(second, step) for second in range(1, 500) for _, step in silence.steps(last + second)]
    assert found == [
        (60, Step.SUBSCRIBE),
        (120, Step.RECONNECT),
        (240, Step.RECONNECT),
        (480, Step.RECONNECT),
    ]
    assert silence.silent == ["a"]


def test_the_limit_follows_what_is_usual() -> None:
    silence, last = lively(60.0)
    assert silence.steps(last + 1199) == []
    assert silence.steps(last + 1201) == [("a", Step.SUBSCRIBE)]


def test_a_message_ends_the_silence_and_its_length_does_not_count_as_usual() -> None:
    silence, last = lively(1.0)
    silence.steps(last + 70)
    silence.hear(["a"], last + 3600)
    assert silence.silent == []
    assert silence.steps(last + 3659) == []
    assert silence.steps(last + 3661) == [("a", Step.SUBSCRIBE)]


def test_where_little_has_come_nothing_is_watched() -> None:
    silence, last = lively(1.0, count=5)
    assert silence.steps(last + 1e6) == []
    assert silence.silent == []


def test_an_outage_is_no_gap() -> None:
    silence, last = lively(1.0)
    silence.pause(last + 3600)
    assert silence.steps(last + 3659) == []
    silence.hear(["a"], last + 3601)
    assert silence.steps(last + 3601 + 59) == []


@given(st.lists(st.floats(0.001, 2.9), min_size=30, max_size=200))
def test_a_lively_filter_is_left_alone(gaps: list[float]) -> None:
    silence, now = Silence(["a"]), 0.0
    for gap in gaps:
        now += gap
        assert silence.steps(now) == []
        silence.hear(["a"], now)
