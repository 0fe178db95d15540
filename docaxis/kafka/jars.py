"""Apache Kafka's jars: named and hashed in a lock file, fetched once, checked every time.

`kafka-jars.lock` beside this file holds one line a jar: Maven coordinate, SHA-256, size in bytes. jgo knows where
Maven Central is and which repositories the user has configured for it (`~/.config/jgo.conf`), so no address stands
here; a jar that the user's own Maven cache already holds is taken from there.
Whatever the origin, only the hash counts.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from docaxis.domain.errors import InfrastructureError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.3.1"

#: Connections to the repository at a time: the downloads are few and mostly small, so waiting is what costs.
_CONNECTIONS = 6
#: Seconds a server may stay silent before the download is given up.
_TIMEOUT_S = 30
#: Free space wanted beyond the jars' own size, so that filling the disk to the last byte is not our doing.
_ROOM_BYTES = 64 * 1024 * 1024

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One line of the lock: a coordinate, and the only content accepted for it."""

    group: str
    artifact: str
    version: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """Name in the cache folder, as Maven names the file."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        """group:artifact:version."""
        return f"{self.group}:{self.artifact}:{self.version}"


def load_lock() -> tuple[LockedJar, ...]:
    """Read the lock that belongs to this version of docaxis."""
    text = (files("docaxis.kafka") / "kafka-jars.lock").read_text(encoding="utf-8")
    jars = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256, size = line.split()
            group, artifact, version = coordinate.split(":")
            jars.append(LockedJar(group, artifact, version, sha256, int(size)))
    return tuple(jars)


def ensure_jars(
    cache: Path, *, report: Report, repository: str | None = None, lock: tuple[LockedJar, ...] | None = None
) -> list[Path]:
    """Return the jars' paths, fetching those that the cache lacks; about 50 MB the first time, 0.1 s afterwards.

    `repository` replaces jgo's configured repositories. Raises InfrastructureError: no room, no network, wrong hash.
    """
    lock = load_lock() if lock is None else lock
    folder = cache / f"kafka-{KAFKA_VERSION}"
    missing = [jar for jar in lock if not _holds(folder / jar.file_name, jar)]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check_room(folder, missing)
            _fetch_all(folder, missing, report, repository)
        except OSError as error:  # requests' errors are OSErrors too; _fetch has named those already
            raise InfrastructureError(
                f"Kafka's jars cannot be stored in {folder}: {error}",
                next_step="make room or give rights there, or choose another folder: DOCAXIS_PATHS_CACHE=/path",
            ) from error
    return [folder / jar.file_name for jar in lock]


def maven_context(store: Path, repository: str | None) -> "MavenContext":
    """Return a Maven context that downloads into `store` from what the user's jgo is configured for."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    configured = GlobalSettings.load()
    context = MavenContext(repo_cache=store, local_repos=[configured.repo_cache], timeout=_TIMEOUT_S)
    if repository is not None:
        context.remote_repos = {"configured": repository}
    else:
        central = context.remote_repos
        # Mirrors come first, and one that is called "central" takes Central's place.
        context.remote_repos = {**configured.repositories, **central, **configured.repositories}
    return context


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _holds(path: Path, jar: LockedJar) -> bool:
    try:
        return path.stat().st_size == jar.size_bytes and sha256_of(path) == jar.sha256
    except OSError:  # absent, or unreadable: then storing it will fail too, and say why
        return False


def _check_room(folder: Path, missing: Iterable[LockedJar]) -> None:
    # Twice: a jar is downloaded beside the cache and moved in when its hash is right.
    needed = 2 * sum(jar.size_bytes for jar in missing) + _ROOM_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InfrastructureError(
            f"Kafka's jars need {needed // 2**20} MiB in {folder}, and {free // 2**20} MiB are free",
            next_step="make room, or choose another folder: DOCAXIS_PATHS_CACHE=/path",
        )


def _fetch_all(folder: Path, missing: list[LockedJar], report: Report, repository: str | None) -> None:
    total_mib = sum(jar.size_bytes for jar in missing) / 2**20
    report(f"Apache Kafka {KAFKA_VERSION}: fetching {len(missing)} jars, {total_mib:.0f} MiB, once ...")
    done_bytes = 0
    next_share = 0.25
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as store:
        context = maven_context(Path(store), repository)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            largest_first = sorted(missing, key=lambda jar: -jar.size_bytes)
            downloads = {pool.submit(_fetch, context, jar, folder): jar for jar in largest_first}
            try:
                for download in as_completed(downloads):
                    download.result()
                    done_bytes += downloads[download].size_bytes
                    share = done_bytes / 2**20 / total_mib
                    if share >= next_share:
                        report(f"  {share:4.0%}  {done_bytes / 2**20:.0f} of {total_mib:.0f} MiB")
                        next_share = share + 0.25
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _fetch(context: "MavenContext", jar: LockedJar, folder: Path) -> None:
    import requests

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    try:
        path = artifact.resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise InfrastructureError(
            f"{jar.coordinate} could not be fetched: {_brief(error)}",
            next_step="check the network and try again; behind a mirror, name it: DOCAXIS_BROKER_JAR_REPOSITORY=https://...",
        ) from error
    if not _holds(path, jar):
        raise InfrastructureError(
            f"{jar.coordinate} came with SHA-256 {sha256_of(path)}; the lock says {jar.sha256}",
            next_step="the file was changed on its way: try again, then ask who runs the Maven mirror in use",
        )
    # Never a link into somebody else's cache; and the name appears only once the content is whole.
    partial = Path(context.repo_cache) / f"{jar.sha256}.partial"
    shutil.copyfile(path, partial)
    partial.replace(folder / jar.file_name)


def _brief(error: BaseException) -> str:
    """Return the cause of a chain of network errors, which is what tells something."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
