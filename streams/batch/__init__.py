"""Faust at the speed of bare aiokafka: one Faust event carries a whole chunk of records.

Stock Faust runs its machinery once per record: four tasks and a wait() to deliver it, then conductor, queue, stream,
sensors and ack, about 75 us of CPU in all. Here the same machinery runs once per *chunk*: up to `chunk_size`
consecutive raw records of one partition.

    app = build_app("meter", {"bootstrap_servers": "localhost:9092"}, hooks=BatchHooks(commit_limit=stored_up_to))
    events = batch_topic(app, "axis.sent", "axis.status")

    @app.agent(events)
    async def count(stream):
        async for event in stream.events():
            fold(event.message.topic, event.message.partition, event.value)  # list of FetchedRecord

    await run_app(app, stop)  # until stop.set(); raises what made the app crash

What holds:

* **At least once.** A chunk is acked when the loop asks for the next one. Only offsets up to which every chunk is
  acked are committed, and never beyond `hooks.commit_limit(tp)`, the offset up to which the application's own state
  is durable. After a crash records come again from there: the application skips what its state already covers.
* **Committed data only.** Records of aborted transactions never arrive; offsets taken by them and by transaction
  markers count as passed.
* **Partition p of every topic on one worker**, so that a join of topics with the same partition count is local.
* **Ownership is told** (`BatchHooks`): `on_assigned` ends before the first chunk of the new assignment arrives;
  `on_revoking` comes when no chunk is in progress any more and before the last commit, so what it makes durable is
  committed too; `on_revoked` comes after that commit. Every rebalance revokes all partitions, then assigns some.
  The three never overlap and are never cancelled.
* **An error stops the worker.** Whatever leaves an agent or a hook crashes the app; nothing more is delivered or
  committed, `on_revoking` is not called, and `run_app` raises the error. Errors of single records belong inside the
  chunk's loop.
* **Bounded.** At most `queue_chunks` chunks wait in the queue of a topic, and one fetch (`fetch_max_bytes`) behind it.

`app.positions()` tells, per partition, what was delivered, processed and committed, and the ends of the log as the
fetcher saw them last: no I/O. All topics of an app are batch topics, each read by one agent. Deliveries rely on
private methods of faust-streaming 0.15.3, aiokafka 0.14.0 and mode-streaming 0.7.1: pin them, and rerun the tests
of this package on any change.
"""

from faust.types import TP

from streams.batch.app import BatchApp, BatchSettings, build_app, run_app
from streams.batch.chunk import BatchMessage
from streams.batch.consumer import BatchConsumer
from streams.batch.hooks import BatchHooks, Position
from streams.batch.topic import BatchTopic, batch_topic

__all__ = [
    "TP",
    "BatchApp",
    "BatchConsumer",
    "BatchHooks",
    "BatchMessage",
    "BatchSettings",
    "BatchTopic",
    "Position",
    "batch_topic",
    "build_app",
    "run_app",
]
