"""Deployment files as their tools would see them: overlays with their patches, command lines as the commands do."""

import re
import shlex
from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import typer.main
import yaml

from docaxis.cli import COMMANDS

Manifest = dict[str, Any]


def build(overlay: Path) -> list[Manifest]:
    """Return the manifests of a kustomization: its resources, and those of its bases, with its patches applied.

    Only what our files use: resources, namespace, and JSON patches with `replace`. Anything else is an error.
    """
    content = yaml.safe_load((overlay / "kustomization.yaml").read_text(encoding="utf-8"))
    known = {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
    assert set(content) <= known, f"{overlay}: this test does not know {set(content) - known}"
    manifests: list[Manifest] = []
    for name in content["resources"]:
        path = overlay / name
        manifests += build(path) if path.is_dir() else load_all(path)
    for patch in content.get("patches", ()):
        targets = [one for one in manifests if _is_target(patch["target"], one)]
        assert targets, f"{overlay}: nothing to patch for {patch['target']}"
        for target in targets:
            for operation in yaml.safe_load(patch["patch"]):
                _replace(target, operation)
    return manifests


def load_all(path: Path) -> list[Manifest]:
    """Return the documents of a YAML file."""
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def _is_target(target: dict[str, str], manifest: Manifest) -> bool:
    name = manifest["metadata"]["name"]
    return manifest["kind"] == target["kind"] and re.fullmatch(target["name"], name) is not None


def _replace(manifest: Manifest, operation: dict[str, Any]) -> None:
    assert operation["op"] == "replace"
    *parents, last = [part.replace("~1", "/") for part in operation["path"].strip("/").split("/")]
    node: Any = manifest
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    assert last in node, f"{manifest['metadata']['name']}: there is no {operation['path']} to replace"
    node[last] = deepcopy(operation["value"])


def parse_command(arguments: list[str]) -> dict[str, Any]:
    """Let the real command read a command line, and do nothing; return its options by name.

    Raises click.ClickException where it is wrong.
    """
    if arguments[0] == "exec":
        arguments = arguments[2:]  # exec docaxis ...
    row = next((row for row in COMMANDS if row.name == arguments[0]), None)
    assert row is not None, f"docaxis {arguments[0]} is no command"
    command: Any = typer.main.get_command(import_module(row.module).app)
    rest = arguments[1:]
    if hasattr(command, "commands"):  # as in `docaxis topics create`
        name, found, rest = command.resolve_command(click.Context(command), rest)
        assert found is not None, f"docaxis {row.name} {name} is no command"
        command = found
    options: dict[str, Any] = command.make_context(row.name, rest).params
    return options


def command_of(container: Manifest) -> list[str]:
    """Return the command line of a container as docaxis gets it; what a shell would fill in is a word."""
    if container.get("command") == ["sh", "-c"]:
        (line,) = container["args"]
        return shlex.split(re.sub(r"`[^`]*`", "1", line))
    return [str(argument) for argument in container["args"]]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield name and pod template of every Deployment."""
    for one in manifests:
        if one["kind"] == "Deployment":
            yield one["metadata"]["name"], one["spec"]["template"]
