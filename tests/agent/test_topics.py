import pytest

from edge_anomaly.files.inputs import AnyInput, JsonInput
from edge_anomaly.topics import device_topic, read_topic, routes, subscriptions


def found(topic: str, *filters: str) -> tuple[int, str | None, str | None] | None:
    """Which of the inputs has `topic`, with device and signal."""
    inputs: list[AnyInput] = [
        JsonInput(topic=text, device=None if "{device}" in text else "id") for text in filters
    ]
    match = read_topic(routes(inputs), topic)
    return match and (inputs.index(match[0].spec), match[1], match[2])


@pytest.mark.parametrize(
    ("text", "topic", "names"),
    [
        ("plant/{device}/{signal}", "plant/c-1/flow", ("c-1", "flow")),
        ("{signal}/of/{device}", "flow/of/c-1", ("c-1", "flow")),
        ("line-{device}/x", "line-4/x", ("4", None)),
        ("a/{device}.{signal}", "a/c-1.flow", ("c-1", "flow")),
        ("+/{device}/x", "north/c-1/x", ("c-1", None)),
        ("+/{device}/x", "/c-1/x", ("c-1", None)),
        ("{device}/#", "c-1", ("c-1", None)),
        ("{device}/#", "c-1/a/b", ("c-1", None)),
        ("{device}/#", "c-1/a\nb", ("c-1", None)),
        ("#", "any/thing", (None, None)),
        ("/{device}", "/c-1", ("c-1", None)),
        ("a.b/{device}", "a.b/c", ("c", None)),
        ("a(b)*[c]/{device}", "a(b)*[c]/c", ("c", None)),
        ("a$/{device}", "a$/c", ("c", None)),
        ("plant/{device}", "plant/größe 7", ("größe 7", None)),
    ],
    ids=range(15),
)
def test_a_topic_names_what_stands_in_its_place(
    text: str, topic: str, names: tuple[str | None, str | None]
) -> None:
    assert found(topic, text) == (0, *names)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("plant/{device}/{signal}", "plant/c-1"),
        ("plant/{device}/{signal}", "plant/c-1/flow/x"),
        ("plant/{device}/{signal}", "plant//flow"),
        ("plant/{device}/{signal}", "xplant/c-1/flow"),
        ("a.b/{device}", "axb/c"),
        ("a/+/{device}", "a/c"),
        ("+/{device}", "a/b/c"),
        ("{device}/#", ""),
        ("a/{device}/#", "ax/c-1"),
        ("a(b)*[c]/{device}", "abbc/c"),
    ],
)
def test_other_topics_are_not_read(text: str, topic: str) -> None:
    assert found(topic, text) is None


def test_the_first_input_that_matches_has_the_topic() -> None:
    filters = ("plant/{device}/flow", "plant/{device}/{signal}")
    assert found("plant/c/flow", *filters) == (0, "c", None)
    assert found("plant/c/temp", *filters) == (1, "c", "temp")


def test_each_filter_is_subscribed_to_once_at_its_highest_qos() -> None:
    inputs = [
        JsonInput(topic="plant/{device}/{signal}", qos=0),
        JsonInput(topic="plant/line-{device}/{signal}"),
        JsonInput(topic="wide/#", device="id", qos=0),
    ]
    assert subscriptions(routes(inputs)) == [("plant/+/+", 1), ("wide/#", 0)]


@pytest.mark.parametrize(
    ("device", "level"),
    [
        ("c-1", "c-1"),
        ("a/b", "a%2Fb"),
        ("a+b#", "a%2Bb%23"),
        ("50%", "50%25"),
        ("pump 3", "pump 3"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("a\x00b", "a%00b"),
    ],
)
def test_a_device_is_one_level_of_a_topic(device: str, level: str) -> None:
    assert device_topic("base", device, "state") == f"base/device/{level}/state"
