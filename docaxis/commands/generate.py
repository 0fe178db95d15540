"""`docaxis generate`: the files of the repository that are made from declarations, and checks that they are current."""

import io
import math
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console

from docaxis.commands.options import new_app
from docaxis.commands.sizing import sizing_markdown, with_sizing
from docaxis.domain.errors import UsageError
from docaxis.workload.schema import schema
from monitor.alerting.rules_file import rules_yaml, to_yaml
from monitor.asyncapi import asyncapi
from monitor.dashboards import BOARDS
from monitor.dashboards.grafana import dashboard_json, provisioning
from monitor.histogram import Histogram, bucket_of
from monitor.kubernetes import dashboards as dashboard_manifests
from monitor.kubernetes import prometheus_rule
from monitor.kubernetes import topics as topic_manifests
from monitor.metrics_doc import metrics_markdown
from monitor.progress import closing_view
from monitor.result_schema import result_schema
from monitor.service_objectives import ServiceObjectives
from monitor.verdict import STAGES, CountedMilestone, LedgerTotals, Verdict
from monitor.words import Language

app = new_app(__doc__)

Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; fail with exit code 2 if the file is not current.")
]


RunbookBase = Annotated[
    str | None,
    typer.Option("--runbook-base", help="Address that the alerts' links begin with; default: the objectives'."),
]


@app.callback()
def generate() -> None:
    """Make the repository's generated files."""


@app.command("metrics-doc")
def metrics_doc(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/METRICS.md"), check: Check = False
) -> None:
    """Write docs/METRICS.md from the metric catalogue; run it in the repository's root."""
    _write(output, metrics_markdown(), check=check, again="docaxis generate metrics-doc")


@app.command("result-schema")
def result_schema_file(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/result.schema.json"),
    check: Check = False,
) -> None:
    """Write the JSON Schema of result.json; run it in the repository's root."""
    text = orjson.dumps(result_schema(), option=orjson.OPT_INDENT_2).decode() + "\n"
    _write(output, text, check=check, again="docaxis generate result-schema")


@app.command("workload-schema")
def workload_schema(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/workload.schema.json"),
    check: Check = False,
) -> None:
    """Write the JSON Schema of workload files, for editors; run it in the repository's root."""
    _write(output, schema_text(), check=check, again="docaxis generate workload-schema")


def schema_text() -> str:
    """Return the JSON Schema of workload files as text."""
    return orjson.dumps(schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n"


@app.command("sizing")
def sizing(
    documents: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Documents on a working day: show the table for them and write nothing. Repeatable."),
    ] = None,
    output: Annotated[Path, typer.Option(help="The page to write the table into.")] = Path("docs/OPERATING.md"),
    check: Check = False,
) -> None:
    """Work out what so many documents a day need, and write it into docs/OPERATING.md."""
    if documents:
        print(sizing_markdown(documents), end="")
        return
    try:
        page = with_sizing(output.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{output} cannot take the table: {error}", next_step="name a page that has its marks: --output"
        ) from error
    _write(output, page, check=check, again="docaxis generate sizing")


@app.command("rules")
def rules(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("deploy/prometheus/docaxis.rules.yml"),
    objectives: Annotated[
        Path | None, typer.Option(help="Service objectives (TOML); default: those that come with docaxis.")
    ] = None,
    runbook_base: RunbookBase = None,
    check: Check = False,
) -> None:
    """Write Prometheus's recording rules and alerts from the service objectives."""
    promised = ServiceObjectives.load(objectives).with_runbooks(runbook_base)
    _write(output, rules_yaml(promised), check=check, again="docaxis generate rules")


@app.command("dashboards")
def dashboards(
    output: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("deploy/grafana"),
    check: Check = False,
) -> None:
    """Write Grafana's dashboards and the files that provision them."""
    again = "docaxis generate dashboards"
    for board in BOARDS:
        _write(output / "dashboards" / f"{board.uid}.json", dashboard_json(board), check=check, again=again)
    for name, content in provisioning().items():
        _write(output / name, to_yaml(content), check=check, again=again)


