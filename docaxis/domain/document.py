"""Documents: their types, urgency, business kind, states and identities, as the axis's own tables have them.

The numbers are those of the wire. Two state machines are kept apart and never merged: *transport*, one per packet
(INITIAL, PROCESSING, then DONE or FAIL), and *business*, what an agency says it has done with the document.
The codes themselves are published; the order in which business codes may follow each other is derived from their
meaning.
"""

from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

#: Document types by their number in Decree 30/2020 Art. 7; 18 is by far the commonest.
TYPE_NAMES: dict[int, str] = {
    1: "nghị quyết",
    2: "quyết định",
    3: "chỉ thị",
    4: "quy chế",
    5: "quy định",
    6: "thông cáo",
    7: "thông báo",
    8: "hướng dẫn",
    9: "chương trình",
    10: "kế hoạch",
    11: "phương án",
    12: "đề án",
    13: "dự án",
    14: "báo cáo",
    15: "biên bản",
    16: "tờ trình",
    17: "hợp đồng",
    18: "công văn",
    19: "công điện",
    20: "bản ghi nhớ",
    21: "bản thỏa thuận",
    22: "giấy ủy quyền",
    23: "giấy mời",
    24: "giấy giới thiệu",
    25: "giấy nghỉ phép",
    26: "phiếu gửi",
    27: "phiếu chuyển",
    28: "phiếu báo",
    29: "thư công",
}
OFFICIAL_LETTER = 18


class Priority(IntEnum):
    """Urgency of a document."""

    NORMAL = 0  # thường
    URGENT = 1  # khẩn
    VERY_URGENT = 2  # thượng khẩn
    EXPRESS = 3  # hỏa tốc
    EXPRESS_TIMED = 4  # hỏa tốc hẹn giờ


class Steering(IntEnum):
    """Whether a document steers its recipients or reports to one who steers."""

    NONE = 1
    STEERING = 2
    REPORT = 3


class Business(IntEnum):
    """What a packet does with its document."""

    NEW = 0
    RECALL = 1  # thu hồi
    UPDATE = 2  # cập nhật
    REPLACEMENT = 3  # thay thế


class StatusCode(StrEnum):
    """Business statuses. No code 14 is known."""

    ARRIVED = "01"  # đã đến: in the software, the clerk has not acted
    DECLINED = "02"  # từ chối tiếp nhận
    REGISTERED = "03"  # đã tiếp nhận: in the incoming register
    ASSIGNED = "04"  # lãnh đạo phân công
    IN_PROGRESS = "05"  # đang xử lý
    DONE = "06"  # hoàn thành
    RECALL_REQUESTED = "13"  # yêu cầu lấy lại, with a reason
    RECALL_AGREED = "15"  # agrees to the update or recall
    RECALL_REFUSED = "16"  # refuses the update or recall


class Direction(Enum):
    """Who states a business status to whom."""

    TO_SENDER = "recipient to sender"
    TO_RECIPIENT = "sender to recipient"


STATUS_DIRECTIONS: dict[StatusCode, Direction] = {
    code: Direction.TO_RECIPIENT if code is StatusCode.RECALL_REQUESTED else Direction.TO_SENDER for code in StatusCode
}

#: What may follow what on a recipient's own track. Every document arrives (01) and is then declined (02) or entered in
#: the register (03), which Decree 30/2020 Art. 4.2c demands; 04 and 05 may be skipped, since a document for information
#: is assigned to nobody. 02 and 06 are final. The recall track (13, answered by 15 or 16) runs beside it.
STATUS_SUCCESSORS: dict[StatusCode | None, frozenset[StatusCode]] = {
    None: frozenset({StatusCode.ARRIVED, StatusCode.RECALL_REQUESTED}),
    StatusCode.ARRIVED: frozenset({StatusCode.DECLINED, StatusCode.REGISTERED}),
    StatusCode.DECLINED: frozenset(),
    StatusCode.REGISTERED: frozenset({StatusCode.ASSIGNED, StatusCode.IN_PROGRESS, StatusCode.DONE}),
    StatusCode.ASSIGNED: frozenset({StatusCode.IN_PROGRESS, StatusCode.DONE}),
    StatusCode.IN_PROGRESS: frozenset({StatusCode.DONE}),
    StatusCode.DONE: frozenset(),
    StatusCode.RECALL_REQUESTED: frozenset({StatusCode.RECALL_AGREED, StatusCode.RECALL_REFUSED}),
    StatusCode.RECALL_AGREED: frozenset(),
    StatusCode.RECALL_REFUSED: frozenset(),
}

