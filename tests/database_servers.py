"""Real databases on this computer for tests: PostgreSQL and MariaDB, where installed.

Each listens on a socket in a folder of its own, and ends by its process id. Both refuse
to run as root, so there they run as the users that Debian's packages make.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy

START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 60
USERS = {"postgresql": "postgres", "mariadb": "mysql"}
PROGRAMS = {"postgresql": "postgres", "mariadb": "mariadbd"}


def program(name: str) -> str | None:
    """Return a server's program, in the path or where Debian puts it."""
    places = [
        *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")),
        *Path("/usr/sbin").glob(name),
    ]
    return shutil.which(name) or (str(places[-1]) if places else None)


def is_here(kind: str) -> bool:
    """Tell whether a server of this kind can be started here."""
    return program(PROGRAMS[kind]) is not None and (
        os.geteuid() != 0 or _user(kind) is not None
    )


def _user(kind: str) -> int | None:
    """Return the user that a server runs as; None: the one that runs the tests."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USERS[kind]).pw_uid
    except KeyError:
        return None


@contextmanager
def _running(
    kind: str, setup: list[str], server: list[str], end: signal.Signals
) -> Iterator[Path]:
    """Run a server in a folder `@` of its own until its socket is gone again."""
    user = _user(kind)
    options: dict[str, Any] = {
        "user": user,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    with tempfile.TemporaryDirectory(prefix="shahrdad-sql-") as name:
        folder = Path(name)
        if user is not None:
            os.chown(folder, user, -1)
        options["cwd"] = folder
        placed = [part.replace("@", name) for part in setup]
        subprocess.run(placed, check=True, **options)
        process = subprocess.Popen(
            [part.replace("@", name) for part in server], **options
        )
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while not any(path.is_socket() for path in folder.iterdir()):
                assert process.poll() is None, f"{kind} ended"
                assert time.monotonic() < deadline, f"{kind} does not start"
                time.sleep(0.05)
            yield folder
        finally:
            process.send_signal(end)
            process.wait(STOP_SECONDS_MAX)


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL, and give the address of its database for SQLAlchemy."""
    setup = [f"{program('initdb')}", "-D", "@/data", "-U", "owner", "-A", "trust"]
    server = [f"{program('postgres')}", "-D", "@/data", "-h", "", "-k", "@"]
    with _running(
        "postgresql",
        [*setup, "-E", "UTF8", "-N"],
        [*server, "-c", "fsync=off"],
        signal.SIGINT,
    ) as folder:
        yield f"postgresql+psycopg://owner@/postgres?host={folder}"


@contextmanager
def mariadb() -> Iterator[str]:
    """Run MariaDB, and give the address of its database for SQLAlchemy."""
    setup = [f"{program('mariadb-install-db')}", "--no-defaults", "--datadir=@/data"]
    server = [f"{program('mariadbd')}", "--no-defaults", "--datadir=@/data"]
    with _running(
        "mariadb",
        [*setup, "--auth-root-authentication-method=normal"],
        [
            *server,
            "--character-set-server=utf8mb4",
            "--skip-networking",
            "--socket=@/sql",
            "--pid-file=@/pid",
        ],
        signal.SIGTERM,
    ) as folder:
        place = f"unix_socket={folder}/sql&charset=utf8mb4"
        engine = sqlalchemy.create_engine(f"mysql+pymysql://root@/?{place}")
        with engine.begin() as connection:
            statement = "CREATE DATABASE city CHARACTER SET utf8mb4"
            connection.execute(sqlalchemy.text(statement))
        engine.dispose()
        yield f"mysql+pymysql://root@/city?{place}"


__all__ = ["is_here", "mariadb", "postgres"]
