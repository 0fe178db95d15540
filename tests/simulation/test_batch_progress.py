"""The delivery ledger of one partition against a naive one that remembers every offset."""

from hypothesis import given
from hypothesis import strategies as st

from streams.batch.chunk import Chunk
from streams.batch.progress import Progress


def chunk(first: int, records: int, markers: int = 0) -> Chunk:
    """Return a chunk of consecutive records and the unreadable offsets after them."""
    return Chunk(first, first + records, first + records + markers)


def test_prefix_of_acked_chunks_is_processed() -> None:
    progress = Progress()
    progress.begin_at(100)
    chunks = [chunk(100, 10), chunk(110, 10), chunk(120, 10, markers=1)]
    for each in chunks:
        progress.deliver(each)
    chunks[1].acked = True
    assert (progress.processed, progress.committable(None)) == (100, None), "the first one is open"
    chunks[0].acked = True
    assert (progress.processed, progress.committable(None)) == (120, 120)
    chunks[2].acked = True
    assert (progress.processed, progress.committable(None)) == (131, 131), "past the marker"


def test_limit_may_fall_inside_a_chunk_and_rise_later() -> None:
    progress = Progress()
    progress.begin_at(0)
    done = chunk(0, 10, markers=2)
    progress.deliver(done)
    done.acked = True
    assert progress.committable(limit=0) is None
    assert progress.committable(limit=4) == 4
    progress.committed = 4
    assert progress.committable(limit=4) is None
    assert progress.committable(limit=10) == 12, "no record between the limit and the end"


def test_limit_below_what_is_committed_never_goes_back() -> None:
    progress = Progress()
    progress.begin_at(50)
    done = chunk(50, 10)
    progress.deliver(done)
    done.acked = True
    assert progress.committable(limit=0) is None


def test_nothing_is_known_before_the_beginning_is() -> None:
    progress = Progress()
    assert (progress.position, progress.processed, progress.committable(None)) == (None, None, None)
    progress.pass_over(7)
    assert (progress.position, progress.processed, progress.committable(None)) == (None, None, None), "a client's place"
    progress.begin_at(5)
    progress.pass_over(7)
    assert (progress.position, progress.processed, progress.committable(None)) == (7, 7, 7)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 5), st.integers(0, 3)),
        st.tuples(st.just("pass over"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("ack"), st.integers(0, 8), st.just(0)),
        st.tuples(st.just("rewind"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("commit"), st.integers(-1, 60), st.just(0)),
    ),
    max_size=60,
)


@given(OPERATIONS)
def test_laws_under_any_order_of_events(operations: list[tuple[str, int, int]]) -> None:
    progress, start = Progress(), 5
    progress.begin_at(start)
    position, committed = start, start
    delivered: list[Chunk] = []  # not taken back
    for operation, number, more in operations:
        match operation:
            case "deliver":
                delivered.append(chunk(position, number, markers=more))
                progress.deliver(delivered[-1])
                position = delivered[-1].next
            case "pass over":
                position += number
                progress.pass_over(position)
            case "ack" if number < len(delivered):
                delivered[number].acked = True
            case "rewind":
                kept = delivered[: len(delivered) - number]
                back = [*progress.rewind(keeps=lambda each, kept=kept: each in kept)]  # type: ignore[misc]
                assert not any(each.acked for each in back[-1:]), "the first one taken back was open"
                delivered = [each for each in delivered if each not in back]
                position = back[-1].first if back else position
            case "commit":
                limit = None if number < 0 else start + number
                offset = progress.committable(limit)
                if offset is not None:
                    assert offset > committed
                    unread = {at for each in delivered for at in range(each.first, each.records_end) if not each.acked}
                    assert not any(at < offset for at in unread), "past an open chunk"
                    read = {at for each in delivered for at in range(each.first, each.records_end)}
                    assert limit is None or not any(limit <= at < offset for at in read), "past the limit"
                    progress.committed = committed = offset
        assert progress.position == position
        first_open = next((each.first for each in delivered if not each.acked), position)
        assert progress.processed == first_open
