from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import config

from edge_anomaly.alarms.calendars import Span, Suppression, calendars_of, nanoseconds
from edge_anomaly.errors import ConfigError
from edge_anomaly.files.rules import Alarms, Calendar, Day

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text: str) -> int:
    return nanoseconds(datetime.fromisoformat(text))


def weekly(days: str, begin: str, end: str, timezone: str = "UTC") -> Suppression:
    return Suppression(
        [
            Calendar(
                name="work",
                devices=["*"],
                days=msgspec.convert(days.split(), list[Day]),
                from_=begin,
                to=end,
                timezone=timezone,
            )
        ]
    )


@pytest.mark.parametrize(
    ("when", "works"),
    [
        ("2026-01-04T05:59:59Z", False),  # a Sunday
        ("2026-01-04T06:00:00Z", True),
        ("2026-01-04T13:59:59Z", True),
        ("2026-01-04T14:00:00Z", False),
        ("2026-01-05T08:00:00Z", False),
    ],
)
def test_a_day_of_the_week(when: str, works: bool) -> None:  # noqa: FBT001 - a table's column
    assert (weekly("sun", "06:00", "14:00").at(at(when)) == "work") == works


def test_work_may_last_past_midnight() -> None:
    night = weekly("sat", "22:00", "06:00")
    assert night.at(at("2026-01-03T23:00:00Z")) == "work"
    assert night.at(at("2026-01-04T05:59:00Z")) == "work"
    assert night.at(at("2026-01-04T06:00:00Z")) is None
    assert night.at(at("2026-01-03T05:00:00Z")) is None


def test_clocks_that_are_put_forward_do_not_shift_the_plant_s_morning() -> None:
    works = weekly("sun", "06:00", "07:00", "Europe/Rome")
    assert works.at(at("2026-03-22T05:30:00Z")) == "work"  # winter: UTC+1
    assert works.at(at("2026-03-29T04:30:00Z")) == "work"  # summer: UTC+2
    assert works.at(at("2026-03-29T05:30:00Z")) is None


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.lists(st.integers(-(10**6), 10**6), max_size=20),
    st.sampled_from(["UTC", "Europe/Rome", "America/New_York"]),
)
@settings(deadline=None)
def test_agrees_with_looking_at_the_clock(
    days: set[str], first_minute: int, last_minute: int, minutes: list[int], zone: str
) -> None:
    begin, end = time(*divmod(first_minute, 60)), time(*divmod(last_minute, 60))
    works = weekly(" ".join(days), f"{begin:%H:%M}", f"{end:%H:%M}", zone)
    for minute in minutes:
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
        local = moment.astimezone(ZoneInfo(zone))
        if local.utcoffset() != (local - timedelta(days=1)).astimezone(ZoneInfo(zone)).utcoffset():
            continue  # the hours that are there twice, or not at all
        want = False
        for back in (0, 1):
            day = local.date() - timedelta(days=back)
            if DAYS[day.weekday()] in days:
                first = datetime.combine(day, begin)
                last = datetime.combine(day + timedelta(days=end <= begin), end)
                want |= first <= local.replace(tzinfo=None) < last
        assert (works.at(nanoseconds(moment)) is not None) == want


def test_once_and_by_command() -> None:
    start, end = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"
    once = Calendar(
        name="revision",
        devices=["c-1"],
        start=datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
    )
    works = Suppression([once])
    assert [works.at(at(start)), works.at(at(end)), works.at(at(start) - 1)] == [
        "revision",
        None,
        None,
    ]
    works.ask(Span(at(end), at(end) + 10, "more"))
    assert works.at(at(end) + 9) == "more"
    works.ask(Span(at(end) + 10, at(end) + 20, "last"))
    assert [span.name for span in works.asked] == ["last"]  # what is over is forgotten


def test_calendars_name_devices_and_groups() -> None:
    once: dict[str, Any] = {
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "end": datetime(2026, 1, 2, tzinfo=UTC),
    }
    rules = Alarms(
        groups={"line-1": ["c-*"]},
        maintenance=[
            Calendar(name="a", groups=["line-1"], **once),
            Calendar(name="b", devices=["p-?"], **once),
        ],
    )
    assert [calendar.name for calendar in calendars_of(rules, "c-7")] == ["a"]
    assert [calendar.name for calendar in calendars_of(rules, "p-7")] == ["b"]
    assert rules.group_of("c-7") == "line-1"
    assert rules.group_of("p-7") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{name: a, days: [sun], from: 06:00, to: 17:00}", "name the devices or the groups"),
        ("{name: a, devices: [c], days: [sun]}", "days need from and to"),
        ("{name: a, devices: [c]}", "either start and end, or days"),
        ("{name: a, devices: [c], days: [noday], from: '06:00', to: '07:00'}", "noday"),
        ("{name: a, groups: [g], days: [sun], from: '06:00', to: '07:00'}", "no group 'g'"),
        (
            "{name: a, devices: [c], days: [sun], from: '06:00', to: '07:00', timezone: Mars/Base}",
            "no time zone 'Mars/Base'",
        ),
        (
            "{name: a, devices: [c], start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z'}",
            "end must be after start",
        ),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config("alarms:\n", f"alarms:\n  maintenance:\n    - {text}\n")
