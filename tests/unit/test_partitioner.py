"""Placing records: the same partitions as Kafka's own producer, one key or many."""

import numpy as np
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import example, given
from hypothesis import strategies as st

from docaxis.kafka.partitioner import _murmur2_rows, partition_of, partitions_of
from tests.support.laws import law

#: Published test values of Kafka's Java client (`Utils.murmur2`), signed.
JAVA_HASHES = {
    b"": 275_646_681,
    b"21": -973_932_308,
    b"foobar": -790_332_482,
    b"a-little-bit-long-string": -985_981_536,
    b"a-little-bit-longer-string": -1_486_304_829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58_897_971,
    b"abc": 479_470_107,
}

keys_of_any_length = st.lists(st.binary(max_size=12) | st.text(max_size=5).map(str.encode), max_size=30)
keys_of_one_length = st.integers(1, 9).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), max_size=30))


@pytest.mark.parametrize(("key", "java_hash"), JAVA_HASHES.items())
def test_hashes_are_those_of_the_java_client(key: bytes, java_hash: int) -> None:
    expected = java_hash & 0xFFFFFFFF
    assert murmur2(key) & 0xFFFFFFFF == expected
    rows = np.frombuffer(key, np.uint8).reshape(1, len(key))
    assert _murmur2_rows(rows).tolist() == [expected]


@pytest.mark.parametrize(("key", "java_hash"), JAVA_HASHES.items())
def test_a_negative_hash_is_made_positive_by_its_sign_bit_alone(key: bytes, java_hash: int) -> None:
    assert partition_of(key, 7) == (java_hash & 0x7FFFFFFF) % 7
    assert partitions_of([key, b"another"], 7)[0] == (java_hash & 0x7FFFFFFF) % 7


@law(80)
@given(keys_of_any_length | keys_of_one_length, st.integers(1, 1000))
@example([], 3)
@example([b"", b"", b"a"], 3)
@example(["Bộ Công an".encode(), "Hà Nội".encode()], 12)
def test_many_keys_at_once_are_placed_as_each_alone(keys: list[bytes], partitions: int) -> None:
    assert partitions_of(keys, partitions).tolist() == [partition_of(key, partitions) for key in keys]
