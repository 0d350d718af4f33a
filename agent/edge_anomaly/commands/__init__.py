"""What may be asked of the agent over MQTT: `cmd/<verb>` in, `reply/<verb>` out.

| verb           | asks that                                                          |
|----------------|--------------------------------------------------------------------|
| ack            | somebody has seen the alarm                                        |
| shelve         | the alarms be put aside `for` a while; it always ends by itself    |
| unshelve       | shelved alarms come back now                                       |
| maintenance    | alarms be marked as suppressed from `start` `for` a while, or not  |
| threshold      | a device's alarm level be scaled, within limits                    |
| label          | an event or a stretch of time be known as a true or a false alarm  |
| out-of-service | a device be judged no more, or again                               |
| reload         | the config be read again; windows of unchanged models stay         |
| swap           | another bundle take over from a model, after scoring beside it     |
| rollback       | the bundle before the last swap come back                          |
| resend         | all retained topics be told again                                  |

A payload is a JSON object; nothing of it is needed but what the verb needs. `id` comes back
in the reply, `by` and `reason` stand in the audit log. A request with an MQTT 5 response
topic is answered there as well, with its correlation data. A retained command is a command
of the past and is ignored.

`VERBS` is the table. A verb that the alarms cannot fulfil is handed outwards by the core.
"""

from edge_anomaly.commands.audit import Audit, Entry
from edge_anomaly.commands.reading import (
    Command,
    CommandError,
    command_filter,
    read_command,
    verb_of,
)
from edge_anomaly.commands.replies import REPLY_SCHEMA, Reply, answer
from edge_anomaly.commands.requests import (
    VERBS,
    Ack,
    Label,
    Maintenance,
    OutOfService,
    Reload,
    Request,
    Resend,
    Rollback,
    Shelve,
    Swap,
    Target,
    Threshold,
    Unshelve,
)

__all__ = [
    "REPLY_SCHEMA",
    "VERBS",
    "Ack",
    "Audit",
    "Command",
    "CommandError",
    "Entry",
    "Label",
    "Maintenance",
    "OutOfService",
    "Reload",
    "Reply",
    "Request",
    "Resend",
    "Rollback",
    "Shelve",
    "Swap",
    "Target",
    "Threshold",
    "Unshelve",
    "answer",
    "command_filter",
    "read_command",
    "verb_of",
]
