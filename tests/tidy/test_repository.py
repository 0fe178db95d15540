"""The repository audits itself: nothing of one machine in it, nothing left behind, locks that name no addresses."""

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from docaxis import __version__

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".toml", ".md", ".lock", ".csv", ".yaml", ".yml", ".json", ".html", ".js", ".css", ".sh", ""}
#: Names no path here may begin with: they are true on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.\-{}<>])/(?:work|tmp|root|home/[a-z]+/)\b(?!an\b)")
LEFTOVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|(?<!upstream )\bissues? #?\d|<<<<<<<|>>>>>>>")
REGISTRY_HOST = re.compile(r"pypi\.org|pythonhosted|maven\.org|maven\.apache|npmjs|docker\.io|ghcr\.io|quay\.io", re.I)


@cache
def _files() -> tuple[Path, ...]:
    """Return the files that belong to the repository, whether git already knows them or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git work tree: there is no list of the repository's files")
    return tuple(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def _lines(pattern: re.Pattern[str]) -> list[str]:
    """Return every line outside this folder that the pattern matches, with its place."""
    found = []
    for path in _files():
        if path.suffix not in TEXT or "tidy" in path.parts or path.stat().st_size > 2_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATH, LEFTOVER, REGISTRY_HOST], ids=["path", "leftover", "registry"])
def test_nothing_of_one_machine_and_nothing_left_behind(pattern: re.Pattern[str]) -> None:
    assert _lines(pattern) == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert MACHINE_PATH.search("see /tmp/out.txt")
    assert MACHINE_PATH.search('open("/work/main")')
    assert not MACHINE_PATH.search("docaxis/work and ./tmp and {home}/tmp")
    assert LEFTOVER.search("# TODO later")
    assert LEFTOVER.search("as issue 3 says")
    assert REGISTRY_HOST.search("from files.pythonhosted.example")


def test_the_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-uv.lock"])
def test_locks_hold_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    requirements = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE | re.IGNORECASE)[1:]
    assert requirements
    for requirement in requirements:
        assert re.match(r"[A-Za-z0-9._-]+==[^ ]+ ", requirement), requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_the_locks_agree_with_each_other_and_with_the_exact_pins() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / name).read_text(encoding="utf-8")
        return set(re.findall(r"^[A-Za-z0-9._-]+==\S+", text, re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    exact = {requirement for requirement in project["dependencies"] if "==" in requirement}
    assert exact == {"aiokafka==0.14.0", "faust-streaming==0.15.3", "mode-streaming==0.7.1"}
    assert exact <= pins("requirements.lock")
    named = {re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in project["dependencies"]}
    assert named <= {pin.split("==")[0] for pin in pins("requirements.lock")}
