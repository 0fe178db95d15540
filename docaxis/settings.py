"""Where docaxis runs: brokers, credentials, topics, folders. What it offers is a workload, which is another file.

Values come, the later winning, from: the defaults below, a TOML file (`--settings FILE`, or `docaxis.toml` in the
current folder), the environment (`DOCAXIS_<SECTION>_<KEY>`, as in `DOCAXIS_KAFKA_BOOTSTRAP_SERVERS`), the command
line. Unknown keys in the file are refused; unknown variables are not, because a cluster manager may put names of its
own there. Every fault is reported at once, with the place it came from.

This module alone reads the environment. Everybody else is handed a frozen `Settings`.
"""

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    SerializationInfo,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from docaxis.domain.errors import SettingsError, UsageError

#: The file read when none is named.
DEFAULT_FILE = "docaxis.toml"
#: Carries whole settings, secrets included, from a parent to its child processes: never in argv, which all can read.
CHILD_VARIABLE = "DOCAXIS_SETTINGS_JSON"
#: Names the settings file, as --settings does.
FILE_VARIABLE = "DOCAXIS_SETTINGS"

TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Port = Annotated[int, Field(ge=1, le=65535)]


def _absolute_path(value: Path | None) -> Path | None:
    return None if value is None else value.expanduser().absolute()


def _secret_text(value: SecretStr | None, info: SerializationInfo) -> str | None:
    if value is None:
        return None
    return value.get_secret_value() if (info.context or {}).get("secrets") else str(value)


class _Section(BaseModel):
    """What all sections share: frozen, no unknown keys, secrets shown only on request."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class KafkaSettings(_Section):
    """How to reach a cluster; handed to the clients as they are (`docaxis.kafka.client`)."""

    #: host:port, comma separated. Empty: the broker that `docaxis broker up` started in this project's home.
    bootstrap_servers: str = ""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    #: Certificate authorities to trust (PEM); empty: those of the system.
    ssl_cafile: Path | None = None
    #: Our own certificate and key (PEM), where the brokers ask for one.
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_key_password: SecretStr | None = None
    #: Off only where brokers are addressed by names that their certificates do not carry.
    ssl_check_hostname: bool = True
    #: How long one request may take before the client gives up on it.
    request_timeout_ms: int = Field(40_000, ge=1_000, le=600_000)

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        addresses = [address.strip() for address in value.split(",") if address.strip()]
        for address in addresses:
            host, colon, port = address.rpartition(":")
            if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError(f"{address!r} is not host:port")
        return ",".join(addresses)

    @field_validator("ssl_cafile", "ssl_certfile", "ssl_keyfile")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return _absolute_path(value)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.security_protocol.startswith("SASL") and (self.sasl_username is None or self.sasl_password is None):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise ValueError("ssl_certfile and ssl_keyfile belong together: one of them is missing")
        return self

    @field_serializer("sasl_password", "ssl_key_password")
    def _secret(self, value: SecretStr | None, info: SerializationInfo) -> str | None:
        return _secret_text(value, info)


class TopicSettings(_Section):
    """The topics that events, totals and audit state live in."""

    prefix: TopicPrefix = "axis"
    #: Partitions of every topic but the control topic; the join of the audit relies on all having the same.
    partitions: int = Field(4, ge=1, le=1024)
    replication: int = Field(1, ge=1, le=9)
    #: With `acks=all`, how many replicas must have a record before it counts as written.
    min_insync_replicas: int = Field(1, ge=1, le=9)
    #: How long events are kept; totals and audit state are compacted instead and stay.
    retention_hours: int = Field(168, ge=1, le=24 * 365 * 10)

    @model_validator(mode="after")
    def _writable(self) -> Self:
        if self.min_insync_replicas > self.replication:
            raise ValueError(
                f"min_insync_replicas {self.min_insync_replicas} is more than replication {self.replication}: "
                "nothing could be written"
            )
        return self


class BrokerSettings(_Section):
    """The embedded Apache Kafka."""

    brokers: Literal[1, 3] = 1
    #: Port of the first broker's listener on loopback, the others following it. None: free ones are found.
    port: Port | None = None
    #: Java heap of each broker, MiB. None: 768 for one broker, 512 each for three.
    heap_mib: int | None = Field(None, ge=256, le=65_536)
    #: A Java (17 or newer) to use instead of the one that came with docaxis.
    java_home: Path | None = None
    #: A Maven repository to fetch Kafka's jars from, instead of what jgo is configured for.
    jar_repository: str | None = None
    start_timeout_s: int = Field(90, ge=5, le=3_600)
    stop_timeout_s: int = Field(30, ge=1, le=3_600)

    @field_validator("jar_repository")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("an http:// or https:// address is expected")
        if value is not None and "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("no user or password belongs in the address: put them in ~/.netrc")
        return value.rstrip("/") if value else value


class PathSettings(_Section):
    """Folders. Relative ones are taken from the current folder; all are absolute once loaded."""

    #: Data, logs and state of what docaxis starts.
    home: Path = Path(".docaxis")
    #: Results, one folder a run.
    runs: Path = Path("runs")
    #: Kafka's jars, shared by all projects of the user. None: the user's cache folder.
    cache: Path | None = None

    @field_validator("home", "runs", "cache")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return _absolute_path(value)


class Settings(_Section):
    """All settings, frozen. `repr` and `shown` mask the secrets; `to_environment` does not."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    broker: BrokerSettings = Field(default_factory=BrokerSettings)
    paths: PathSettings = Field(default_factory=PathSettings)
    #: What the environment named as Java, used only where the one that comes with docaxis does not run.
    ambient_java_home: Path | None = Field(None, exclude=True, repr=False)
    #: The user's cache folder by the system's own rules.
    user_cache: Path | None = Field(None, exclude=True, repr=False)

    @property
    def cache_dir(self) -> Path:
        """Where downloads are kept between runs."""
        return self.paths.cache or self.user_cache or self.paths.home / "cache"

    def shown(self) -> dict[str, Any]:
        """Return the settings for logs, results and screens, secrets masked."""
        return self.model_dump(mode="json")

    def with_servers(self, bootstrap_servers: str) -> Self:
        """Return settings for a broker of ours on loopback: what is set for another cluster does not concern it."""
        return self.model_copy(update={"kafka": KafkaSettings(bootstrap_servers=bootstrap_servers)})

    def to_environment(self) -> dict[str, str]:
        """Return the variables that make a child process load exactly these settings, secrets included."""
        return {CHILD_VARIABLE: self.model_dump_json(context={"secrets": True})}


