"""docs/METRICS.md, made from the declarations so that it cannot disagree with them."""

from collections.abc import Iterable

from monitor.catalogue import CATALOGUE
from monitor.metric import Spec
from monitor.metrics import SERIES_MAX

_HEAD = f"""# Metrics

Generated from `monitor/catalogue.py` by `docaxis generate metrics-doc`; do not edit.

Each process serves `/metrics` (OpenMetrics or Prometheus text, as the scraper asks), `/healthz` and `/readyz` on
loopback. Units are base units. Counters begin at 0 with their process and count what that process saw; the ledger's
gauges are restored with a worker's state, so their sum over all workers is the whole picture. The run is a label of
`docaxis_run_info` only. Agencies are named up to the hundredth, the busiest first; the rest is `other`. A process
exports at most {SERIES_MAX:,} series; what is beyond is left out and counted in `docaxis_monitor_series_refused`.

A histogram `name` has the series `name_bucket{{le}}`, `name_count` and `name_sum`. Its buckets are coarse sums of the
exact ones in the readings; a sample up to 1/32 above a bound may count as below it. Negative samples (clocks that
disagree) are in no histogram, but in `docaxis_stream_latencies_negative_total`.
"""


def metrics_markdown(catalogue: Iterable[Spec] = CATALOGUE) -> str:
    """Return the whole page."""
    sections: dict[str, list[Spec]] = {}
    for spec in catalogue:
        sections.setdefault(spec.exporter, []).append(spec)
    parts = [_HEAD]
    for exporter, specs in sections.items():
        parts.append(
            f"\n## {exporter[0].upper()}{exporter[1:]}\n\n| metric | kind | labels | meaning, and what to do |\n"
        )
        parts.append("|---|---|---|---|\n")
        parts.extend(_row(spec) for spec in specs)
    return "".join(parts)


def _row(spec: Spec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels) or "–"
    text = spec.help.replace("|", r"\|")
    if spec.bounds_us:
        text += f" Buckets: {', '.join(f'{bound / 1e6:g}' for bound in spec.bounds_us)} s."
    return f"| `{spec.name}` | {spec.kind} | {labels} | {text} |\n"
