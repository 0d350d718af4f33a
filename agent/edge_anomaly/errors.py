"""Everything the agent raises on purpose.

AgentError
├── ConfigError     the file is wrong; mend it and restart
├── BundleError     a model bundle cannot be trusted; export it again
├── BrokerError     the broker refuses us; ask whoever runs it
├── StoreError      what must be on disk cannot be put there
├── RecordingError  a recording cannot be read; nothing of it was used
├── PayloadError    one message is wrong; it is counted and the rest carries on
└── StateError      a snapshot does not fit; begin without it
"""

from collections.abc import Sequence

__all__ = [
    "AgentError",
    "BrokerError",
    "BundleError",
    "ConfigError",
    "PayloadError",
    "RecordingError",
    "StateError",
    "StoreError",
]


class AgentError(Exception):
    """Base of the above."""


class ConfigError(AgentError):
    """The configuration cannot be used; the text names file, line and key.

    Attributes:
        key: Where in the file, as far as the text does not say it yet.
    """

    def __init__(self, detail: str, key: Sequence[str | int] = ()) -> None:
        super().__init__(detail)
        self.key = tuple(key)


class BundleError(AgentError):
    """The bundle cannot be used; the text names the file and, where it applies, the digest."""


class BrokerError(AgentError):
    """The broker refuses the connection or a subscription."""


class StoreError(AgentError):
    """The store cannot be used or written; the text names the file and the cause."""


class RecordingError(AgentError):
    """A recording cannot be read; the text names the file and line or column."""


class PayloadError(AgentError):
    """A message cannot be read.

    Attributes:
        code: One word of the `error` topic's vocabulary, such as `unparsable`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class StateError(AgentError):
    """A snapshot does not fit what it is to be restored into; nothing was changed."""
