from edge_anomaly.rejects import QUIET_NS, SAMPLE_BYTES, Rejects


def said(rejects: Rejects, now_ns: int, *, everything: bool = False) -> list[tuple[str, int, int]]:
    """Report what is due: code, count and total."""
    out = []
    for reject in rejects.due(now_ns, everything=everything):
        out.append((reject.code, reject.count, reject.total))
        rejects.said(reject, now_ns)
    return out


def test_the_first_is_told_at_once_and_the_next_after_a_while() -> None:
    rejects = Rejects()
    rejects.add("late")
    assert said(rejects, 100) == [("late", 1, 1)]
    rejects.add("late", times=3)
    assert said(rejects, 100 + QUIET_NS - 1) == []
    rejects.add("late")
    assert said(rejects, 100 + QUIET_NS) == [("late", 4, 5)]
    assert said(rejects, 100 + 3 * QUIET_NS) == []


def test_each_reason_has_its_own_rate() -> None:
    rejects = Rejects()
    rejects.add("late")
    said(rejects, 0)
    rejects.add("empty")
    rejects.add("late")
    assert said(rejects, 1) == [("empty", 1, 1)]
    assert rejects.totals == {"late": 2, "empty": 1}


def test_the_last_words_hold_everything_not_yet_told() -> None:
    rejects = Rejects()
    rejects.add("late")
    said(rejects, 0)
    rejects.add("late")
    assert said(rejects, 1, everything=True) == [("late", 1, 2)]
    assert said(rejects, 2, everything=True) == []


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    rejects = Rejects()
    rejects.add("late")
    said(rejects, 10**18)
    rejects.add("late")
    assert said(rejects, 0) == [("late", 1, 2)]


def test_the_example_is_the_first_since_the_last_report_and_short() -> None:
    rejects = Rejects()
    rejects.add("empty", topic="a", device="d", detail="x" * 999, payload=b"\xff" + b"y" * 999)
    rejects.add("empty", topic="b")
    [reject] = rejects.due(0)
    assert (reject.topic, reject.device) == ("a", "d")
    assert reject.detail == "x" * SAMPLE_BYTES
    assert reject.sample == "\\xff" + "y" * (SAMPLE_BYTES - 1)
    rejects.said(reject, 0)
    rejects.add("empty", topic="c")
    assert (reject.topic, reject.device, reject.sample) == ("c", None, "")


def test_topics_and_devices_do_not_multiply_the_reasons() -> None:
    rejects = Rejects()
    for n in range(1000):
        rejects.add("unknown_device", topic=f"plant/{n}", device=str(n))
    assert said(rejects, 0) == [("unknown_device", 1000, 1000)]
