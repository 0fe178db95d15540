"""Pseudonyms: recorded traffic without what identifies a document, so that it can be sent somewhere else.

A keyed HMAC (SHA-256, 120 bits kept) of each id: the same key gives the same pseudonym, so a document's packets stay
together and a replay can be repeated; without the key nobody can go back, or test a guess. Class, priority and size
stay. Subjects are never recorded. Which agency writes to which is kept, or permuted by the key.
"""

import hashlib
import hmac
import random
from collections.abc import Sequence
from pathlib import Path

from docaxis.domain.errors import UsageError

#: A shorter key could be guessed.
KEY_BYTES_MIN = 16

_HEX_KEPT = 30


class Pseudonyms:
    """Pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> "Pseudonyms":
        """Return those of the key in a file. Raises UsageError if it cannot be read or is too short."""
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise UsageError(
                f"--pseudonymise {path}: {error.strerror}", next_step="make a key: head -c 32 /dev/urandom > KEYFILE"
            ) from error
        if len(key) < KEY_BYTES_MIN:
            raise UsageError(
                f"--pseudonymise {path}: {len(key)} bytes are no key, at least {KEY_BYTES_MIN} are",
                next_step="make one: head -c 32 /dev/urandom > KEYFILE",
            )
        return cls(key)

    def of(self, kind: str, text: str) -> str:
        """Return the pseudonym of an id of some kind: equal ids of one kind have equal pseudonyms."""
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), hashlib.sha256).hex()[:_HEX_KEPT]

    def document(self, document_id: str) -> str:
        """Return the pseudonym of a document id."""
        return f"p{self.of('document', document_id)}"

    def packet(self, packet_id: str, document_id: str) -> str:
        """Return the pseudonym of a packet id: that of its document and the same serial, where it has that form."""
        head, _, serial = packet_id.rpartition(".")
        if head == document_id and serial.isdigit():
            return f"{self.document(document_id)}.{serial}"
        return f"p{self.of('packet', packet_id)}"

    def permuted(self, codes: Sequence[str]) -> dict[str, str]:
        """Return another agency for each, a permutation that the key decides."""
        seed = hmac.digest(self._key, b"agencies", hashlib.sha256)
        targets = sorted(codes)
        random.Random(seed).shuffle(targets)
        return dict(zip(sorted(codes), targets, strict=True))
