"""Kafka's default partitioner (murmur2), for one key and for many at once.

The join of the ledger is local because the topics keyed by document share partitions, so every writer must place
records as Kafka's own producer does. The hash in Python costs microseconds a key, which a hot path cannot pay:
`partitions_of` hashes keys of one length together in numpy.
"""

import numpy as np
import numpy.typing as npt
from aiokafka.partitioner import murmur2

_M = np.uint32(0x5BD1E995)
_SEED = 0x9747B28C
_POSITIVE = np.uint32(0x7FFFFFFF)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition in which Kafka's default partitioner puts `key`."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def partitions_of(keys: list[bytes], partitions: int) -> npt.NDArray[np.int32]:
    """Return the partition of each key, as `partition_of` would say; fast when many keys share a length."""
    result = np.empty(len(keys), np.int32)
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    for length in np.flatnonzero(np.bincount(lengths)).tolist():  # the lengths that occur
        where = np.flatnonzero(lengths == length)
        joined = b"".join(keys if len(where) == len(keys) else [keys[i] for i in where.tolist()])
        matrix = np.frombuffer(joined, np.uint8).reshape(-1, length) if length else np.empty((1, 0), np.uint8)
        result[where] = (_murmur2_rows(matrix) & _POSITIVE) % np.uint32(partitions)
    return result


def _murmur2_rows(keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Hash each row: the 32-bit murmur2 of Kafka's `Utils.murmur2`, in wrapping unsigned arithmetic."""
    rows, length = keys.shape
    hashes = np.full(rows, _SEED ^ length, np.uint32)
    whole = length - length % 4
    words = np.ascontiguousarray(keys[:, :whole]).view("<u4")
    for column in range(whole // 4):
        k = words[:, column] * _M
        k ^= k >> np.uint32(24)
        hashes = (hashes * _M) ^ (k * _M)
    for index in range(length % 4 - 1, -1, -1):
        hashes ^= keys[:, whole + index].astype(np.uint32) << np.uint32(8 * index)
    if length % 4:
        hashes *= _M
    hashes ^= hashes >> np.uint32(13)
    hashes *= _M
    hashes ^= hashes >> np.uint32(15)
    return hashes
