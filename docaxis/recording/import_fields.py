"""The SQL that turns the text of somebody else's rows into fields, and says of each row what is wrong with it. Pure."""

from docaxis.recording.import_map import ImportMap, Names
from docaxis.recording.schema import ATTRIBUTES

#: Bounds of the attributes, those of the events.
_BOUNDS = {"type": (1, 99), "priority": (0, 9), "steering": (0, 9), "business": (0, 9), "size": (0, 2**53 - 1)}

#: Longest document id taken: a packet's serial follows it within 128 characters.
DOCUMENT_ID_MAX = 116

#: Longest name of an agency, and most recipients of a row.
NAME_MAX, RECIPIENTS_MAX = 200, 10_000

#: What is said of a row whose two times cannot both be true.
_BACKWARDS = "format('received at {}, before it was sent at {}', received_text, trim(sent_text))"

#: What a JSON row is looked at as.
_JSON_SOURCE = "CASE WHEN json_valid(text) THEN text END"


def quoted(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def source_sql(imported: ImportMap, columns: list[str]) -> str:
    """Return the query that gives a block's columns as text; `columns` are those wanted, for NDJSON."""
    if imported.format == "ndjson":
        parts = [f"json_extract_string(j, {quoted(_json_path(name))}) AS {_name(name)}" for name in columns]
        rows = f"SELECT *, {_JSON_SOURCE} AS j FROM block"
        return f"SELECT line, text, j IS NULL AS no_json, {', '.join(parts)} FROM ({rows})"
    if imported.format == "words":
        words = imported.columns or []
        parts = [f"w[{number}] AS {_name(name)}" for number, name in enumerate(words, 1)]
        return (
            f"SELECT line, text, len(w) AS words, {', '.join(parts)} "
            r"FROM (SELECT *, string_split_regex(text, '[ \t,;]+') AS w FROM block)"
        )
    return "SELECT * FROM block"


def _json_path(name: str) -> str:
    return "$" + "".join(f'."{part}"' for part in name.split("."))


def parsed_sql(imported: ImportMap, *, allow_backwards: bool) -> str:
    """Return the query over `source` that gives each row's fields, and its `fault` or null."""
    fields = imported.fields
    recipients = fields.recipient if imported.row == "delivery" else fields.recipients
    assert recipients is not None
    given = f"nullif(trim({_text(recipients, imported.join)}), '')"
    split = f"list_transform(string_split({given}, {quoted(imported.separator)}), lambda x: trim(x))"
    listed = f"[{given}]" if imported.row == "delivery" else f"list_filter({split}, lambda x: x <> '')"
    sent = _text(fields.sent, imported.join)
    received = _text(fields.received, imported.join) if fields.received else "NULL"
    document = f"nullif(trim({_text(fields.document, imported.join)}), '')" if fields.document else "NULL"
    columns = [
        "line",
        f"nullif(trim({_text(fields.sender, imported.join)}), '') AS sender",
        f"{listed} AS recipients",
        f"{sent} AS sent_text",
        f"{_time(sent, imported)} AS sent_us",
        f"nullif(trim({received}), '') AS received_text",
        f"{_time(received, imported)} AS received_us",
        f"{document} AS document",
        f"{_state(imported)} AS state",
        *_attribute_columns(imported),
        f"{_raw(imported)} AS raw",
        f"{_shape_fault(imported)} AS shape_fault",
    ]
    fault = _fault(allow_backwards=allow_backwards)
    return f"SELECT *, {fault} AS fault FROM (SELECT {', '.join(columns)} FROM source {_where(imported)})"


def _where(imported: ImportMap) -> str:
    # A row that is no JSON has no columns to judge it by: it is kept, to be rejected with its line.
    escape = " OR no_json" if imported.format == "ndjson" else ""
    return f"WHERE ({imported.where}){escape}" if imported.where else ""


def _text(names: Names, join: str) -> str:
    if isinstance(names, str):
        return _name(names)
    written = [f"nullif({_name(name)}, '')" for name in names]
    return f"concat_ws({quoted(join)}, {', '.join(written)})"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _time(text: str, imported: ImportMap) -> str:
    scale = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}.get(imported.time)
    trimmed = f"nullif(trim({text}), '')"
    if scale is not None:
        return f"try_cast(round(try_cast({trimmed} AS DECIMAL(28, 6)) * {scale}) AS BIGINT)"
    if imported.time == "iso":
        return f"epoch_us(try_cast({trimmed} AS TIMESTAMPTZ))"  # the session's zone is the map's
    form = quoted(imported.time)
    if "%z" in imported.time or "%Z" in imported.time:
        return f"epoch_us(try_strptime({trimmed}, {form}))"
    return f"epoch_us(timezone({quoted(imported.zone)}, try_strptime({trimmed}, {form})))"


