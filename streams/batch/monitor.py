"""Faust's monitor, counting records where stock would count chunks."""

from typing import Any

import faust
from faust.types import TP

from streams.batch.chunk import BatchMessage


class BatchMonitor(faust.Monitor):
    """Counts the records in each chunk; its times (per event) stay those of chunks."""

    def on_message_in(self, tp: TP, offset: int, message: Any) -> None:
        """Count the records of a chunk that a stream takes up."""
        super().on_message_in(tp, offset, message)
        more = _more_than_one(message)
        self.messages_received_total += more
        self.messages_received_by_topic[tp.topic] += more

    def on_stream_event_in(self, tp: TP, offset: int, stream: Any, event: Any) -> dict[Any, Any] | None:
        """Count the records of a chunk as events of the stream and its agent."""
        state = super().on_stream_event_in(tp, offset, stream, event)
        more = _more_than_one(event.message)
        self.events_total += more
        self.events_by_stream[self.stream_lookup[stream]] += more
        self.events_by_task[self.task_lookup[stream.task_owner]] += more
        return state


def _more_than_one(message: Any) -> int:
    """Return how many records stock, which adds one per message, leaves out."""
    return len(message.records) - 1 if isinstance(message, BatchMessage) else 0
