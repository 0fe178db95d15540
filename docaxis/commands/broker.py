"""`docaxis broker`: an Apache Kafka on this machine's loopback, without Docker, root or an installed Java."""

import time
from pathlib import Path
from typing import Annotated

import orjson
import typer

from docaxis.commands.options import AsJson, SettingsFile, new_app, progress, settings_from
from docaxis.domain.errors import UsageError
from docaxis.kafka.broker import BrokerStatus, EmbeddedBroker, broker_status
from docaxis.kafka.broker_logs import follow, last_lines, log_files
from docaxis.settings import Settings

app = new_app(__doc__)


@app.command()
def up(
    brokers: Annotated[int | None, typer.Option(help="1, or 3 for a cluster with replication. Default 1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the first broker. Default: a free one.")] = None,
    settings_file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Start it and leave it running; returns when clients are served. Does nothing if it runs already."""
    settings = settings_from(settings_file, {"broker.brokers": brokers, "broker.port": port})
    status = broker_status(settings)
    as_wanted = brokers in (None, status.brokers) and (port is None or f":{port}" in status.bootstrap_servers)
    if status.running and as_wanted:
        progress(f"A broker runs already in {status.data_dir}.")
    else:
        EmbeddedBroker(settings, owned=False, report=progress).start()
        status = broker_status(settings)
    _show(status, as_json)


@app.command()
def status(settings_file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Tell whether it runs, and where."""
    _show(broker_status(settings_from(settings_file)), as_json)


@app.command()
def logs(
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines to begin with.")] = 50,
    settings_file: SettingsFile = None,
) -> None:
    """Print the end of the brokers' logs."""
    data_dir = broker_status(settings_from(settings_file)).data_dir
    files = log_files(data_dir)
    if not files:
        raise UsageError(f"No broker has written a log in {data_dir}", next_step="start one with `docaxis broker up`")
    for name, line in last_lines(files, lines):
        print(f"{name}: {line}" if len(files) > 1 else line)
    if follow_on:
        for name, line in follow(files, time.sleep):
            print(f"{name}: {line}" if len(files) > 1 else line, flush=True)


@app.command()
def down(
    remove_data: Annotated[bool, typer.Option("--remove-data", help="Remove its data too.")] = False,
    settings_file: SettingsFile = None,
) -> None:
    """Stop it cleanly; its data stays, and the next `up` continues on it."""
    settings: Settings = settings_from(settings_file)
    before = broker_status(settings)
    if before.data_dir.exists():
        EmbeddedBroker(settings, owned=False, report=progress).stop(remove_data=remove_data)
    told = {
        "stopped": "No broker was running.",
        "stale": "No broker was running any more: it had ended without a stop.",
    }
    print(told.get(before.state, f"Stopped the broker at {before.bootstrap_servers}."))
    if remove_data:
        print(f"Removed {_relative(before.data_dir)}.")


def _show(status: BrokerStatus, as_json: bool) -> None:
    if as_json:
        print(
            orjson.dumps(
                {
                    "running": status.running,
                    "state": status.state,
                    "bootstrap_servers": status.bootstrap_servers,
                    "brokers": status.brokers,
                    "pids": status.pids,
                    "version": status.version,
                    "cluster_id": status.cluster_id,
                    "data_dir": str(status.data_dir),
                    "owner_pid": status.owner_pid,
                },
                option=orjson.OPT_INDENT_2,
            ).decode()
        )
        return
    print(f"Apache Kafka {status.version}: {status.state}")
    if status.bootstrap_servers:
        print(f"  bootstrap servers  {status.bootstrap_servers}")
        print(f"  pids               {' '.join(map(str, status.pids))}")
        print(f"  cluster id         {status.cluster_id}")
        if status.owner_pid is not None:
            print(f"  ends with          the command of pid {status.owner_pid}")
    print(f"  data               {_relative(status.data_dir)}")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
