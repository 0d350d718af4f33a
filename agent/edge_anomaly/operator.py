"""Changes while it runs: `reload` and SIGHUP, `swap` with a shadow phase, `rollback`, `resend`.

A change builds a whole new core beside the one at work. Only when every part of it has been
read, loaded and proven does it take over, with the windows, alarms and counts of the old one.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.commands import Command, CommandError, Reload, Rollback, Swap
from edge_anomaly.compose import Parts, assemble, read_config
from edge_anomaly.errors import AgentError, BundleError, ConfigError
from edge_anomaly.files.config import Config
from edge_anomaly.memory.keeper import Keeper
from edge_anomaly.ports import Link, Model
from edge_anomaly.shadow import Shadow, unlike
from edge_anomaly.values import Message, Publish

__all__ = ["Operator"]

log = logging.getLogger(__name__)

LASTING = ("site", "agent", "broker", "store", "web")  # who we are and where: need a restart


@dataclass(frozen=True)
class _Trial:
    """A swap whose candidate scores beside the model at work."""

    command: Command
    index: int  # of the model
    folder: str  # as the command names it
    lasts: bool  # it is to think of a window at least
    until_ns: int


class Operator:
    """Fulfils what the core hands outwards. Work is done between turns, never within one."""

    def __init__(
        self,
        path: Path,
        parts: Parts,
        keeper: Keeper,
        link: Link,
        *,
        steady: Callable[[], float],
        hung_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stand by.

        Args:
            path: Of the config.
            parts: The agent.
            keeper: Its memory, which knows of earlier swaps.
            link: The broker.
            steady: Time in s that never jumps.
            hung_up: Whether SIGHUP has come since it was last asked.
        """
        self._path = path
        self._config, self._core, self._monitors = parts
        self._keeper = keeper
        self._link = link
        self._steady = steady
        self._hung_up = hung_up
        self._digest = self._core.config_sha256
        self._trial: _Trial | None = None
        self._before: dict[str, str] = {}  # of each swapped model: what ran before
        self._say: list[Publish] = []
        self._now_ns = 0

    def asked(self) -> list[Message]:
        """Do what has been asked for; nothing comes of it for the core."""
        asked = self._core.asked
        requests, asked.requests = asked.requests, []
        for command in requests:
            self._follow(command)
        if self._hung_up():
            try:
                log.info("reloaded: %s", self._reload())
            except (AgentError, CommandError) as exc:
                log.error("not reloaded, all stays as it was: %s", exc)  # noqa: TRY400 - no trace
        if self._trial is not None:
            self._try(self._trial)
        return []

    def heard(self, _said: Sequence[Publish], now_ns: int) -> list[Publish]:
        """Replies, and opinions of a candidate."""
        self._now_ns = now_ns
        answers, self._say = self._say, []
        return answers

    def _follow(self, command: Command) -> None:
        try:
            match command.request:
                case Reload():
                    data = self._reload()
                case Swap():
                    data = self._swap(command, command.request)
                case Rollback(model=model):
                    data = self._rollback(model)
                case _:  # Resend; the core hands out nothing else
                    data = self._resend()
        except CommandError as exc:
            self._answer(command, error=exc)
        except AgentError as exc:
            code = {ConfigError: "bad_config", BundleError: "bad_bundle"}.get(type(exc), "failed")
            self._answer(command, error=CommandError(code, str(exc)))
        else:
            self._answer(command, data=data)

    def _answer(self, command: Command, **what: Any) -> None:  # noqa: ANN401 - as Asked.answer
        self._say += self._core.asked.answer(command, self._now_ns, **what)

    def _reload(self) -> dict[str, Any]:
        config, digest = read_config(self._path)
        changed = _changes(self._config, config)
        lasting = [key for key in changed if key in LASTING]
        if lasting:
            raise CommandError("restart_required", f"{', '.join(lasting)} cannot change meanwhile")
        folders = {watch.bundle for watch in config.models}
        swapped = {a: b for a, b in self._keeper.swapped.items() if a in folders}
        parts = assemble(self._path, config, digest, loaded=self._loaded(), swapped=swapped)
        self._trial = None
        lost = self._become(parts, parts.core.restore(self._core.snapshot()), swapped)
        self._digest = digest
        return {"changed": changed, "begun_anew": lost}

    def _swap(self, command: Command, request: Swap) -> dict[str, Any]:
        index = self._index(request.model)
        if self._trial is not None:
            raise CommandError("busy", "another swap is under way; `rollback` ends it")
        monitor = self._monitors[index]
        folder = self._path.parent / request.bundle
        bundle = read_bundle(folder)
        why = unlike(monitor.bundle, bundle)
        if why is not None:
            raise CommandError("unlike", f"{request.bundle}: {why}")
        model = load_model(bundle, folder, monitor.runtime)
        monitor.shadow = Shadow(bundle, model)
        until_ns = self._now_ns + request.shadow
        self._trial = _Trial(command, index, request.bundle, bool(request.shadow), until_ns)
        name = {"name": bundle.manifest.name, "version": bundle.manifest.version}
        return {"phase": "shadow", "model": name | {"sha256": bundle.sha256}}

    def _try(self, trial: _Trial) -> None:
        """Tell what the candidate thinks; when its time is up and it has thought, switch."""
        shadow = self._monitors[trial.index].shadow
        if shadow is None:
            raise RuntimeError("a trial without a candidate")
        self._say += [self._core.opinion(one) for one in shadow.told()]
        early = self._now_ns < trial.until_ns or (trial.lasts and not shadow.windows)
        if early and not shadow.unusable:
            return
        self._trial = None
        try:
            data = self._switch(trial.index, trial.folder, shadow)
        except (CommandError, AgentError) as exc:
            self._monitors[trial.index].shadow = None
            error = exc if isinstance(exc, CommandError) else CommandError("failed", str(exc))
            self._answer(trial.command, error=error)
        else:
            self._answer(trial.command, data=data | {"compared": shadow.account()})

    def _switch(self, index: int, folder: str, shadow: Shadow | None = None) -> dict[str, Any]:
        if shadow is not None and shadow.unusable:
            raise CommandError("unusable", "the candidate gave scores that are no number")
        configured = self._config.models[index].bundle
        before = self._keeper.swapped.get(configured, configured)
        swapped = self._keeper.swapped | {configured: folder}
        parts = assemble(
            self._path, self._config, self._digest, loaded=self._loaded(), swapped=swapped
        )
        # The windows are the old model's, the running values the candidate's own.
        state = self._core.snapshot()
        follower = parts.monitors[index]
        state["monitors"][index] |= {
            "sha256": follower.bundle.sha256,
            "scorer": (follower if shadow is None else shadow).snapshot()["scorer"],
        }
        self._become(parts, parts.core.restore(state), swapped)
        self._before[configured] = before
        manifest = follower.bundle.manifest
        return {"phase": "switched", "model": {"name": manifest.name, "version": manifest.version}}

    def _rollback(self, model: str | None) -> dict[str, Any]:
        if self._trial is not None:
            self._monitors[self._trial.index].shadow = None
            self._answer(self._trial.command, error=CommandError("ended", "by a rollback"))
            self._trial = None
            return {"phase": "ended"}
        index = self._index(model)
        configured = self._config.models[index].bundle
        before = self._before.get(configured, configured)
        if before == self._keeper.swapped.get(configured, configured):
            raise CommandError("not_found", "there was no swap")
        return self._switch(index, before)

    def _resend(self) -> dict[str, Any]:
        told = self._core.retained(self._now_ns)
        self._say += told
        return {"topics": len(told)}

    def _become(self, parts: Parts, lost: list[str], swapped: dict[str, str]) -> list[str]:
        """Let the new core take over."""
        emptied = self._core.no_longer(parts.core)
        self._keeper.note_swapped(swapped)
        self._core.become(parts.core)
        self._monitors[:] = parts.monitors
        self._config = parts.config
        self._keeper.begin_again(self._steady())
        self._link.subscribe(self._core.subscriptions, [f for f, _ in self._core.input_filters])
        self._say += [*emptied, *self._core.retained(self._now_ns)]
        return lost

    def _loaded(self) -> dict[tuple[str, str], Model]:
        """The models at work and on trial."""
        found: dict[tuple[str, str], Model] = {}
        for monitor in self._monitors:
            for one in (monitor, monitor.shadow):
                if one is not None:
                    found[one.bundle.sha256, monitor.runtime] = one.model
        return found

    def _index(self, name: str | None) -> int:
        names = [monitor.bundle.manifest.name for monitor in self._monitors]
        if name is None and len(names) == 1:
            return 0
        found = [index for index, other in enumerate(names) if other == name]
        if len(found) != 1:
            raise CommandError("not_found", f"name one of the models: {', '.join(names)}")
        return found[0]


def _changes(before: Config, after: Config) -> list[str]:
    """Keys of the file whose values differ."""
    fields = msgspec.structs.fields(Config)
    return [f.name for f in fields if getattr(before, f.name) != getattr(after, f.name)]
