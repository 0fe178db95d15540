"""Settings: where values come from, what is refused, and that secrets stay hidden."""

import json
import re
from pathlib import Path

import pytest

from docaxis.domain.errors import SettingsError, UsageError
from docaxis.settings import Settings, load_settings

SASL = {
    "DOCAXIS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "DOCAXIS_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "DOCAXIS_KAFKA_SASL_USERNAME": "truc",
    "DOCAXIS_KAFKA_SASL_PASSWORD": "m4t-khau",
    "DOCAXIS_KAFKA_BOOTSTRAP_SERVERS": "a:9093, b:9093",
}


def _file(folder: Path, text: str) -> Path:
    path = folder / "here.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_line_wins_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = _file(tmp_path, '[topics]\nprefix = "from-file"\npartitions = 5\nretention_hours = 1\n')
    environ = {"DOCAXIS_TOPICS_PREFIX": "from-env", "DOCAXIS_TOPICS_PARTITIONS": "6"}
    topics = load_settings(file, {"topics.prefix": "from-line", "topics.partitions": None}, environ).topics
    assert (topics.prefix, topics.partitions, topics.retention_hours, topics.replication) == ("from-line", 6, 1, 1)


def test_the_file_of_the_current_folder_is_read_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).topics.prefix == "axis"
    (tmp_path / "docaxis.toml").write_text('topics.prefix = "here"\n', encoding="utf-8")
    assert load_settings(environ={}).topics.prefix == "here"
    other = _file(tmp_path, 'topics.prefix = "there"\n')
    assert load_settings(environ={"DOCAXIS_SETTINGS": str(other)}).topics.prefix == "there"
    assert load_settings(other, environ={}).topics.prefix == "there"


def test_every_fault_is_reported_with_its_value_and_place(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        '[topic]\nprefix = "x"\n[topics]\nprefx = "y"\npartitions = 0\n'
        '[kafka]\nbootstrap_servers = "localhost"\nsecurity_protocol = "TLS"\n',
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {"broker.brokers": 2}, {"DOCAXIS_TOPICS_REPLICATION": "many"})
    faults = "\n".join(caught.value.faults)
    assert f"[topic]: unknown section (in {file})" in faults
    assert re.search(r"topics\.prefx: unknown key \(in .*\); there are prefix, partitions", faults)
    assert re.search(r"topics\.partitions = 0 \(in .*\): .*greater than or equal to 1", faults)
    assert "topics.replication = 'many' (from DOCAXIS_TOPICS_REPLICATION): " in faults
    assert "'localhost' is not host:port" in faults
    assert "kafka.security_protocol = 'TLS'" in faults
    assert "broker.brokers = 2 (--brokers): " in faults
    assert len(caught.value.faults) == 7


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kafka.security_protocol": "SASL_PLAINTEXT"}, "needs sasl_username and sasl_password"),
        ({"kafka.ssl_certfile": "/x.pem"}, "belong together"),
        ({"topics.replication": 2, "topics.min_insync_replicas": 3}, "nothing could be written"),
        ({"broker.jar_repository": "https://me:secret@repo/maven"}, "~/.netrc"),
        ({"broker.jar_repository": "repo"}, "https://"),
        ({"topics.prefix": "has space"}, "topics.prefix = 'has space'"),
    ],
)
def test_values_that_cannot_work_together_are_refused(values: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides=values, environ={})
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["topics = [", "\x00", 'a = 1\na = "twice"\n'])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, text: str) -> None:
    file = _file(tmp_path, text)
    with pytest.raises(UsageError, match=re.escape(f"{file} is not TOML")):
        load_settings(file, environ={})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(tmp_path / "missing.toml", environ={})


def test_unknown_variables_of_a_cluster_manager_are_no_fault() -> None:
    environ = {"DOCAXIS_HUB_PORT": "tcp://10.0.0.1:80", "DOCAXIS_KAFKA_SERVICE_HOST": "10.0.0.2"}
    assert load_settings(environ=environ) == load_settings(environ={})


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = load_settings(environ=SASL)
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "m4t-khau"
    for shown in (repr(settings), str(settings), json.dumps(settings.shown()), str(settings.model_dump())):
        assert "m4t-khau" not in shown
        assert "truc" in shown


def test_a_secret_at_fault_is_not_shown_either() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides={"kafka.sasl_password": ["m4t-khau"]}, environ={})
    assert "kafka.sasl_password" in str(caught.value)
    assert "m4t-khau" not in str(caught.value)


def test_a_child_process_loads_exactly_its_parents_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = load_settings(environ=SASL)
    (tmp_path / "docaxis.toml").write_text("topics.partitions = 9\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # a file that the parent did not read must not change the child
    environ = parent.to_environment()
    child = load_settings(environ={**environ, "DOCAXIS_TOPICS_PREFIX": "no"})
    assert child == parent
    assert child.kafka.bootstrap_servers == "a:9093,b:9093"
    assert list(environ) == ["DOCAXIS_SETTINGS_JSON"]


def test_folders_are_absolute_and_the_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={"HOME": "/home/an"})
    assert settings.paths.home == tmp_path / ".docaxis"
    assert settings.paths.runs == tmp_path / "runs"
    assert settings.cache_dir.is_relative_to("/home/an")
    assert load_settings(environ={"XDG_CACHE_HOME": "/c"}).cache_dir == Path("/c/docaxis")
    assert load_settings(environ={"DOCAXIS_PATHS_CACHE": "/d", "HOME": "/h"}).cache_dir == Path("/d")
    assert load_settings(environ={}).cache_dir == tmp_path / ".docaxis" / "cache"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().topics.partitions = 8  # type: ignore[misc]
