"""What stands under configs/deploy, as far as it can be looked at without running it."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "configs" / "deploy"
UNIT = DEPLOY / "edge-agent.service"


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keys keep their case
    parser.read(UNIT, "utf-8")
    return parser


def test_the_unit_tells_systemd_when_it_is_ready_and_is_watched() -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 10
    assert service["RestartPreventExitStatus"] == "2"
    assert service["ProtectSystem"] == "strict"
    assert service["DynamicUser"] == "yes"
    assert service["NoNewPrivileges"] == "yes"
    assert "--config" in service["ExecStart"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    copy = tmp_path / "edge-agent.service"
    text = UNIT.read_text("utf-8").replace("/opt/edge-agent/bin/edge-agent", "/bin/true")
    copy.write_text(text, "utf-8")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],  # noqa: S607 - wherever it is
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    about_us = [line for line in found.stderr.splitlines() if "edge-agent" in line]
    assert about_us == []


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def test_the_image_is_built_in_stages_and_runs_as_nobody_special() -> None:
    found = instructions()
    names = [name for name, _ in found]
    assert names.count("FROM") == 2
    assert all(
        ":" in what.split()[0] and "latest" not in what for name, what in found if name == "FROM"
    )
    last = found[len(names) - 1 - names[::-1].index("FROM") :]
    kept = dict(last)
    assert kept["USER"].isdecimal()
    assert int(kept["USER"]) > 0
    assert "/healthz" in kept["HEALTHCHECK"]
    assert kept["ENTRYPOINT"] == '["edge-agent"]'
    assert "ADD" not in names
    assert names.index("USER") > names.index("RUN")
    built = " ".join(what for name, what in found[: names[1:].index("FROM") + 1] if name == "RUN")
    assert "edge-agent warm" in built
    assert "torch" not in built
    everything = (DEPLOY / "Dockerfile").read_text("utf-8").lower()
    assert not any(word in everything for word in ("password=", "token=", "secret="))


def test_what_the_image_copies_is_there() -> None:
    root = DEPLOY.parents[1]
    for name, what in instructions():
        if name == "COPY" and not what.startswith("--from"):
            *sources, _ = what.split()
            assert all((root / source).exists() for source in sources), what


def test_the_container_has_a_root_that_nobody_can_write_to() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["edge-agent"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == dict(instructions())["USER"]