def _state(imported: ImportMap) -> str:
    constant = quoted(imported.constants.state)
    if imported.fields.state is None:
        return constant
    return f"coalesce(nullif({_valued('state', imported.fields.state, imported)}, ''), {constant})"


def _valued(field: str, column: str, imported: ImportMap) -> str:
    """Return a column with the map's own values put in place of the source's, whatever their case."""
    text = f"trim({_name(column)})"
    values = imported.values.get(field)
    if not values:
        return text
    cases = " ".join(f"WHEN {quoted(source.lower())} THEN {quoted(ours)}" for source, ours in values.items())
    return f"CASE lower({text}) {cases} ELSE {text} END"


def _attribute_columns(imported: ImportMap) -> list[str]:
    columns = []
    for field in ATTRIBUTES:
        column = getattr(imported.fields, field)
        constant = getattr(imported.constants, field)
        if column is None:
            columns += [f"'' AS {field}_text", f"{constant}::BIGINT AS {field}"]
        else:
            text = f"nullif({_valued(field, column, imported)}, '')"
            columns += [
                f"coalesce({text}, '') AS {field}_text",
                f"CASE WHEN {text} IS NULL THEN {constant} ELSE try_cast({text} AS BIGINT) END AS {field}",
            ]
    return columns


def _raw(imported: ImportMap) -> str:
    """Return what of a rejected row is shown."""
    if imported.format in ("ndjson", "words"):
        return "text"
    return f"concat_ws(',', {', '.join(_name(name) for name in imported.wanted_columns())})"


def _shape_fault(imported: ImportMap) -> str:
    if imported.format == "ndjson":
        return "CASE WHEN no_json THEN 'not a JSON object' END"
    if imported.format == "words":
        expected = len(imported.columns or [])
        return f"CASE WHEN words <> {expected} THEN format('{{}} words, expected {expected}', words) END"
    return "NULL"


def _fault(*, allow_backwards: bool) -> str:
    """Return the expression that says what is wrong with a parsed row, or null."""
    bounds = "".join(
        f" WHEN {field} IS NULL OR {field} < {low} OR {field} > {high} "
        f"THEN format('{field} is {{}}, expected {low} to {high}', {field}_text)"
        for field, (low, high) in _BOUNDS.items()
    )
    backwards = f"WHEN received_us < sent_us THEN {_BACKWARDS}" if not allow_backwards else ""
    return f"""CASE
        WHEN shape_fault IS NOT NULL THEN shape_fault
        WHEN sender IS NULL THEN 'no sender'
        WHEN len(sender) > {NAME_MAX} THEN 'the name of the sender is too long'
        WHEN recipients IS NULL OR len(recipients) = 0 OR recipients[1] IS NULL THEN 'no recipient'
        WHEN len(recipients) > {RECIPIENTS_MAX} THEN 'more than {RECIPIENTS_MAX} recipients'
        WHEN len(list_filter(recipients, lambda x: len(x) > {NAME_MAX})) > 0 THEN 'the name of a recipient is too long'
        WHEN sent_us IS NULL THEN format('sent at {{}}: no time of the map''s form', coalesce(sent_text, 'nothing'))
        WHEN sent_us < 0 OR sent_us >= {2**53} THEN format('sent at {{}}: out of range', sent_text)
        WHEN received_us IS NULL AND received_text IS NOT NULL
            THEN format('received at {{}}: no time of the map''s form', received_text)
        WHEN received_us < 0 OR received_us >= {2**53} THEN format('received at {{}}: out of range', received_text)
        WHEN len(document) > {DOCUMENT_ID_MAX} THEN 'the document id is too long'
        WHEN state NOT IN ('DONE', 'FAIL') THEN format('state is {{}}, expected DONE or FAIL', state)
        {bounds}
        {backwards} END"""