@app.command("asyncapi")
def asyncapi_document(
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("deploy/asyncapi.yaml"),
    prefix: Annotated[str, typer.Option(help="Prefix of the topics' names.")] = "axis",
    check: Check = False,
) -> None:
    """Write the events as an AsyncAPI document."""
    _write(output, to_yaml(asyncapi(prefix)), check=check, again="docaxis generate asyncapi")


@app.command("kubernetes")
def kubernetes(
    output: Annotated[Path, typer.Option(help="The folder to write into.")] = Path("deploy/kubernetes/base/generated"),
    runbook_base: RunbookBase = None,
    check: Check = False,
) -> None:
    """Write the Kubernetes manifests of topics, rules and dashboards."""
    again = "docaxis generate kubernetes"
    for name, manifests in (
        ("topics.yaml", list(topic_manifests())),
        ("rules.yaml", [prometheus_rule(ServiceObjectives.load().with_runbooks(runbook_base))]),
        ("dashboards.yaml", list(dashboard_manifests())),
    ):
        _write(output / name, "---\n".join(map(to_yaml, manifests)), check=check, again=again)


@app.command("demo-picture")
def demo_picture(
    run: Annotated[Path, typer.Argument(help="Folder of a demo's run.")] = Path("runs/latest"),
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/pictures/demo.svg"),
) -> None:
    """Draw what a demo ended with, from its result.json."""
    file = run / "result.json"
    try:
        result = orjson.loads(file.read_bytes())
        picture = demo_svg(result)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}", next_step="run `docaxis demo` first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} is no result of a demo: {error!r}", next_step="name the folder of a demo's run"
        ) from error
    _write(output, picture, check=False, again="docaxis generate demo-picture")


def demo_svg(result: Mapping[str, Any]) -> str:
    """Return the closing view of a demo, from the content of its result.json, as an SVG image."""
    milestones = (CountedMilestone(**one | {"date": date.fromisoformat(one["date"])}) for one in result["milestones"])
    verdict = Verdict(LedgerTotals(**result["ledger"]), result["arrivals"], tuple(milestones), tuple(result["faults"]))
    stages = {stage: _histogram_like(result["latency_seconds"][stage]) for stage in STAGES}
    console = Console(record=True, file=io.StringIO(), width=_PICTURE_COLUMNS, force_terminal=True)
    console.print(closing_view(verdict, stages, {name: result["rates"][name] for name in _RATES}, Language.EN))
    console.print(f"{result['wall_seconds']:,.1f} s   runs/{result['run']}/result.json", highlight=False)
    svg = console.export_svg(title="make demo", unique_id="demo")
    # No fonts from elsewhere: a picture must not call anybody, and any fixed-width font fits.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def _histogram_like(latency: Mapping[str, float]) -> Histogram:
    """Return a histogram with the count, percentiles and maximum of a stage: more is not kept in a result."""
    histogram = Histogram(negative=int(latency["negative"]), max_us=round(latency["max"] * 1e6))
    count, filled = int(latency["count"]), 0
    for share, name in ((0.5, "p50"), (0.99, "p99"), (0.999, "p999"), (1.0, "max")):
        rank = math.ceil(share * count)
        histogram.counts[bucket_of(np.array([round(latency[name] * 1e6)]))] += rank - filled
        filled = rank
    return histogram


#: Wide enough for every heading on two lines.
_PICTURE_COLUMNS = 100

#: In the order in which a demo shows them; the file has its keys in alphabetical order.
_RATES = ("documents_per_second", "deliveries_per_second", "sent_and_received_per_second")


def _write(file: Path, text: str, *, check: bool, again: str) -> None:
    try:
        known = file.read_text(encoding="utf-8") if file.exists() else None
        if known == text:
            print(f"{file} is current")
        elif check:
            state = "does not exist" if known is None else "is not what the declarations say"
            raise UsageError(f"{file} {state}", next_step=f"run `{again}` with the same --output and commit the result")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {file}")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read or written: {error}", next_step="name another file: --output"
        ) from error
