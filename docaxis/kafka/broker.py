"""The embedded Apache Kafka: one broker, or a cluster of three, started and stopped by docaxis on loopback.

    with EmbeddedBroker(settings) as broker:
        ... broker.bootstrap_servers ...

It is the real thing (KRaft, from the jars of `docaxis.kafka.jars`), formatted once and restarted on the same data and
ports. Owned brokers end with the process that started them, however that ends; kept ones stay until `stop`.
Everything here blocks; call it through `asyncio.to_thread` where a loop must go on.
"""

import asyncio
import os
import shutil
import signal
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from subprocess import STDOUT, run
from threading import Event
from types import TracebackType
from typing import Self

from docaxis.domain.errors import InfrastructureError, UsageError
from docaxis.kafka import broker_config as config
from docaxis.kafka import fencing
from docaxis.kafka.broker_files import Layout, Running, locked
from docaxis.kafka.jars import KAFKA_VERSION, ensure_jars
from docaxis.kafka.java import find_java
from docaxis.kafka.launcher import DetachedLauncher, Launcher, OwnedLauncher
from docaxis.kafka.ports import find_free_ports, is_free
from docaxis.kafka.process import ProcessMark, end_processes, mark_process, wait_ended
from docaxis.settings import KafkaSettings, Settings

#: Below this a broker would start and then die of a full disk.
_ROOM_BYTES = 256 * 1024 * 1024

Report = Callable[[str], None]


