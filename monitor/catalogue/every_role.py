"""What every process tells of itself: lag, versions, series, the operating system's figures."""

from functools import partial

from monitor.metric import Spec

_stream = partial(Spec, exporter="stream worker")

_all = partial(Spec, exporter="every role")

LAG_RECORDS = _all(
    "docaxis_monitor_lag_records", "gauge",
    "Records not read yet by this process's part of a consumer group, canaries' included. What matters is whether it "
    "grows.",
    labels=("group", "topic"),
)  # fmt: skip
LAG_SECONDS = _all(
    "docaxis_monitor_lag_seconds", "gauge",
    "Age of the oldest unread record, 0 if all is read; exact to the time between two scrapes. Growing steadily: the "
    "consumer stands still or is too slow.",
    labels=("group", "topic"), unit="seconds",
)  # fmt: skip
LAG_STATE = _all(
    "docaxis_monitor_lag_state", "gauge",
    "1 for what the lag means, judged over two minutes: caught_up, keeping_up, rising (too slow: add workers), stalled "
    "(stands still before unread records: see its log), stopped (reads nothing here any more).",
    labels=("group", "topic", "state"),
)  # fmt: skip
TOPIC_PARTITIONS = _all(
    "docaxis_monitor_topic_partitions", "gauge",
    "Partitions of each topic by this process's settings. Differs between processes: their settings do.",
    labels=("group",),
)  # fmt: skip
REBALANCES = _all(
    "docaxis_monitor_rebalances_total", "counter",
    "How often partitions of the group were given to this process. Growing while nobody is started or stopped: its "
    "members are too slow for their session time-out.",
    labels=("group",),
)  # fmt: skip
OFFICE_OPEN = _stream(
    "docaxis_monitor_office_open", "gauge",
    "1 while public offices in Vietnam are open by the wall clock (working day, Tết and holidays respected), else 0. "
    "Rules about traffic are silent at 0.",
)  # fmt: skip
BUILD_INFO = _all(
    "docaxis_build_info", "info", "Version of docaxis and Python, and the role of the process. Always 1.",
    labels=("version", "python", "role"),
)  # fmt: skip
RUN_INFO = _all(
    "docaxis_run_info", "info", "Runs seen by the process, the newest 32. Always 1; join on it to know what ran when.",
    labels=("run",),
)  # fmt: skip
MONITOR_SERIES = _all("docaxis_monitor_series", "gauge", "Series of this process in this scrape.")
MONITOR_SERIES_MAX = _all("docaxis_monitor_series_max", "gauge", "Most series that this process exports.")
MONITOR_SERIES_REFUSED = _all(
    "docaxis_monitor_series_refused", "gauge",
    "Series left out of this scrape because of the budget. Not zero: figures are missing; add workers.",
)  # fmt: skip
MONITOR_EXPOSITION = _all(
    "docaxis_monitor_exposition_seconds", "gauge",
    "Time it took to make the previous page, during which the process did nothing else. Above 10 ms: too many series.",
    unit="seconds",
)  # fmt: skip
PROCESS = (
    _all("process_cpu_seconds_total", "counter", "CPU time of the process. Near 1 a second: start another of its role.",
         unit="seconds"),
    _all("process_resident_memory_bytes", "gauge", "Memory in use. Growing for hours: see the ledger's gauges.",
         unit="bytes"),
    _all("process_virtual_memory_bytes", "gauge", "Address space of the process.", unit="bytes"),
    _all("process_start_time_seconds", "gauge", "When the process began, as Unix time. Changes: it was restarted.",
         unit="seconds"),
    _all("process_open_fds", "gauge", "Open files and sockets. Near process_max_fds: raise the limit of open files."),
    _all("process_max_fds", "gauge", "Limit of open files and sockets."),
)  # fmt: skip
