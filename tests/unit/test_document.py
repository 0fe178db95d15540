"""Documents: tables, identities, state machines."""

import pytest

from docaxis.domain.document import (
    AXIS_CODE_MEANINGS,
    LIFE_CYCLE,
    STATUS_DIRECTIONS,
    STATUS_SUCCESSORS,
    TRANSPORT_SUCCESSORS,
    TYPE_NAMES,
    AxisCode,
    Direction,
    DocumentId,
    StatusCode,
    TransportState,
    document_id,
    packet_id,
    parse_document_id,
)


def test_types_are_those_of_the_decree() -> None:
    assert list(TYPE_NAMES) == list(range(1, 30))
    assert TYPE_NAMES[18] == "công văn"
    assert TYPE_NAMES[2] == "quyết định"
    assert len(set(TYPE_NAMES.values())) == 29


def test_document_ids_follow_decision_28() -> None:
    assert document_id("G22", 2021, 123) == "G22.2021.0000123"
    assert parse_document_id("G22.2021.0000123") == DocumentId("G22", 2021, 123)
    assert parse_document_id(document_id("T01200", 2019, 9_999_999)) == DocumentId("T01200", 2019, 9_999_999)


@pytest.mark.parametrize("ordinal", [0, -1, 10_000_000])
def test_an_ordinal_out_of_range_is_refused(ordinal: int) -> None:
    with pytest.raises(ValueError, match=str(ordinal)):
        document_id("G22", 2021, ordinal)


@pytest.mark.parametrize(
    "text",
    ["", "G22", "G22.2021", "G22.2021.123", "G22.21.0000123", ".2021.0000123", "G22.2021.0000000", "G22.2021.00001²3"],
)
def test_what_is_no_document_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a document id"):
        parse_document_id(text)


def test_packet_ids_add_the_serial_of_the_send() -> None:
    first = packet_id("G22.2021.0000123", 0)
    assert first == "G22.2021.0000123.0"
    assert packet_id("G22.2021.0000123", 17) == "G22.2021.0000123.17"
    with pytest.raises(ValueError, match="-1"):
        packet_id("G22.2021.0000123", -1)


def test_the_usual_life_is_legal_step_by_step() -> None:
    before: StatusCode | None = None
    for code in LIFE_CYCLE:
        assert code in STATUS_SUCCESSORS[before]
        before = code
    assert not STATUS_SUCCESSORS[StatusCode.DONE]


@pytest.mark.parametrize(
    ("before", "after", "legal"),
    [
        (StatusCode.ARRIVED, StatusCode.DECLINED, True),
        (StatusCode.ARRIVED, StatusCode.ASSIGNED, False),  # the register comes first
        (StatusCode.REGISTERED, StatusCode.DONE, True),  # for information: assigned to nobody
        (StatusCode.IN_PROGRESS, StatusCode.ASSIGNED, False),
        (StatusCode.DECLINED, StatusCode.REGISTERED, False),
        (StatusCode.RECALL_REQUESTED, StatusCode.RECALL_REFUSED, True),
        (StatusCode.ARRIVED, StatusCode.RECALL_AGREED, False),
        (None, StatusCode.DONE, False),
    ],
)
def test_steps(before: StatusCode | None, after: StatusCode, legal: bool) -> None:
    assert (after in STATUS_SUCCESSORS[before]) is legal


def test_every_code_has_direction_successors_and_meaning() -> None:
    assert set(STATUS_DIRECTIONS) == set(StatusCode)
    assert set(STATUS_SUCCESSORS) == {None, *StatusCode}
    assert [code for code in StatusCode if STATUS_DIRECTIONS[code] is Direction.TO_RECIPIENT] == ["13"]
    assert set(TRANSPORT_SUCCESSORS) == set(TransportState)
    assert set(AXIS_CODE_MEANINGS) == set(AxisCode)
    assert sorted(AxisCode) == [0, 10, 15, 18, 19, 20, 21, 22, 23]