def load_settings(
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Load and check the settings.

    `file` is what --settings named. `overrides` are values of the command line by dotted key, as in
    {"kafka.bootstrap_servers": "localhost:9092"}; None among them means "not given". `environ` stands in for the
    process's environment in tests. Raises SettingsError with every fault found.
    """
    environ = os.environ if environ is None else environ
    merged: dict[str, dict[str, Any]] = {}
    sources: dict[tuple[str, ...], str] = {}
    faults: list[str] = []
    if environ.get(CHILD_VARIABLE):
        merged = Settings.model_validate_json(environ[CHILD_VARIABLE]).model_dump(context={"secrets": True})
    else:
        _merge_file(merged, sources, faults, file or _named_file(environ))
        _merge_environment(merged, sources, environ)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            section, _, key = dotted.partition(".")
            merged.setdefault(section, {})[key] = value
            sources[section, key] = f"--{key.replace('_', '-')}"
    try:
        settings = Settings.model_validate({**merged, **_surroundings(environ)})
    except ValidationError as error:
        faults += [_fault(detail, sources) for detail in error.errors(include_url=False)]
    if faults:
        raise SettingsError(faults, next_step="correct them; the keys and their defaults are in docaxis/settings.py")
    return settings


def _named_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get(FILE_VARIABLE)
    if named:
        return Path(named)
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None


def _merge_file(
    merged: dict[str, dict[str, Any]], sources: dict[tuple[str, ...], str], faults: list[str], file: Path | None
) -> None:
    if file is None:
        return
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The settings file {file} cannot be read: {error}", next_step="check --settings") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The settings file {file} is not TOML: {error}", next_step="correct that line") from error
    for section, values in content.items():
        if section not in _SECTIONS:
            faults.append(f"[{section}]: unknown section (in {file}); there are {', '.join(_SECTIONS)}")
        elif not isinstance(values, dict):
            faults.append(f"{section} = {values!r} (in {file}): a section [{section}] is expected")
        else:
            merged[section] = dict(values)
            sources.update({(section, key): f"in {file}" for key in values})


def _merge_environment(
    merged: dict[str, dict[str, Any]], sources: dict[tuple[str, ...], str], environ: Mapping[str, str]
) -> None:
    for section, model in _SECTIONS.items():
        for key in model.model_fields:
            variable = f"DOCAXIS_{section}_{key}".upper()
            value = environ.get(variable)
            if value:  # empty counts as not set, as compose files and shells leave them
                merged.setdefault(section, {})[key] = value
                sources[section, key] = f"from {variable}"


def _fault(detail: Any, sources: Mapping[tuple[str, ...], str]) -> str:
    """Say one fault of pydantic's in our words: key, value (never a secret's), place, what is wrong."""
    place = tuple(str(part) for part in detail["loc"])
    key = ".".join(place)
    source = sources.get(place[:2], "")
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        known = ", ".join(_SECTIONS[place[0]].model_fields) if place[0] in _SECTIONS else ", ".join(_SECTIONS)
        return f"{key}: unknown key{f' ({source})' if source else ''}; there are {known}"
    if len(place) < 2:  # a rule about several keys of a section: its message names them
        return f"{key}: {message}"
    secret = "password" in key
    shown = f" = {detail['input']!r}" if not secret else ""
    return f"{key}{shown}{f' ({source})' if source else ''}: {message}"


def _surroundings(environ: Mapping[str, str]) -> dict[str, Path | None]:
    """Return what the system, rather than the user's settings, says about this machine."""
    home = environ.get("HOME")
    cache: Path | None = None
    if environ.get("XDG_CACHE_HOME"):
        cache = Path(environ["XDG_CACHE_HOME"]) / "docaxis"
    elif home:
        cache = Path(home) / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "docaxis"
    java_home = environ.get("JAVA_HOME")
    return {"ambient_java_home": Path(java_home) if java_home else None, "user_cache": cache}


_SECTIONS: dict[str, type[_Section]] = {
    "kafka": KafkaSettings,
    "topics": TopicSettings,
    "broker": BrokerSettings,
    "paths": PathSettings,
}
