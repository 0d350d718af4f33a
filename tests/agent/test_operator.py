"""Reload, swap and rollback on a whole agent put together from files, driven turn by turn."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from agents import COMPRESSORS, compressor_readings, compressors_yaml
from stores import MemoryStore

from edge_anomaly.compose import compose
from edge_anomaly.files.bundle import MANIFEST, dump_manifest, parse_manifest
from edge_anomaly.memory.keeper import Keeper, read_swapped
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.memory.turns import Turn, take
from edge_anomaly.operator import Operator
from edge_anomaly.plants import PERIOD_S, START_S, Compressors
from edge_anomaly.values import Message, Publish

BASE = "edge-agent/v1/north/gw-01"
_, VALUES = Compressors(1).step(60)


class Wired:
    """A link that only knows what it is subscribed to."""

    def __init__(self) -> None:
        self.filters: list[str] = []

    def subscribe(self, subscriptions: Any, watched: Any) -> None:
        assert set(watched) <= {name for name, _ in subscriptions}
        self.filters = [name for name, _ in subscriptions]


class Plant:
    """An agent in a folder, and the slots of its plant one by one."""

    def __init__(self, folder: Path, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.config = folder / "gw-01.yaml"
        if not self.config.exists():
            compressors_yaml(folder, "mqtt://127.0.0.1:1", bundle=Path("models/one"))
            shutil.copytree(COMPRESSORS, folder / "models" / "one")
        self.parts = compose(self.config, read_swapped(self.store.notes()))
        self.keeper = Keeper(self.parts.core, Outbox(BASE), self.store)
        self.keeper.recover()
        self.link = Wired()
        self.hung_up = False
        self.second = 0.0
        self.operator = Operator(
            self.config, self.parts, self.keeper, self.link,  # type: ignore[arg-type] # as much of a link as it needs
            steady=lambda: self.second, hung_up=self._hung_up,
        )  # fmt: skip
        self.slot = 0

    def _hung_up(self) -> bool:
        asked, self.hung_up = self.hung_up, False
        return asked

    def turn(self, *messages: Message) -> list[Publish]:
        """As the service does it; all that is said."""
        self.second += PERIOD_S
        self.operator.asked()
        turn = Turn(
            round((START_S + self.second) * 1e9), greeting=False, ticking=True, messages=[*messages]
        )
        _, said = take(self.keeper.core, turn)
        self.keeper.record(turn, self.second)
        said += self.operator.heard(said, turn.now_ns)
        self.keeper.outbox.put(item for item in said if item.qos)
        self.keeper.commit(self.second)
        return said

    def step(self, slots: int) -> list[Publish]:
        said = []
        for _ in range(slots):
            values = VALUES[self.slot : self.slot + 1]
            said += self.turn(*compressor_readings(values, first=self.slot))
            self.slot += 1
        return said

    def ask(self, verb: str, turns: int = 2, **request: Any) -> list[Publish]:
        said = self.turn(Message(f"{BASE}/cmd/{verb}", msgspec.json.encode(request), qos=1))
        for _ in range(turns):
            said += self.turn()
        return said

    def rewrite(self, old: str, new: str) -> None:
        text = self.config.read_text("utf-8")
        assert old in text
        self.config.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def scores(said: list[Publish]) -> dict[tuple[str, int], float | None]:
    found = [msgspec.json.decode(one.payload) for one in said if one.topic.endswith("/score")]
    return {(score["device"], score["ts_ms"]): score["score"] for score in found}


def replies(said: list[Publish]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(one.payload) for one in said if "/reply/" in one.topic]


def undisturbed(folder: Path, slots: int) -> dict[tuple[str, int], float | None]:
    folder.mkdir()
    return scores(Plant(folder).step(slots))


def another_bundle(plant: Plant, name: str, **changes: Any) -> Path:
    """A copy of the bundle with another manifest."""
    folder = plant.config.parent / "models" / name
    shutil.copytree(COMPRESSORS, folder)
    manifest = parse_manifest((folder / MANIFEST).read_bytes())
    manifest = msgspec.structs.replace(manifest, **{"version": name, **changes})
    (folder / MANIFEST).write_text(dump_manifest(manifest), "utf-8")
    return folder


def test_a_reload_keeps_windows_and_takes_the_new_rules(plant: Plant, tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "other", 40)
    said = plant.step(35)
    plant.rewrite("models:", "alarms: {raise: {above: 1.0, windows: 7}}\nmodels:")
    answer = plant.ask("reload", id="r1")
    [reply] = replies(answer)
    assert (reply["id"], reply["status"]) == ("r1", "ok")
    assert reply["data"] == {"changed": ["alarms"], "begun_anew": []}
    assert any(one.topic.endswith("/info") for one in answer)
    said += plant.step(5)
    assert scores(said) == expected
    assert plant.keeper.core is plant.parts.core  # whoever holds the core holds the new one


def test_hanging_up_reloads_as_well(plant: Plant) -> None:
    plant.step(3)
    plant.rewrite("plant/{device}/{signal}", "yard/{device}/{signal}")
    plant.hung_up = True
    plant.turn()
    assert plant.link.filters == ["yard/+/+", f"{BASE}/cmd/#"]


@pytest.mark.parametrize(
    ("old", "new", "code", "what"),
    [
        ("lateness", "latenes", "bad_config", r"gw-01.yaml:9: inputs[0].latenes"),
        ("models/one", "models/none", "bad_bundle", "models/none: no such bundle"),
        ("site: north", "site: south", "restart_required", "site cannot change meanwhile"),
        ("mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", "restart_required", "broker"),
    ],
)
def test_a_config_that_cannot_be_used_changes_nothing_and_says_why(
    plant: Plant, tmp_path: Path, old: str, new: str, code: str, what: str
) -> None:
    expected = undisturbed(tmp_path / "other", 40)
    said = plant.step(35)
    plant.rewrite(old, new)
    [reply] = replies(plant.ask("reload"))
    assert (reply["status"], reply["code"]) == ("error", code)
    assert what in reply["error"]
    assert plant.link.filters == []
    assert scores(said + plant.step(5)) == expected


def test_devices_that_are_no_longer_watched_leave_no_retained_state(plant: Plant) -> None:
    plant.step(32)
    plant.rewrite('devices: ["c-*"]', 'devices: ["c-1", "c-2"]')
    said = plant.ask("reload")
    emptied = [one.topic for one in said if one.retain and not one.payload]
    assert emptied == [
        f"{BASE}/device/{device}/{leaf}"
        for device in ("c-3", "c-4")
        for leaf in ("state", "availability")
    ]
    told = scores(plant.step(2))
    assert {device for device, _ in told} == {"c-1", "c-2"}
    assert None not in told.values()


def test_a_swap_scores_beside_the_old_one_and_then_takes_over(plant: Plant, tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "other", 45)
    another_bundle(plant, "two")
    said = plant.step(35)
    [reply] = replies(plant.ask("swap", bundle="models/two", shadow="1h", id="s"))
    assert reply["data"]["phase"] == "shadow"
    assert reply["data"]["model"]["version"] == "two"
    trial = plant.step(5)
    opinions = [one for one in trial if one.topic.endswith("/shadow")]
    assert len(opinions) == 4 * 4  # the newest are told in the turn that follows
    opinion = msgspec.json.decode(opinions[-1].payload)
    assert opinion["threshold"] == opinion["candidate_threshold"]
    plant.second += 3600
    late = plant.turn() + plant.turn()
    [reply] = replies(late)
    assert (reply["id"], reply["data"]["phase"]) == ("s", "switched")
    assert reply["data"]["compared"]["windows"] == 20
    assert reply["data"]["compared"]["unusable"] == 0
    info = [msgspec.json.decode(one.payload) for one in late if one.topic.endswith("/info")]
    assert [model["version"] for model in info[-1]["models"]] == ["two"]
    said += trial + plant.step(5)
    # The windows go on; the averages are the candidate's own, who has seen fewer of them.
    told = scores(said)
    assert told.keys() == expected.keys()
    assert all((told[key] is None) == (expected[key] is None) for key in expected)


def test_a_swap_outlives_a_restart_and_a_rollback_takes_it_back(
    plant: Plant, tmp_path: Path
) -> None:
    another_bundle(plant, "two")
    plant.step(35)
    phases = [
        reply["data"]["phase"]
        for reply in replies(plant.ask("swap", bundle="models/two", shadow="0s"))
    ]
    assert phases == ["shadow", "switched"]
    again = Plant(tmp_path, plant.store)
    again.slot, again.second = plant.slot, plant.second
    assert again.parts.monitors[0].bundle.manifest.version == "two"
    assert None not in scores(again.step(1)).values()  # with its windows
    [reply] = replies(again.ask("rollback"))
    assert reply["data"]["model"]["version"] == "1"
    assert None not in scores(again.step(1)).values()
    [reply] = replies(again.ask("rollback"))
    assert reply["code"] == "not_found" or reply["data"]["model"]["version"] == "two"


def test_a_rollback_ends_a_trial(plant: Plant) -> None:
    another_bundle(plant, "two")
    plant.step(32)
    plant.ask("swap", bundle="models/two", id="s")
    [busy] = replies(plant.ask("swap", bundle="models/two"))
    assert busy["code"] == "busy"
    ended, done = replies(plant.ask("rollback"))
    assert (ended["id"], ended["code"]) == ("s", "ended")
    assert done["data"] == {"phase": "ended"}
    assert not [one for one in plant.step(2) if one.topic.endswith("/shadow")]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"bundle": "models/none"}, "bad_bundle"),
        ({"bundle": "models/one", "model": "boilers"}, "not_found"),
        ({"bundle": "models/cut"}, "bad_bundle"),
        ({"bundle": "models/renamed"}, "unlike"),
        ({}, "malformed"),
    ],
)
def test_a_candidate_that_cannot_follow_is_refused(
    plant: Plant, request_: dict[str, Any], code: str
) -> None:
    cut = another_bundle(plant, "cut")
    graph = next(cut.glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-10])
    manifest = parse_manifest((COMPRESSORS / MANIFEST).read_bytes())
    another_bundle(plant, "renamed", devices=[f"x{name}" for name in manifest.devices])
    [reply] = replies(plant.ask("swap", **request_))
    assert (reply["status"], reply["code"]) == ("error", code)
    assert plant.parts.monitors[0].shadow is None


def test_resend_tells_all_retained_topics(plant: Plant) -> None:
    plant.step(32)
    said = plant.ask("resend")
    leaves = sorted(one.topic.rsplit("/", 1)[-1] for one in said if one.retain)
    assert leaves == [*["availability"] * 4, "info", *["state"] * 4, "status"]
    assert replies(said)[0]["data"] == {"topics": 10}


def test_a_change_leaves_a_snapshot_that_needs_no_turns(plant: Plant, tmp_path: Path) -> None:
    plant.step(35)
    plant.ask("reload", turns=1)
    again = Plant(tmp_path, plant.store)
    assert again.keeper.core.snapshot()["told"] == plant.keeper.core.snapshot()["told"]
    config = yaml.safe_load(plant.config.read_text("utf-8"))
    assert config["site"] == "north"
