"""Delivery keys: a delivery, (packet, recipient), as one 64-bit integer, so that millions fit in arrays.

A packet id of the form `<sender>.<year>.<ordinal>.<serial>` in canonical spelling packs exactly, and the key can be
read back:

    bit 63 | sender 13 | year - 2000 7 | ordinal 24 | serial 6 | recipient 13
       0

Any other id, or one out of these ranges, is hashed with its recipient to 63 bits with bit 63 set: negative as a signed
integer. Two foreign deliveries collide with a chance of n²/2**64 (ten million deliveries: one in 180,000).
"""

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from docaxis.domain.agency import normalise

Int64s = npt.NDArray[np.int64]

RECIPIENT_BITS, SERIAL_BITS, ORDINAL_BITS, YEAR_BITS, SENDER_BITS = 13, 6, 24, 7, 13
SERIAL_SHIFT = RECIPIENT_BITS
ORDINAL_SHIFT = SERIAL_SHIFT + SERIAL_BITS
YEAR_SHIFT = ORDINAL_SHIFT + ORDINAL_BITS
SENDER_SHIFT = YEAR_SHIFT + YEAR_BITS
RECIPIENT_MASK = (1 << RECIPIENT_BITS) - 1
YEAR_ZERO = 2000
CODES_MAX = 1 << RECIPIENT_BITS
SPELLINGS_MAX = 16 * CODES_MAX

#: Base of a packet whose id does not pack: its deliveries are hashed one by one.
FOREIGN = -1

_CANONICAL = re.compile(r"(.+)\.(\d{4})\.(\d{7})\.(0|[1-9]\d?)", re.ASCII)
_TAIL = len(".2021.0000123.0")  # what follows the sender's code when the serial has one digit
_DIGITS = np.array([-14, -13, -12, -11, -9, -8, -7, -6, -5, -4, -3, -1])
_DOTS = np.array([-15, -10, -2])
_WEIGHTS = np.array([1000, 100, 10, 1, 10**6, 10**5, 10**4, 1000, 100, 10, 1, 1], np.int64)


class Codes:
    """Agency codes by number, in order of first appearance; the numbers are part of the stored state.

    All spellings of an agency (`000.00.00.H53`, its sub-unit `000.00.13.H53`, `H53.01.02`) have one number, that of the
    normalised code.
    """

    def __init__(self, codes: Sequence[str] = ()) -> None:
        self.codes: list[str] = []
        self._index: dict[str, int] = {}  # every spelling met
        for code in codes:
            self.index(code)

    def __len__(self) -> int:
        return len(self.codes)

    def index(self, spelling: str) -> int:
        """Return the number of an agency, a new one if it is new, CODES_MAX (fits no key) when all are taken."""
        index = self._index.get(spelling)
        if index is not None:
            return index
        code = normalised(spelling)
        index = self._index.get(code)
        if index is None:
            if len(self.codes) == CODES_MAX:
                return CODES_MAX
            index = self._index[code] = len(self.codes)
            self.codes.append(code)
        if len(self._index) < SPELLINGS_MAX:
            self._index[spelling] = index
        return index

    def indices(self, spellings: Sequence[str]) -> Int64s:
        """Return the number of each agency."""
        try:
            return np.array([self._index[spelling] for spelling in spellings], np.int64)
        except KeyError:
            return np.array([self.index(spelling) for spelling in spellings], np.int64)

    def name(self, spelling: str) -> str:
        """Return the normalised code."""
        index = self.index(spelling)
        return self.codes[index] if index < CODES_MAX else normalised(spelling)

    @property
    def aliased(self) -> bool:
        """Whether any agency was met under a spelling that is not its code."""
        return len(self._index) > len(self.codes)


def normalised(spelling: str) -> str:
    """Return the agency's code, or the spelling itself where it follows no known scheme."""
    try:
        return normalise(spelling)
    except ValueError:
        return spelling


