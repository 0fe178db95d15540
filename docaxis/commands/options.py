"""Options that several commands share, and how they become settings and output."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from docaxis.settings import Settings, load_settings
from monitor.sentences import sentence
from monitor.words import Language

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="Settings file (TOML); default: docaxis.toml here, if there is one."),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", help="Kafka, as host:port,...; default: the broker started by docaxis."),
]
TopicPrefix = Annotated[str | None, typer.Option("--prefix", help="Prefix of the topics' names.")]
RegistryFile = Annotated[Path | None, typer.Option("--registry", help="Registry of agencies (CSV); default: the 95.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


Lang = Annotated[Language, typer.Option("--lang", help="Language of what is shown.")]


def new_app(doc: str | None) -> typer.Typer:
    """Return the `app` of a command module; `docaxis.cli` runs it and answers for its errors."""
    return typer.Typer(
        help=doc,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def settings_from(file: Path | None, overrides: dict[str, Any] | None = None) -> Settings:
    """Load the settings with the values of the command line by dotted key; None means that it was not given."""
    return load_settings(file, overrides)


def progress(text: str, language: Language = Language.EN) -> None:
    """Tell on stderr what is being done, so that stdout stays the result's."""
    print(sentence(text, language), file=sys.stderr, flush=True)
