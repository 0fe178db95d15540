"""The live page's own metrics."""

from functools import partial

from monitor.metric import Spec

_page = partial(Spec, exporter="monitor")

PAGE_VIEWERS = _page(
    "docaxis_monitor_viewers",
    "gauge",
    "Live pages that are open. Near its bound: close some, further ones are refused.",
)
PAGE_VIEWERS_REFUSED = _page(
    "docaxis_monitor_viewers_refused_total", "counter",
    "Live pages that were refused because too many are open. Growing: somebody opens pages and leaves them.",
)  # fmt: skip
PAGE_TICK = _page(
    "docaxis_monitor_tick_seconds", "gauge",
    "Time that the page's last look at the readings took; it looks once a second. Above 0.1 s: too many runs or "
    "partitions are watched.",
    unit="seconds",
)  # fmt: skip
PAGE_READINGS_UNREADABLE = _page(
    "docaxis_monitor_readings_unreadable_total", "counter",
    "Records of the readings topic that could not be read. Not zero: workers of another version write there.",
)  # fmt: skip