def packet_bases(
    packet_ids: Sequence[str], sender_codes: Sequence[str], senders: Int64s, *, aliased: bool = False
) -> Int64s:
    """Return each packet's key with recipient 0, or FOREIGN where the id does not pack.

    `senders` are the numbers of `sender_codes`; an id packs only if it begins with its own sender's normalised code
    (a sub-unit numbers its documents by itself, so its ids must not be taken for those of its agency).
    """
    if not packet_ids:
        return np.empty(0, np.int64)
    bases = None if aliased else _bases_of_one_width(packet_ids, sender_codes, senders)
    if bases is not None:
        return bases
    return np.array(
        [
            packet_base(packet_id, code, sender)
            for packet_id, code, sender in zip(packet_ids, sender_codes, senders.tolist(), strict=True)
        ],
        np.int64,
    )


def packet_base(packet_id: str, sender_code: str, sender: int) -> int:
    """Return one packet's key with recipient 0, or FOREIGN."""
    match = _CANONICAL.fullmatch(packet_id)
    if match is None or match[1] != sender_code or normalised(sender_code) != sender_code:
        return FOREIGN
    return _pack(sender, int(match[2]) - YEAR_ZERO, int(match[3]), int(match[4]))


def _pack(sender: int, year: int, ordinal: int, serial: int) -> int:
    fits = (
        sender < CODES_MAX and 0 <= year < 1 << YEAR_BITS and ordinal < 1 << ORDINAL_BITS and serial < 1 << SERIAL_BITS
    )
    if not fits:
        return FOREIGN
    return sender << SENDER_SHIFT | year << YEAR_SHIFT | ordinal << ORDINAL_SHIFT | serial << SERIAL_SHIFT


def _bases_of_one_width(packet_ids: Sequence[str], sender_codes: Sequence[str], senders: Int64s) -> Int64s | None:
    """Parse all ids at once: possible when they are of one width, as they are among agencies of one registry."""
    width, rows = len(packet_ids[0]), len(packet_ids)
    code_width = width - _TAIL
    joined, codes = "".join(packet_ids), "".join(sender_codes)
    if code_width < 1 or len(joined) != width * rows or len(codes) != code_width * rows:
        return None
    if not (joined.isascii() and codes.isascii()):
        return None
    if max(map(len, packet_ids)) != width or max(map(len, sender_codes)) != code_width:
        return None
    ids = np.frombuffer(joined.encode(), np.uint8).reshape(rows, width)
    same_code = ids[:, :code_width] == np.frombuffer(codes.encode(), np.uint8).reshape(rows, code_width)
    digits = ids[:, _DIGITS] - np.uint8(ord("0"))  # wraps above 9 for what is no digit
    if not (same_code.all() and (ids[:, _DOTS] == ord(".")).all() and (digits < 10).all()):
        return None
    weighted = digits.astype(np.int64) * _WEIGHTS
    year = weighted[:, :4].sum(axis=1) - YEAR_ZERO
    if year.min() < 0 or year.max() >= 1 << YEAR_BITS or int(senders.max()) >= CODES_MAX:
        return None
    ordinal = weighted[:, 4:11].sum(axis=1)  # seven digits always fit 24 bits
    packed: Int64s = senders << SENDER_SHIFT | year << YEAR_SHIFT | ordinal << ORDINAL_SHIFT
    packed |= weighted[:, 11] << SERIAL_SHIFT
    return packed


def foreign_key(packet_id: str, sender: str, recipient: str) -> int:
    """Return the negative key of a delivery whose packet id does not pack. A packet id is its sender's own."""
    text = f"{sender}\0{packet_id}\0{recipient}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") | ~((1 << 63) - 1)


def read_packet(key: int) -> tuple[int, int, int, int]:
    """Return (sender, year, ordinal, serial) of a key that packs."""
    return (
        key >> SENDER_SHIFT,
        (key >> YEAR_SHIFT & (1 << YEAR_BITS) - 1) + YEAR_ZERO,
        key >> ORDINAL_SHIFT & (1 << ORDINAL_BITS) - 1,
        key >> SERIAL_SHIFT & (1 << SERIAL_BITS) - 1,
    )


def sequence_slots(bases: Int64s) -> tuple[Int64s, Int64s]:
    """Return (slot, sequence) of each packet that packs: slot numbers (sender, year), sequence rises as they send."""
    return bases >> YEAR_SHIFT, bases & ((1 << YEAR_SHIFT) - 1)
