"""A short run of the proof's fuzz; `python bench/fuzz.py` is the long one."""

from fuzz import fuzz

from edge_anomaly.formats import FORMATS


def test_mutated_payloads_of_every_format_are_all_accounted_for() -> None:
    found = fuzz(8_000, seed=3)
    assert found.sent.total() == 8_000
    assert found.sent.keys() == FORMATS.keys()
    assert found.counted
    assert all(found.told.values())
    assert found.grown_bytes < 30_000_000
