"""The cluster a run needs: the user's, a broker that runs already, or one started for this run and ended with it."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from aiokafka.errors import KafkaError

from docaxis.commands.options import progress
from docaxis.domain.errors import DocaxisError, InfrastructureError
from docaxis.files import make_folder
from docaxis.kafka.broker import EmbeddedBroker, broker_status, remove_stopped
from docaxis.kafka.topics import Topics, delete_topics
from docaxis.settings import Settings

#: What a document and a delivery (with its receipt) take on disk, uncompressed, as measured on the demo's topics.
DOCUMENT_BYTES, DELIVERY_BYTES = 450, 950

#: What stays of them after compression where batches are full, because it goes as fast as it can: a fifteenth of the
#: demo's topics, and as much again for safety. At a pace batches hold few records, and little is certain to go.
FULL_BATCHES_SHARE = 0.13

_FREE = "`docaxis broker down --remove-data`"


@contextlib.contextmanager
def kafka_for_run(
    settings: Settings,
    documents: int,
    deliveries: int,
    *,
    keep: bool,
    full_batches: bool = False,
    tell: Callable[[str], None] = progress,
) -> Iterator[tuple[Settings, EmbeddedBroker | None]]:
    """Give settings that reach a cluster, and the broker if it was started here.

    Raises InfrastructureError if what the run writes does not fit on the disk.
    """
    if settings.kafka.bootstrap_servers:
        yield settings, None
        return
    status = broker_status(settings)
    ours = status.data_dir / ".demo"  # marks data that a run made and nobody asked to keep
    if not status.running and ours.exists():
        remove_stopped(settings)
        status = broker_status(settings)
    share = FULL_BATCHES_SHARE if full_batches else 1.0
    check_room(settings.paths.home, share * (documents * DOCUMENT_BYTES + deliveries * DELIVERY_BYTES))
    if status.running:
        until = f"; it ends with the command of pid {status.owner_pid}" if status.owner_pid is not None else ""
        tell(f"Using the broker that runs at {status.bootstrap_servers}{until}")
        yield settings.with_servers(status.bootstrap_servers), None
        return
    fresh = not status.data_dir.exists()
    broker = EmbeddedBroker(settings, owned=True, report=tell)
    if fresh and not keep:  # before anything is written: an interrupted start is cleared away too
        make_folder(status.data_dir, "DOCAXIS_PATHS_HOME")
        ours.touch()
    try:
        broker.start()
    except BaseException:
        if fresh:
            remove_stopped(settings)
        raise
    try:
        yield settings.with_servers(broker.bootstrap_servers), broker
    finally:
        if keep:
            broker.release()
            tell(f"The broker goes on at {broker.bootstrap_servers}; `docaxis broker down` stops it")
        else:
            broker.stop(remove_data=fresh)
            if not fresh:
                tell(f"Its data stays in {status.data_dir}, which was there before; to free it: {_FREE}")


@contextlib.asynccontextmanager
async def topics_of_its_own(settings: Settings, run: str) -> AsyncIterator[Settings]:
    """Give settings with topics that no other run has, and delete these at the end.

    What one run leaves unrouted in shared topics would be routed during the next, at its expense.
    """
    prefix = f"{settings.topics.prefix}-{run}"
    try:
        yield settings.model_copy(update={"topics": settings.topics.model_copy(update={"prefix": prefix})})
    finally:
        with contextlib.suppress(DocaxisError, KafkaError):  # what ended the run is the thing to be told
            await delete_topics(settings.kafka, Topics(prefix).all)


def check_room(home: Path, needed: float) -> None:
    """Raise InfrastructureError if so many bytes do not fit where an embedded broker keeps its data."""
    folder = next(parent for parent in (home, *home.parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < needed * 1.1:
        raise InfrastructureError(
            f"{free / 2**30:.1f} GiB are free at {folder}, and the run writes about {needed / 2**30:.1f} GiB",
            next_step="make room, choose another folder (DOCAXIS_PATHS_HOME), or offer less (--scale 0.1, --limit)",
        )
