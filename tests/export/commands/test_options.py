import argparse
from collections.abc import Callable

import pytest

from edge_export.cli import COMMANDS, parser
from edge_export.commands import options

REFUSED = [
    (options.count, "0", "0 is not at least 1"),
    (options.none_or_more, "-1", "-1 is negative"),
    (options.amount, "0", "0 is not above 0"),
    (options.amount, "inf", "inf is not above 0"),
    (options.amount, "nan", "nan is not above 0"),
    (options.share, "1", "1 is not between 0 and 1"),
    (options.share, "nan", "nan is not between 0 and 1"),
]


@pytest.mark.parametrize(("word", "text", "why"), REFUSED)
def test_a_number_out_of_its_range_is_refused_with_the_range(
    word: Callable[[str], float], text: str, why: str
) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=why):
        word(text)


def test_numbers_within_their_range_are_taken() -> None:
    assert options.count("1") == 1
    assert options.none_or_more("0") == 0
    assert options.amount("2.5") == 2.5
    assert options.share("0.2") == 0.2


def test_every_command_says_what_it_does_and_shows_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in COMMANDS:
        name = command.replace("_", "-")
        with pytest.raises(SystemExit):
            parser().parse_args([name, "--help"])
        said = capsys.readouterr().out
        assert f"examples:\n  edge-export {name}" in said


def test_delays_become_the_rules_of_alarms() -> None:
    command = argparse.ArgumentParser()
    options.delays(command)
    found = options.alarms(command.parse_args(["--raise-after", "4"]))
    assert (found.raise_.windows, found.clear.windows) == (4, 5)
