"""The command: `docaxis <name> ...`, also as `python -m docaxis`.

The table below is all that is imported until a command is chosen, so that `docaxis --help` answers at once and never
loads Kafka clients or Faust.

To add a command: write `docaxis/commands/<name>.py` with `app = new_app(__doc__)` from `docaxis.commands.options` and
one function under `@app.command()` (or several, for sub-commands), and add its row to COMMANDS. A command raises
`DocaxisError`s for what can go wrong and `typer.Exit(code)` for other codes; this module alone turns them into messages
and exit codes.
"""

import contextlib
import difflib
import importlib
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO, cast

from docaxis import __version__
from docaxis.commands.command_line import TYPED
from docaxis.commands.output import Output
from docaxis.domain.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, DocaxisError


@dataclass(frozen=True, slots=True)
class Command:
    """One row: what the user types, one line of help, where it is."""

    name: str
    help: str
    module: str


COMMANDS: tuple[Command, ...] = (
    Command("demo", "Send the published history through the hub, every delivery audited", "docaxis.commands.demo"),
    Command("run", "Offer a workload and judge what comes of it", "docaxis.commands.run"),
    Command("capacity", "Search for the highest rate at which all objectives hold", "docaxis.commands.capacity"),
    Command("onboard", "Judge whether new agencies may be connected", "docaxis.commands.onboard"),
    Command("control", "Change a load test that goes on: rate, pause, end of its phase", "docaxis.commands.control"),
    Command("up", "Start broker, hub, processors and fleet, and keep them running", "docaxis.commands.up"),
    Command("monitor", "Watch the events of any Kafka: processors and the live page", "docaxis.commands.monitor"),
    Command("hub", "Route documents to their recipients (one role)", "docaxis.commands.hub"),
    Command("stream", "Count, time and audit the events (one role)", "docaxis.commands.stream"),
    Command("fleet", "Be the virtual agencies (one role)", "docaxis.commands.fleet"),
    Command(
        "canary", "Send marked documents through the real path and time them (one role)", "docaxis.commands.canary"
    ),
    Command("broker", "Start, inspect and stop an Apache Kafka on this machine", "docaxis.commands.broker"),
    Command("topics", "Create or check the axis's topics on a cluster", "docaxis.commands.topics"),
    Command("record", "Record the events of the axis from Kafka", "docaxis.commands.record"),
    Command("import", "Import traffic that others recorded", "docaxis.commands.import_recording"),
    Command("inspect", "Show what a recording holds", "docaxis.commands.inspect"),
    Command("replay", "Send recorded traffic again, with its own timing", "docaxis.commands.replay"),
    Command("report", "Write the report of a run as one HTML file", "docaxis.commands.report"),
    Command("compare", "Compare two runs: better, same, worse, or cannot tell", "docaxis.commands.compare"),
    Command("runs", "List the runs that are here", "docaxis.commands.runs"),
    Command("fit", "Make a workload from a recording", "docaxis.commands.fit"),
    Command("bench", "Measure every part against its floor", "docaxis.commands.bench"),
    Command("generate", "Make the repository's generated files, or check them", "docaxis.commands.generate"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (`docaxis.domain.errors` lists them); the console script's entry."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    typed = TYPED.set(tuple(arguments))
    sys.stdout, given = cast(TextIO, Output(sys.stdout)), sys.stdout
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except DocaxisError as error:
        print(f"docaxis: {error.render()}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("docaxis: interrupted", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001  # the last line of defence: a fault of ours is told apart from a verdict
        traceback.print_exc()
        print("docaxis: this is a fault in docaxis itself; please report it with the lines above", file=sys.stderr)
        code = EXIT_INTERNAL
    finally:
        sys.stdout = given
        TYPED.reset(typed)
    return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_overview())
        return 0
    if arguments[0] in ("--version", "-V"):
        print(f"docaxis {__version__}")
        return 0
    row = next((row for row in COMMANDS if row.name == arguments[0]), None)
    if row is None:
        print(f"docaxis: {_unknown(arguments[0])}", file=sys.stderr)
        return 2
    return _run(row, arguments[1:])


def _run(row: Command, arguments: list[str]) -> int:
    import typer

    app = importlib.import_module(row.module).app
    try:
        with _orderly_end():
            typer.main.get_command(app)(arguments, prog_name=f"docaxis {row.name}")
    except SystemExit as end:  # typer's way to end, with 2 for what it could not make sense of
        if end.code == EXIT_INTERRUPTED:  # it was a KeyboardInterrupt, about which typer is silent
            raise KeyboardInterrupt from end
        return end.code if isinstance(end.code, int) else 0
    return 0


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and the closing of the terminal end a command as Ctrl-C does: in order, everything freed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_: object) -> None:
        for number in numbers:  # once is enough: a second one must not break the clearing up
            signal.signal(number, signal.SIG_IGN)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # inside asyncio.run it cancels the task instead of tearing the loop

    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is signal.SIG_DFL:  # whoever started us with nohup wants it to be ignored
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _overview() -> str:
    width = max(len(row.name) for row in COMMANDS)
    rows = "\n".join(f"  {row.name:<{width}}  {row.help}" for row in COMMANDS)
    return (
        "docaxis: the national document axis on one machine or a cluster, every delivery accounted for\n\n"
        f"Usage: docaxis COMMAND ...\n\nCommands:\n{rows}\n\n"
        "`docaxis COMMAND --help` tells the options of each. `docaxis --version` tells the version."
    )


def _unknown(name: str) -> str:
    if name.startswith("-"):
        return f"unknown option {name}\n  → options follow the command: docaxis COMMAND {name}; see docaxis --help"
    near = difflib.get_close_matches(name, [row.name for row in COMMANDS], n=1)
    hint = f"did you mean {near[0]}?" if near else "docaxis --help lists the commands"
    return f"unknown command {name!r}\n  → {hint}"


if __name__ == "__main__":
    sys.exit(main())
