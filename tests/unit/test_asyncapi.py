"""The contract and the codec say the same: what the document allows is read, what it forbids is refused."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from docaxis.cli import main
from docaxis.domain.codec import decode_delivered, decode_refusal, decode_sent, decode_status, encode
from monitor.asyncapi import CHANNELS, asyncapi
from tests.support.events import delivered, receipt, refusal, sent, status

FILE = Path(__file__).parents[2] / "deploy" / "asyncapi.yaml"
#: The official schema, with that of the Kafka bindings inside: nothing is fetched.
SCHEMA = Path(__file__).parents[1] / "vendored" / "asyncapi-3.0.0.json"
DOCUMENT = asyncapi()
EVENTS: dict[str, tuple[object, Callable[[bytes], object]]] = {
    "Sent": (sent(), decode_sent),
    "Delivered": (delivered(), decode_delivered),
    "Receipt": (receipt(), decode_status),
    "Status": (status(), decode_status),
    "Refusal": (refusal(), decode_refusal),
}
#: What a field may be replaced by: wrong types, ends of ranges and just beyond them.
_STRANGE: list[Any] = [
    None, True, -1, 0, 1, 2, 9, 10, 99, 100, 1 << 53, (1 << 53) - 1, 1.5, "", "x", "x" * 35, "x" * 36, "x" * 64,
    "x" * 65, "x" * 128, "x" * 129, [], ["H53"], [1], {}, "DONE", "01",
]  # fmt: skip


def _allowed(name: str, event: dict[str, Any]) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(event))


def _read(decode: Callable[[bytes], object], event: dict[str, Any]) -> bool:
    try:
        decode(orjson.dumps(event))
    except msgspec.MsgspecError:
        return False
    return True


def test_the_checked_in_document_is_the_generated_one(tmp_path: Path) -> None:
    assert yaml.safe_load(FILE.read_text(encoding="utf-8")) == DOCUMENT
    assert main(["generate", "asyncapi", "--output", str(FILE), "--check"]) == 0
    other = tmp_path / "asyncapi.yaml"
    assert main(["generate", "asyncapi", "--prefix", "other", "--output", str(other)]) == 0
    assert yaml.safe_load(other.read_text(encoding="utf-8"))["channels"]["sent"]["address"] == "other.sent"


@cache
def _specification() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(orjson.loads(SCHEMA.read_bytes()))


def _faults(document: dict[str, Any]) -> list[str]:
    return [f"{fault.json_path}: {fault.message}"[:300] for fault in _specification().iter_errors(document)]


def test_the_document_is_what_the_official_schema_allows() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert _faults(yaml.safe_load(FILE.read_text(encoding="utf-8"))) == []
    assert _faults(asyncapi("other")) == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("info", {"title": "no version"}),
        ("channels.sent.adress", "axis.sent"),
        ("channels.sent.bindings.kafka.partitions", "six"),
        ("operations.write_sent.action", "publish"),
        ("operations.write_sent.channel", "sent"),
        ("components.messages.Sent.bindings.kafka.key", "document_id"),
        ("components.schemas.Sent.type", "record"),
        ("components.schemas.Sent.properties.run.maxLength", -1),
    ],
)
def test_the_official_schema_finds_what_a_generator_may_get_wrong(place: str, wrong: object) -> None:
    document = deepcopy(DOCUMENT)
    *path, last = place.split(".")
    node: dict[str, Any] = document
    for part in path:
        node = node[part]
    node[last] = wrong
    assert _faults(document)


def test_every_reference_leads_somewhere() -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, list):
            return [one for item in node for one in references(item)]
        if not isinstance(node, dict):
            return []
        own = [node["$ref"]] if "$ref" in node else []
        return own + [one for item in node.values() for one in references(item)]

    found = references(DOCUMENT)
    assert len(found) > 10
    for reference in found:
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert {message for channel in DOCUMENT["channels"].values() for message in channel["messages"]} == set(EVENTS)
    assert set(DOCUMENT["channels"]) == set(CHANNELS)


@pytest.mark.parametrize("name", EVENTS)
def test_what_we_write_is_allowed_and_each_required_field_is_needed(name: str) -> None:
    event, decode = EVENTS[name]
    written = orjson.loads(encode(event))
    assert _allowed(name, written)
    assert _allowed(name, written | {"unknown": 1})
    assert _read(decode, written | {"unknown": 1})
    for field in DOCUMENT["components"]["schemas"][name]["required"]:
        without = {key: value for key, value in written.items() if key != field}
        assert not _allowed(name, without), field
        assert not _read(decode, without), field


@given(st.data())
def test_the_document_allows_exactly_what_the_codec_reads(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EVENTS)))
    event, decode = EVENTS[name]
    written: dict[str, Any] = orjson.loads(encode(event))
    fields = sorted(set(DOCUMENT["components"]["schemas"][name]["properties"]) - {"kind"})
    for field in data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=2)):
        written[field] = data.draw(st.sampled_from(_STRANGE))
    assert _allowed(name, written) == _read(decode, written), written