#: The usual life of a document at a recipient.
LIFE_CYCLE = (
    StatusCode.ARRIVED,
    StatusCode.REGISTERED,
    StatusCode.ASSIGNED,
    StatusCode.IN_PROGRESS,
    StatusCode.DONE,
)


class TransportState(StrEnum):
    """State of one packet in transport."""

    INITIAL = "INITIAL"
    PROCESSING = "PROCESSING"
    DONE = "DONE"
    FAIL = "FAIL"


TRANSPORT_SUCCESSORS: dict[TransportState, frozenset[TransportState]] = {
    TransportState.INITIAL: frozenset({TransportState.PROCESSING}),
    TransportState.PROCESSING: frozenset({TransportState.DONE, TransportState.FAIL}),
    TransportState.DONE: frozenset(),
    TransportState.FAIL: frozenset(),
}


class AxisCode(IntEnum):
    """Result codes of the axis's connection guide 2.2."""

    OK = 0
    INVALID_FILE = 10
    WRONG_CREDENTIALS = 15
    RECIPIENT_UNKNOWN = 18
    SENDER_NOT_REGISTERED = 19
    SYSTEM_ERROR = 20
    FILE_PROCESSING_ERROR = 21
    INVALID_ENVELOPE = 22
    RECIPIENT_LOCKED = 23


AXIS_CODE_MEANINGS: dict[AxisCode, str] = {
    AxisCode.OK: "accepted",
    AxisCode.INVALID_FILE: "invalid file",
    AxisCode.WRONG_CREDENTIALS: "wrong system id or secret key",
    AxisCode.RECIPIENT_UNKNOWN: "recipient unknown",
    AxisCode.SENDER_NOT_REGISTERED: "sender not registered",
    AxisCode.SYSTEM_ERROR: "axis system error",
    AxisCode.FILE_PROCESSING_ERROR: "file processing error",
    AxisCode.INVALID_ENVELOPE: "invalid edXML",
    AxisCode.RECIPIENT_LOCKED: "recipient locked",
}


class DocumentId(NamedTuple):
    """The parts of a document's identity under Decision 28/2018 Art. 10.2b."""

    code: str
    year: int
    ordinal: int  # in the sender's year, from 1; restarts each 1 January


def document_id(code: str, year: int, ordinal: int) -> str:
    """Return the id of a document: organ code, year and ordinal in the year, like `G22.2021.0000123`."""
    if not 1 <= ordinal <= 9_999_999 or not 1000 <= year <= 9999:
        raise ValueError(f"no document id for year {year}, ordinal {ordinal}: years have 4 digits, ordinals 1 to 7")
    return f"{code}.{year}.{ordinal:07d}"


def parse_document_id(text: str) -> DocumentId:
    """Return the parts of a document id. Raises ValueError for any other text."""
    code, _, rest = text.partition(".")
    year, _, ordinal = rest.partition(".")
    if not (code and len(year) == 4 and len(ordinal) == 7 and _is_number(year + ordinal) and int(ordinal)):
        raise ValueError(f"{text[:128]!r} is not a document id; expected a form like G22.2021.0000123")
    return DocumentId(code, int(year), int(ordinal))


def packet_id(document: str, serial: int) -> str:
    """Return the id of one send of a document, like `G22.2021.0000123.0`; serial 0 is the first."""
    if serial < 0:
        raise ValueError(f"no packet id for serial {serial}: sends are counted from 0")
    return f"{document}.{serial}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
