"""Keys that were believed at first sight, kept from run to run (`remember=True`).

One file for each log and each city, made only when there is none: of two processes that
meet a log at once, the first decides. A person removes a file to forget.
"""

import json
import os
import secrets
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any


class Memory:
    """A folder of what was seen first.

    Args:
        folder: Made on first use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self, origin: str) -> tuple[str, ...]:
        """Return the keys remembered of a log; empty when it was never seen."""
        found = self._read(self.path_of_log(origin)).get("keys", [])
        return tuple(str(vkey) for vkey in found)

    def origin(self, city: str) -> str | None:
        """Return the log remembered of a city."""
        found = self._read(self._path_of_city(city)).get("origin")
        return None if found is None else str(found)

    def remember(self, city: str, origin: str, keys: tuple[str, ...]) -> None:
        """Keep what is not kept yet; what is there stays."""
        seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._create(
            self.path_of_log(origin), {"origin": origin, "keys": keys, "seen": seen}
        )
        self._create(
            self._path_of_city(city), {"city": city, "origin": origin, "seen": seen}
        )

    def path_of_log(self, origin: str) -> Path:
        """Return the file of a log."""
        name = sha256(origin.encode("utf-8")).hexdigest()
        return self.folder / "log" / f"{name}.json"

    def _path_of_city(self, city: str) -> Path:
        """Return the file of a city."""
        name = sha256(city.encode("utf-8")).hexdigest()
        return self.folder / "city" / f"{name}.json"

    def _read(self, path: Path) -> dict[str, Any]:
        """Return what a file holds; empty when there is none."""
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        return value if type(value) is dict else {}

    def _create(self, path: Path, value: dict[str, Any]) -> None:
        """Write a file unless it is there; readers never see a part of it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
        temporary.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
        try:
            with suppress(FileExistsError):
                os.link(temporary, path)  # unlike rename, it replaces nothing
        finally:
            temporary.unlink()
