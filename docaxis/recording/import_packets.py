"""The SQL that gathers parsed rows into packets and writes them as rows of a recording. Pure.

`staged` has one row a row of the file; `codes` maps names to agency codes. A document's rows that were sent together
by one sender are one packet; a recipient named twice among them goes into a second packet, since a hub refuses one
that names a recipient twice. Documents without an id get one of their sender's: organ code, year and ordinal.
"""

from docaxis.recording.schema import COLUMNS

#: Vietnam's offset: the year of a document's id is that of its sending there.
_YEAR = "year(make_timestamp(sent_us + 25200000000))"

GATHER = f"""
CREATE TEMP TABLE deliveries AS
SELECT *, row_number() OVER (PARTITION BY packet, sent_us, sender, recipient ORDER BY line, place)
       AS occurrence
FROM (
    SELECT line, place, sent_us, received_us, state, type, priority, steering, business, size, document,
           coalesce('=' || document, '#' || line::VARCHAR) AS packet, senders.code AS sender,
           recipients.code AS recipient
    FROM (SELECT *, unnest(recipients) AS name, generate_subscripts(recipients, 1) AS place FROM staged) AS one
    JOIN codes AS senders ON senders.name = one.sender
    JOIN codes AS recipients ON recipients.name = one.name
);
CREATE TEMP TABLE packets AS
SELECT *, coalesce(document, format('{{}}.{{}}.{{:07d}}', sender, year, ordinal)) AS document_id,
       row_number() OVER (PARTITION BY coalesce(document, '#' || line::VARCHAR) ORDER BY sent_us, line, occurrence) - 1
       AS serial
FROM (
    SELECT *, {_YEAR} AS year,
           row_number() OVER (PARTITION BY sender, {_YEAR}, document IS NULL ORDER BY sent_us, line, occurrence)
           AS ordinal
    FROM (
        SELECT packet, sent_us, sender, occurrence, min(line) AS line, any_value(document) AS document,
               arg_min(type, line) AS type, arg_min(priority, line) AS priority, arg_min(steering, line) AS steering,
               arg_min(business, line) AS business, arg_min(size, line) AS size,
               list(recipient ORDER BY line, place) AS recipients
        FROM deliveries GROUP BY packet, sent_us, sender, occurrence
    )
);
"""

_SENT = {
    "time_us": "sent_us",
    "kind": "'sent'",
    "offset": "line",
    "run": "'imported'",
    "packet_id": "document_id || '.' || serial",
    "document_id": "document_id",
    "sender": "sender",
    "recipients": "recipients",
    "type": "type",
    "priority": "priority",
    "steering": "steering",
    "business": "business",
    "size": "size",
    "calendar_ms": "sent_us // 1000",
    "intended_us": "sent_us",
    "sent_us": "sent_us",
    "sha256": "''",
}

_RECEIPT = {
    "time_us": "received_us",
    "kind": "'receipt'",
    "offset": "deliveries.line",
    "run": "'imported'",
    "packet_id": "document_id || '.' || serial",
    "document_id": "document_id",
    "sender": "deliveries.sender",
    "recipient": "recipient",
    "state": "deliveries.state",
    "priority": "packets.priority",
    "calendar_ms": "deliveries.sent_us // 1000",
    "intended_us": "deliveries.sent_us",
    "sent_us": "deliveries.sent_us",
    "accepted_us": "deliveries.sent_us",
    "available_us": "received_us",
    "received_us": "received_us",
    "place_partition": "0",
    "place_offset": "deliveries.line",
}

_TYPES = {
    "string": "VARCHAR",
    "int8": "TINYINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "list<item: string>": "VARCHAR[]",
}


def _select(given: dict[str, str]) -> str:
    names = [column for column in COLUMNS if column.name != "sequence"]
    types = {column.name: _TYPES[str(column.type).replace("element", "item")] for column in names}
    return ", ".join(
        f"CAST({given.get(one.name, 'NULL')} AS {types[one.name]}) AS {_quoted(one.name)}" for one in names
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


#: All rows in order of time; ties in the order of the file, a document before its receipts.
ROWS = f"""
SELECT row_number() OVER () - 1 AS sequence, * EXCLUDE (line, place, after, occurrence) FROM (
    SELECT {_select(_SENT)}, line, 0 AS place, 0 AS after, occurrence FROM packets
    UNION ALL
    SELECT {_select(_RECEIPT)}, deliveries.line, place, 1 AS after, occurrence
    FROM deliveries JOIN packets USING (packet, sent_us, sender, occurrence)
    WHERE received_us IS NOT NULL
    ORDER BY time_us, after, line, place, occurrence
)"""
