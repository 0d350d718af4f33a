"""Commands as they come over MQTT: followed, handed outwards or refused, always answered."""

from collections.abc import Collection, Mapping
from typing import Any

from edge_anomaly.alarms.annunciator import Annunciator
from edge_anomaly.commands import (
    VERBS,
    Audit,
    Command,
    CommandError,
    answer,
    command_filter,
    read_command,
    verb_of,
)
from edge_anomaly.errors import ConfigError
from edge_anomaly.files.config import Config
from edge_anomaly.outgoing import Outgoing
from edge_anomaly.rejects import Rejects
from edge_anomaly.values import Message, Publish

__all__ = ["Asked"]


class Asked:
    """What is asked of the agent."""

    def __init__(
        self,
        config: Config,
        outward: Collection[str],
        annunciator: Annunciator,
        rejects: Rejects,
        outgoing: Outgoing,
    ) -> None:
        """Begin with an empty audit log.

        Args:
            config: Which verbs may be used, and how much the log holds.
            outward: Verbs that the driver fulfils: see `requests`.
            annunciator: Does what is asked of the alarms.
            rejects: Where what is no command is counted.
            outgoing: The words for events.

        Raises:
            ConfigError: No such verb can be allowed.
        """
        for index, verb in enumerate(config.commands.allow or ()):
            if verb not in VERBS:
                raise ConfigError(
                    f"no verb {verb!r}; there are {', '.join(sorted(VERBS))}",
                    ("commands", "allow", index),
                )
        self.audit = Audit(config.commands.audit)
        self.requests: list[Command] = []  # for the driver, who takes them and calls `answer`
        self._base = config.base
        self._allowed = config.commands.allow
        self._outward = outward
        self._annunciator = annunciator
        self._rejects = rejects
        self._outgoing = outgoing

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filter and QoS of the commands; none where none is allowed."""
        return [] if self._allowed == [] else [(command_filter(self._base), 1)]

    def verb_of(self, topic: str) -> str | None:
        """The verb of a command's topic; None where it is none of ours."""
        return verb_of(self._base, topic)

    def take(self, verb: str, message: Message, now_ns: int) -> list[Publish]:
        """Follow a command; its reply and what it changed. That of `requests` comes later."""
        if message.retain:
            self._rejects.add(
                "retained_command",
                topic=message.topic,
                detail="a retained command is of the past; publish commands without `retain`",
                payload=message.payload,
            )
            return []
        command = read_command(verb, message, self._allowed)
        if isinstance(command.request, CommandError):
            return self.answer(command, now_ns, error=command.request)
        if command.verb in self._outward:
            self.requests.append(command)
            return []
        if not self._annunciator.fulfils(command.request):
            unsupported = CommandError("unsupported", f"this agent cannot {command.verb}")
            return self.answer(command, now_ns, error=unsupported)
        try:
            data, events = self._annunciator.follow(command.request, now_ns)
        except CommandError as exc:
            return self.answer(command, now_ns, error=exc)
        told = [self._outgoing.event(event) for event in events]
        return told + self.answer(command, now_ns, data=data)

    def answer(
        self,
        command: Command,
        now_ns: int,
        *,
        data: Mapping[str, Any] | None = None,
        error: CommandError | None = None,
    ) -> list[Publish]:
        """The reply to a command, which goes into the audit log."""
        self.audit.add(command, now_ns, error)
        return answer(self._base, command, now_ns, data=data, error=error)
