import pytest

from edge_anomaly.availability import OFFLINE, ONLINE, UNKNOWN, Availability, Presence
from edge_anomaly.errors import StateError


def test_a_device_is_unknown_then_online_then_offline_and_back() -> None:
    known = Availability(["a", "b"], silence_ns=10)
    assert known.update({}, 0) == []
    assert known.counts == {ONLINE: 0, OFFLINE: 0, UNKNOWN: 2}
    assert known.update({"a": 100}, 5) == [("a", Presence(ONLINE, 5))]
    assert known.update({"a": 100}, 14) == []
    assert known.update({"a": 100}, 15) == [("a", Presence(OFFLINE, 5))]
    assert known.update({"a": 100}, 99) == []
    assert known.update({"a": 101}, 100) == [("a", Presence(ONLINE, 100))]
    assert dict(known)["b"] == Presence(UNKNOWN, None)


def test_while_the_agent_is_away_nobody_is_silent() -> None:
    known = Availability(["a"], silence_ns=10)
    known.update({"a": 1}, 0)
    known.resume(100)
    assert known.update({"a": 1}, 105) == []
    assert known.update({"a": 1}, 110) == [("a", Presence(OFFLINE, 100))]
    known.resume(200)  # whoever was offline stays so until heard
    assert known.update({"a": 1}, 201) == []
    assert known.counts[OFFLINE] == 1


def test_a_restart_forgets_nothing() -> None:
    known, again = Availability(["a"], 10), Availability(["a", "b"], 10)
    known.update({"a": 1}, 0)
    again.restore(known.snapshot())
    assert again.update({"a": 1}, 10) == [("a", Presence(OFFLINE, 0))]
    gone = Availability(["b"], 10)
    gone.restore(known.snapshot())
    assert dict(gone) == {"b": Presence(UNKNOWN, None)}
    with pytest.raises(StateError, match="availability"):
        again.restore({"now": 3})