def _silent(_: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """What is known about the broker of a home folder."""

    #: "running", "partial" (some of its processes have ended), "stale" (all have, without a stop), "stopped".
    state: str
    bootstrap_servers: str
    pids: tuple[int, ...]
    brokers: int
    version: str
    cluster_id: str
    data_dir: Path
    #: The pid of the command that it will end with; None for one that stays.
    owner_pid: int | None

    @property
    def running(self) -> bool:
        """True while every broker's process lives."""
        return self.state == "running"


def broker_status(settings: Settings) -> BrokerStatus:
    """Look at the files and processes of a home folder's broker; changes nothing."""
    folder = settings.paths.home / "broker"
    layout, started = Layout.load(folder), Running.load(folder)
    living = {node_id: mark for node_id, mark in started.processes.items() if mark.running} if started else {}
    if started is None:
        state = "stopped"
    elif not living:
        state = "stale"
    else:
        state = "running" if len(living) == len(started.processes) else "partial"
    nodes = layout.nodes(folder) if layout else ()
    return BrokerStatus(
        state=state,
        bootstrap_servers=",".join(node.address for node in nodes if node.id in living),
        pids=tuple(mark.pid for _, mark in sorted(living.items())),
        brokers=len(nodes),
        version=layout.version if layout else KAFKA_VERSION,
        cluster_id=layout.cluster_id if layout else "",
        data_dir=folder,
        owner_pid=started.owner.pid if started and started.owner else None,
    )


def kafka_version(settings: Settings) -> dict[str, str]:
    """Return {"kafka": version} if the settings reach the broker of the home folder; another cluster tells nobody."""
    status = broker_status(settings)
    reached, ours = (
        set(addresses.split(",")) for addresses in (settings.kafka.bootstrap_servers, status.bootstrap_servers)
    )
    return {"kafka": status.version} if status.pids and reached & ours else {}


def remove_stopped(settings: Settings) -> bool:
    """Remove the data of a broker that does not run; return False, and touch nothing, while any of it runs."""
    folder = settings.paths.home / "broker"
    with locked(folder, settings.broker.start_timeout_s):  # another command may be starting one this moment
        if broker_status(settings).pids:
            return False
        shutil.rmtree(folder, ignore_errors=True)
    return True


def reachable_kafka(settings: Settings) -> KafkaSettings:
    """Return the Kafka settings with an address: the user's own, or that of the running embedded broker.

    Raises UsageError when there is neither.
    """
    if settings.kafka.bootstrap_servers:
        return settings.kafka
    status = broker_status(settings)
    if status.bootstrap_servers:
        # What is set for the user's own cluster (TLS, passwords) does not concern the plain one on loopback.
        return KafkaSettings(bootstrap_servers=status.bootstrap_servers)
    raise UsageError(
        f"No Kafka address is set, and no broker runs in {status.data_dir}",
        next_step="start one with `docaxis broker up`, or name yours with --bootstrap-servers host:port",
    )


class EmbeddedBroker:
    """The brokers of one home folder: start, stop, and the faults that tests inject."""

    def __init__(self, settings: Settings, *, owned: bool = True, report: Report = _silent) -> None:
        """Prepare; nothing is started. `owned` brokers end with this process, others stay until `stop`."""
        self.settings = settings
        self._owned = owned
        self._report = report
        self._launcher: Launcher | None = None
        self._folder = settings.paths.home / "broker"
        self._nodes: tuple[config.Node, ...] = ()
        self._commands: dict[int, list[str]] = {}
        self._fencing_command: Callable[[Path, Path], list[str]] = lambda properties, log4j: []
        self._marks: dict[int, ProcessMark] = {}
        self._log_from: dict[int, int] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def data_dir(self) -> Path:
        """The folder that holds data, logs and state of all its brokers."""
        return self._folder

    @property
    def bootstrap_servers(self) -> str:
        """The addresses for clients, comma separated."""
        return ",".join(node.address for node in self._nodes)

    @property
    def kafka(self) -> KafkaSettings:
        """The settings for clients of this broker."""
        return KafkaSettings(bootstrap_servers=self.bootstrap_servers)

    def start(self) -> str:
        """Start all brokers and wait until clients are served; return the bootstrap servers.

        Raises UsageError if it runs already or its data is for another number of brokers, InfrastructureError when
        Java, the jars, the disk, the ports or Kafka itself fail. Nothing keeps running after a failure.
        """
        java = find_java(self.settings)
        jars = ensure_jars(self.settings.cache_dir, report=self._report, repository=self.settings.broker.jar_repository)
        class_path = os.pathsep.join(map(str, jars))
        with locked(self._folder, self.settings.broker.start_timeout_s):
            self._refuse_running()
            _check_room(self._folder)
            layout = self._choose_layout()
            self._nodes = layout.nodes(self._folder)
            self._format(layout, lambda node: config.format_command(java, class_path, node, layout.cluster_id))
            layout.save(self._folder)
            heap = config.heap_mib(self.settings.broker.heap_mib, len(self._nodes))
            self._commands = {node.id: config.broker_command(java, class_path, node, heap) for node in self._nodes}
            self._fencing_command = partial(config.fencing_command, java, class_path)
            self._report(f"Apache Kafka {KAFKA_VERSION}: starting on {self.bootstrap_servers} ...")
            self._launcher = OwnedLauncher(self.settings.broker.stop_timeout_s) if self._owned else DetachedLauncher()
            try:
                for node in self._nodes:
                    self._launch(node)
                self.wait_until_ready()
            except BaseException:
                self._end()
                raise
        return self.bootstrap_servers

    def stop(self, *, remove_data: bool = False) -> None:
        """Stop all brokers cleanly, by force after the stop timeout; with `remove_data` free their disk space too."""
        with locked(self._folder, self.settings.broker.start_timeout_s):
            self._end()
        if remove_data:
            shutil.rmtree(self._folder, ignore_errors=True)

    def release(self) -> None:
        """Let the brokers live on when this process ends; `docaxis broker down` stops them."""
        if self._launcher is not None:
            self._launcher.release()
            self._launcher = DetachedLauncher()
            self._owned = False
            self._save_running()

    def kill(self, broker_id: int = 1, signal_number: int = signal.SIGKILL) -> None:
        """Send a broker a signal (SIGKILL, SIGSTOP, SIGCONT, SIGTERM); after a deadly one, wait until it has ended."""
        mark = self._marks[broker_id]
        mark.signal(signal_number)
        if signal_number in (signal.SIGKILL, signal.SIGTERM):
            wait_ended([mark], self.settings.broker.stop_timeout_s)

    def restart(self, broker_id: int = 1) -> None:
        """Start a broker again that was killed or ended, on the same ports and data; wait until clients are served."""
        if self._marks[broker_id].running:
            raise UsageError(f"Broker {broker_id} still runs", next_step="end it first with kill()")
        self._launch(next(node for node in self._nodes if node.id == broker_id))
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the cluster answers and every living broker has joined; raises when a process ends meanwhile."""
        from docaxis.kafka.cluster import wait_until_ready  # aiokafka: not needed to ask for a status or to stop

        timeout_s = self.settings.broker.start_timeout_s
        living = {node_id for node_id, mark in self._marks.items() if mark.running}
        kafka = KafkaSettings(bootstrap_servers=",".join(n.address for n in self._nodes if n.id in living))
        given_up = Event()

        async def wait() -> None:
            waiting = asyncio.ensure_future(wait_until_ready(kafka, len(living), timeout_s))
            while not waiting.done() and not given_up.is_set():
                for node in self._nodes:
                    if node.id in living and not self._marks[node.id].running:
                        waiting.cancel()
                        raise self._ended_early(node)
                await asyncio.wait([waiting], timeout=0.2)
            if given_up.is_set():
                waiting.cancel()
            else:
                waiting.result()

        # A thread of its own: the caller's may be running a loop already.
        with ThreadPoolExecutor(1) as thread:
            ready = thread.submit(asyncio.run, wait())
            try:
                ready.result()
            except BaseException:  # Ctrl-C reaches this thread only
                given_up.set()
                raise

    def _refuse_running(self) -> None:
        status = broker_status(self.settings)
        if status.state in ("running", "partial"):
            raise UsageError(
                f"A broker runs already in {self._folder}, at {status.bootstrap_servers}",
                next_step="use it with --bootstrap-servers, or stop it with `docaxis broker down`",
            )
        if status.state == "stale":
            self._report("The broker of last time ended without a stop; starting on what it left.")
            Running.clear(self._folder)

    def _choose_layout(self) -> Layout:
        """Return the layout of the data in the folder, on other ports if its own are taken; or a new one."""
        wanted = self.settings.broker.brokers
        layout = Layout.load(self._folder)
        if layout is None:
            # An identity has to be new: clients that meet another cluster at a known address must notice.
            cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
            layout = Layout(cluster_id, KAFKA_VERSION, dict.fromkeys(range(1, wanted + 1), (0, 0)))
        elif len(layout.ports) != wanted:
            raise UsageError(
                f"The data in {self._folder} is that of {len(layout.ports)} broker(s), and {wanted} are wanted",
                next_step="keep the number, or remove the data with `docaxis broker down --remove-data`",
            )
        return replace(layout, version=KAFKA_VERSION, ports=self._choose_ports(layout.ports))

    def _choose_ports(self, known: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """Return ports for all brokers: the one that is set, else those of last time if free, else new ones."""
        fixed = self.settings.broker.port
        if fixed is not None:
            ports = {node_id: fixed + number for number, node_id in enumerate(sorted(known))}
            for port in ports.values():
                if port > 65535 or not is_free(port):
                    raise InfrastructureError(
                        f"Port {port} on 127.0.0.1 is taken",
                        next_step="stop what listens there, choose another broker.port, or leave it open",
                    )
        else:
            ports = {node_id: port for node_id, (port, _) in known.items() if port and is_free(port)}
        controllers = {node_id: port for node_id, (_, port) in known.items() if port and is_free(port)}
        missing = [(table, node_id) for table in (ports, controllers) for node_id in known if node_id not in table]
        free = find_free_ports(len(missing), self._folder, [*ports.values(), *controllers.values()]) if missing else []
        for (table, node_id), port in zip(missing, free, strict=True):
            table[node_id] = port
        return {node_id: (ports[node_id], controllers[node_id]) for node_id in known}

    def _format(self, layout: Layout, command: Callable[[config.Node], list[str]]) -> None:
        """Write each node's settings and prepare the data folders that are new."""

        def prepare(node: config.Node) -> None:
            node.folder.mkdir(parents=True, exist_ok=True)
            node.properties.write_text(config.server_properties(node, self._nodes), encoding="utf-8")
            node.log4j.write_text(config.log4j_properties(node.log), encoding="utf-8")
            if (node.data / "meta.properties").exists():
                return
            shutil.rmtree(node.data, ignore_errors=True)  # what a start that was interrupted left half done
            with node.console.open("ab") as console:
                done = run(command(node), stdout=console, stderr=STDOUT, check=False)
            if done.returncode:
                raise self._ended_early(node)

        with ThreadPoolExecutor(len(self._nodes)) as pool:
            list(pool.map(prepare, self._nodes))

    def _launch(self, node: config.Node) -> None:
        assert self._launcher is not None
        if len(self._nodes) == 1 and fencing.ended_uncleanly(node):
            fencing.fence(node, self._fencing_command, self._launch_marked, self.settings.broker.start_timeout_s)
        node.console.write_bytes(b"")
        self._log_from[node.id] = node.log.stat().st_size if node.log.exists() else 0
        mark = self._launch_marked(self._commands[node.id], node.console)
        if mark is None:
            raise self._ended_early(node)
        self._marks[node.id] = mark
        self._save_running()

    def _launch_marked(self, command: list[str], output: Path) -> ProcessMark | None:
        assert self._launcher is not None
        return mark_process(self._launcher.launch(command, output))

    def _ended_early(self, node: config.Node) -> InfrastructureError:
        """Return the error of a broker that ended while it was starting, with what it complained of."""
        console = node.console.read_text(encoding="utf-8", errors="replace")
        log = b""
        if node.log.exists():
            with node.log.open("rb") as stream:
                stream.seek(self._log_from.get(node.id, 0))
                log = stream.read(1_000_000)
        lines = [*log.decode(errors="replace").splitlines(), *console.splitlines()]
        reason = _complaint(lines)
        if any("Address already in use" in line for line in lines):
            reason = f"port {node.port} or {node.controller_port} was taken by somebody else in this moment"
        return InfrastructureError(
            f"Broker {node.id} ended while starting: {reason}", next_step=f"read {node.log} and {node.console}"
        )

    def _save_running(self) -> None:
        owner = mark_process(os.getpid()) if self._owned else None
        Running(dict(self._marks), owner).save(self._folder)

    def _end(self) -> None:
        """End the processes that this object or, for one that attached to it, an earlier command started."""
        started = Running.load(self._folder)
        marks = self._marks or (started.processes if started else {})
        killed = end_processes(marks.values(), self.settings.broker.stop_timeout_s)
        if killed:
            self._report(f"{len(killed)} broker(s) had to be killed: they did not stop in time.")
        if self._launcher is not None:
            self._launcher.close()
            self._launcher = None
        self._marks = {}
        Running.clear(self._folder)


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _ROOM_BYTES:
        raise InfrastructureError(
            f"{free // 2**20} MiB are free in {folder}, and a broker needs {_ROOM_BYTES // 2**20} at least",
            next_step="make room, or choose another folder: DOCAXIS_PATHS_HOME=/path",
        )


def _complaint(lines: list[str]) -> str:
    """Return the line of a log that says most about why a broker ended."""
    for telling in (" FATAL ", " ERROR ", "Exception", "Error"):
        found = [line for line in lines if telling in line]
        if found:
            return found[0].strip()
    return lines[-1].strip() if lines else "it printed nothing"
