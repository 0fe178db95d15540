"""The report of a run as one HTML file that needs nothing else: no network, no fonts, no other files.

Tables are plain HTML, so the figures can be read without JavaScript, copied and printed; charts are drawn from data in
the page by the vendored Apache ECharts. A content security policy in the page forbids it to call anybody.
"""

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from docaxis.domain.agency import Registry
from docaxis.files import write_whole
from monitor import report_view as view
from monitor.fidelity_view import fidelity_rows
from monitor.onboarding_words import reason_said
from monitor.report_format import change_percent, duration, instant, mebibytes, number, quantity
from monitor.report_words import report_word
from monitor.run_folder import RunFolder
from monitor.words import Language

#: The report's name in a run's folder.
REPORT = "report.html"

#: Phrases that the charts show.
_CHART_WORDS = (
    *("offered", "sent", "received", "refused", "outstanding", "in flight", "median", "p99", "maximum"),
    *("p99, uncorrected", "seconds since the start", "percentile", "a second", "sender", "recipient", "deliveries"),
    *("delivery", "send_delay", "routing", "pickup", "publish", "delivery_uncorrected", "acceptance"),
    *("schedule_error", "documents"),
)


def report_html(run: RunFolder, registry: Registry, language: Language) -> str:
    """Return the report's page."""
    names = view.Names(registry, language)
    rows = view.agency_rows(run.result, names)
    data = view.chart_data(run, rows, names, registry)
    data["language"] = language.value
    data["words"] = {word: report_word(word, language) for word in _CHART_WORDS}
    for name in _named(run):
        data["words"][name] = report_word(name.replace("-", "_"), language)
    return (
        _environment(language)
        .get_template("report.html.j2")
        .render(
            lang=language.value,
            result=run.result,
            headline=view.headline(run.result),
            closed_loop=view.is_closed_loop(run.result),
            agencies=rows,
            names=names,
            pairs=view.busiest_pairs(run.traffic, names) if run.traffic else [],
            checks=view.generator_checks(run.result),
            faults=view.fault_rows(run.result),
            fidelity=fidelity_rows(run.result["fidelity"]) if "fidelity" in run.result else [],
            milestones=view.milestone_rows(run.result),
            ledger_parts=view.LEDGER_PARTS,
            ledger_flags=view.LEDGER_FLAGS,
            arrival_parts=view.ARRIVAL_PARTS,
            priorities=view.PRIORITIES,
            slowest=view.SLOWEST,
            stages=view.stages_in_order(run.result),
            few_percentiles=not run.histograms,
            data=data,
            data_json=_script_safe(data),
            settings_json=json.dumps(run.result.get("settings", {}), indent=2, ensure_ascii=False, sort_keys=True),
            workload_json=json.dumps(run.result.get("workload", {}), indent=2, ensure_ascii=False, sort_keys=True),
            css=_text("templates/report.css"),
            echarts=_text("assets/echarts.min.js"),
            script=_text("templates/report.js"),
        )
    )


def _named(run: RunFolder) -> set[str]:
    """Return what the charts name of this run: its phases and what was injected."""
    return {*run.phase_of_second, *(one["kind"] for one in run.result.get("faults_injected", ()))}


def write_report(run: RunFolder, registry: Registry, language: Language, file: Path | None = None) -> Path:
    """Write the report, whole or not at all, and return its path; without `file` into the run's folder."""
    target = file or run.path / REPORT
    write_whole(target, report_html(run, registry, language).encode())
    return target


def _text(name: str) -> str:
    return resources.files("monitor").joinpath(name).read_text(encoding="utf-8")


def _script_safe(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _environment(language: Language) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("monitor"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "w": partial(report_word, language=language),
        "said": partial(reason_said, language=language),
        "num": partial(number, language=language),
        "dur": partial(duration, language=language),
        "qty": partial(quantity, language=language),
        "change": partial(change_percent, language=language),
        "mib": partial(mebibytes, language=language),
        "at": instant,
    }
    return environment
