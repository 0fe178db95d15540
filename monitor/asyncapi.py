"""The events as a public contract: an AsyncAPI document made from the very types that the codec decodes.

Any system that writes records so can be watched and audited; any that reads them can rely on it.
"""

from typing import Any

import msgspec

from docaxis import __version__
from docaxis.domain.event import Delivered, Receipt, Refusal, Sent, Status
from docaxis.kafka.topics import Topics

#: Topic (without prefix) -> what a record's key is, and the events in it.
CHANNELS: dict[str, tuple[str, str, tuple[type, ...]]] = {
    "sent": ("document_id", "Packets that agencies sent", (Sent,)),
    "delivered": ("recipient", "The packet for each recipient, in its inbox; read committed data only", (Delivered,)),
    "status": ("document_id", "Receipts (transport) and business statuses", (Receipt, Status)),
    "refused": ("document_id", "What was refused: code, reason and place", (Refusal,)),
}

_WRITERS = {"sent": "senders", "delivered": "the hub", "status": "recipients", "refused": "the hub, and any reader"}

_ABOUT = """\
One flat JSON object (UTF-8) a record. Fields that are not known are ignored; a record that lacks one it needs, or has
a wrong one, is refused (code 22; 10 where it is no JSON object) and touches nothing else.

Partitions: Kafka's default partitioner, murmur2 of the key. `sent`, `status` and `refused` have the same key and
number of partitions; a receipt may go to the partition that its delivery names (`sent_partition`). A record elsewhere
is counted and handled all the same. `delivered` is written in transactions: read it with
isolation.level=read_committed.

Times: `_us` is the wall clock, `_ms` the business calendar, both since the epoch. All state is kept by `run`; a run
that begins with `canary-` is never counted as traffic.
"""


def asyncapi(prefix: str = Topics().prefix) -> dict[str, Any]:
    """Return the document for topics of a prefix."""
    events = [event for _, _, events in CHANNELS.values() for event in events]
    _, schemas = msgspec.json.schema_components(events, ref_template="#/components/schemas/{name}")
    for event in events:
        # The decoder insists on the kind, which tells the events of a topic apart.
        schema = schemas[event.__name__]
        schema["required"] = list(dict.fromkeys(["kind", *schema["required"]]))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "docaxis events", "version": __version__, "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {name: _channel(prefix, name) for name in CHANNELS},
        "operations": {
            f"write_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": f"Written by {_WRITERS[name]}",
            }
            for name in CHANNELS
        },
        "components": {
            "messages": {
                event.__name__: {
                    "name": msgspec.inspect.type_info(event).tag,  # type: ignore[attr-defined]
                    "summary": " ".join((event.__doc__ or "").partition("\n\n")[0].split()),
                    "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
                    "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
                }
                for key, _, events in CHANNELS.values()
                for event in events
            },
            "schemas": schemas,
        },
    }


def _channel(prefix: str, name: str) -> dict[str, Any]:
    _, description, events = CHANNELS[name]
    return {
        "address": f"{prefix}.{name}",
        "description": description,
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in events},
        "bindings": {"kafka": {"topic": f"{prefix}.{name}"}},
    }
