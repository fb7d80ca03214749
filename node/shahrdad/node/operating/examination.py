"""What `shahrdad doctor` looks at: each finding with its severity and its mend.

Every check answers for itself and none can stop the others: what it raises is its
finding.
"""

import os
import shutil
import socket
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, PackagePath, files, version
from pathlib import Path

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.city import KEY_NAME, Node
from shahrdad.node.config import Config
from shahrdad.node.operating import accounts_examination, network_examination
from shahrdad.node.operating.findings import Finding
from shahrdad.node.operating.store_examination import examine_store

DISK_BYTES_MIN = 1 << 30
PACKAGES = (
    "shahrdad",
    "pyarrow",
    "frictionless",
    "grpcio",
    "protobuf",
    "minio",
    "ckanapi",
)


def examine(config: Config) -> Iterator[Finding]:
    """Yield a finding or more for each thing that can go wrong with a node."""
    checks: tuple[tuple[str, Callable[[Config], Finding | list[Finding]]], ...] = (
        ("python", _python),
        ("installation", _installation),
        ("disk", _disk),
        ("key", _key),
        ("database", _database),
        ("store", examine_store),
        ("log", _log),
        ("http-port", _http_port),
        ("public-url", _public_url),
        ("peers", _peers),
        *accounts_examination.CHECKS,
        *network_examination.CHECKS,
    )
    for subject, check in checks:
        try:
            found = check(config)
            yield from found if isinstance(found, list) else [found]
        except ShahrdadError as error:
            yield Finding(subject, "failure", error.text("fa"), error.text("en"))
        except OSError as error:
            yield Finding(subject, "failure", str(error), str(error))
        except sqlite3.Error as error:
            yield _unreadable(subject, str(error))


def _unreadable(subject: str, detail: str) -> Finding:
    """Say that the database cannot be read, and how the node comes back."""
    return Finding(
        subject,
        "failure",
        f"پایگاه داده خوانده نمی‌شود: {detail}",
        f"The database cannot be read: {detail}",
        "از پشتیبان برگردانید؛ دفتر از همتاها برمی‌گردد: shahrdad backup restore",
        "Restore a backup; the log comes back from the peers: shahrdad backup restore",
    )


def _python(_: Config) -> Finding:
    """Name the versions that run."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return Finding(
                "python",
                "failure",
                f"بستهٔ {name} نصب نیست.",
                f"The package {name} is not installed.",
                'pip install "shahrdad[node]"',
                'pip install "shahrdad[node]"',
            )
    text = f"Python {sys.version.split()[0]}; " + ", ".join(found)
    return Finding("python", "ok", text, text)


def _installation(_: Config) -> Finding:
    """Look for every file that was installed: pages, fonts, texts, standards."""
    missing = [str(path) for path in files("shahrdad") or () if not _is_there(path)]
    if missing:
        names = ", ".join(missing[:3])
        return Finding(
            "installation",
            "failure",
            f"از فایل‌های نصب {len(missing)} تا نیست: {names}",
            f"{len(missing)} installed files are missing: {names}",
            'pip install --force-reinstall --no-deps "shahrdad[node]"',
            'pip install --force-reinstall --no-deps "shahrdad[node]"',
        )
    return Finding("installation", "ok", "کامل است.", "It is complete.")


def _is_there(path: PackagePath) -> bool:
    """Tell whether an installed file exists; what Python compiled may go."""
    return path.suffix == ".pyc" or Path(str(path.locate())).exists()


def _disk(config: Config) -> Finding:
    """Look at the free space where the data lies."""
    free = shutil.disk_usage(
        config.data if config.data.exists() else config.folder
    ).free
    gigabytes = f"{free / 1e9:.1f}"
    if free < DISK_BYTES_MIN:
        return Finding(
            "disk",
            "failure",
            f"تنها {gigabytes} گیگابایت جا مانده است.",
            f"Only {gigabytes} GB are free.",
            "جا باز کنید یا دادهٔ گره را به دیسک بزرگ‌تری ببرید.",
            "Free some space, or move the node's data to a larger disk.",
        )
    return Finding(
        "disk", "ok", f"{gigabytes} گیگابایت جا هست.", f"{gigabytes} GB are free."
    )


def _key(config: Config) -> Finding:
    """Look at the signing key: there, and readable by its owner alone."""
    path = config.data / KEY_NAME
    if not path.exists():
        return Finding(
            "key",
            "failure",
            f"کلید امضا در {path} نیست.",
            f"There is no signing key at {path}.",
            "کلید را از گاوصندوق برگردانید؛ کلید تازه یعنی دفتر تازه.",
            "Put it back from the safe; a new key means a new log.",
        )
    mode = stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116 (the mode alone)
    if mode & 0o077:
        return Finding(
            "key",
            "failure",
            f"دیگران هم می‌توانند کلید را بخوانند ({mode:o}).",
            f"Others can read the key too ({mode:o}).",
            f"chmod 600 {path}",
            f"chmod 600 {path}",
        )
    return Finding("key", "ok", "کلید تنها برای شماست.", "The key is yours alone.")


def _database(config: Config) -> Finding:
    """Check the database's own integrity."""
    with Node(config) as node:
        connection = node.database.connect()
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if verdict != "ok" or mode != "wal":
        return _unreadable("database", f"{verdict} ({mode})")
    return Finding("database", "ok", "سالم است.", "It is sound.")


