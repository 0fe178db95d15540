"""Vendored files are what their checksums say, and each has its licence beside it."""

import hashlib
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "monitor" / "assets"
VENDORED = Path(__file__).parents[1] / "vendored"


def _checksums(folder: Path = ASSETS) -> dict[str, str]:
    lines = (folder / "checksums.txt").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def test_every_vendored_script_is_the_one_that_was_checked() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in ASSETS.glob("*.js")}
    assert found == _checksums()


@pytest.mark.parametrize("name", sorted(_checksums()))
def test_every_vendored_script_has_its_licence_and_version(name: str) -> None:
    licences = (ASSETS / "LICENSES.md").read_text(encoding="utf-8")
    assert f"`{name}`" in licences
    assert b'version="6.1.0"' in (ASSETS / name).read_bytes()
    assert "6.1.0" in licences


def test_every_vendored_schema_is_the_one_that_was_checked_and_has_its_licence() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDORED.glob("*.json")}
    assert found == _checksums(VENDORED)
    licences = (VENDORED / "LICENSES.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in licences for name in found)
    assert "Copyright 2016-2025 AsyncAPI Initiative" in licences
    assert "Apache License" in licences