def _log(config: Config) -> Finding:
    """Compare the signed head with what is stored."""
    with Node(config) as node:
        own = node.own_log()
    if own is None or own.head_size == 0:
        return Finding(
            "log",
            "warning",
            "دفتر هنوز آغاز نشده است.",
            "The log has not begun.",
            "shahrdad serve یا publish آن را آغاز می‌کند.",
            "shahrdad serve, or publish, begins it.",
        )
    if own.size != own.head_size:
        return Finding(
            "log",
            "warning",
            f"{own.size - own.head_size} درایه هنوز امضا نشده است.",
            f"{own.size - own.head_size} entries are not signed yet.",
            "با آغاز بعدی خودش درست می‌شود: shahrdad serve",
            "The next start finishes it: shahrdad serve",
        )
    return Finding(
        "log",
        "ok",
        f"{own.origin} با {own.size} درایه، همه امضاشده.",
        f"{own.origin} with {own.size} entries, all signed.",
    )


def _http_port(config: Config) -> Finding:
    """See whether the port is free, or taken by something."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.http.host, config.http.port))
        except OSError:
            return Finding(
                "http-port",
                "warning",
                f"درگاه {config.http.port} در کار است.",
                f"Port {config.http.port} is in use.",
                "اگر گره خودتان نیست، [http] port را عوض کنید.",
                "Unless it is this node, change [http] port.",
            )
    return Finding("http-port", "ok", "آزاد است.", "It is free.")


def _public_url(config: Config) -> Finding:
    """A public address must be https."""
    url = config.public_url
    if url.startswith(("http://127.", "http://localhost", "http://[::1]")):
        return Finding(
            "public-url",
            "warning",
            f"{url} تنها از همین رایانه دیده می‌شود.",
            f"{url} is seen from this computer alone.",
            "نشانی عمومی https را در [node] public_url بنویسید.",
            "Put the public https address into [node] public_url.",
        )
    if not url.startswith("https://"):
        return Finding(
            "public-url",
            "failure",
            f"{url} رمز نشده است.",
            f"{url} is not encrypted.",
            "پشت nginx یا Caddy با گواهی بگذارید.",
            "Put nginx or Caddy with a certificate before it.",
        )
    return Finding("public-url", "ok", url, url)


def _peers(config: Config) -> Finding:
    """See when each peer last answered."""
    with Node(config) as node:
        states = node.peer_states()
    silent = [state.name for state in states if not state.last_ok]
    if not config.federation.peers:
        return Finding(
            "peers",
            "warning",
            "هیچ همتایی تنظیم نشده است.",
            "No peer is configured.",
            "در [[federation.peers]] نام و نشانی یک شهر را بنویسید.",
            "Name a city and its address in [[federation.peers]].",
        )
    if silent or len(states) < len(config.federation.peers):
        names = ", ".join(silent) or "?"
        return Finding(
            "peers",
            "warning",
            f"همتاهایی که هنوز پاسخی نداده‌اند: {names}",
            f"Peers that never answered: {names}",
            "shahrdad sync",
            "shahrdad sync",
        )
    return Finding(
        "peers",
        "ok",
        f"{len(states)} همتا پاسخ داده‌اند.",
        f"{len(states)} peers have answered.",
    )
