"""Load on one node while it is killed: 50 readers, 5 publishers, S3 away four times.

Run: `python tools/soak.py --seconds 600` (`make soak`). A node serves on an S3 store;
every `--kill-every` seconds it is killed with SIGKILL and started again. Twice the S3
server stands still for `--away` seconds, so that requests hang, and twice it is ended
and started again at the same port, so that connections are refused. Afterwards every
acknowledged publication must be in the log, whole and readable, and none may be half
visible; no error may be without its reason, and no 503 without the time to come back.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from account_world import add_person, token_of  # noqa: E402
from node_world import make_config  # noqa: E402
from s3_server import (  # noqa: E402
    IDENTITIES,
    PORTS,
    free_ports,
    ready,
    start,
    stop,
)
from shahrdad.node.city import Node  # noqa: E402
from shahrdad.node.config import load  # noqa: E402
from shahrdad.node.incoming.example_files import find_example, handed  # noqa: E402

READERS = 50
PUBLISHERS = 5
UNCLEAR = "UNCLEAR"
PATHS = (
    "/v1/datasets",
    "/fa/datasets",
    "/v1/changes?limit=50",
    "/readyz",
    "/api/3/action/package_search?rows=20",
)


@dataclass
class Seen:
    """What the readers and publishers met, by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, int] = field(default_factory=dict)
    half: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str) -> None:
        """Count something."""
        with self.lock:
            self.counts[kind] += 1


def note_answer(seen: Seen, who: str, answer: httpx2.Response) -> None:
    """Count an answer; an error must say why, and a 503 when to come back."""
    kind = f"{who} {answer.status_code // 100}xx"
    if answer.status_code >= 500:
        kind = f"{who} {answer.status_code} {'clear' if is_clear(answer) else UNCLEAR}"
    seen.note(kind)


def is_clear(answer: httpx2.Response) -> bool:
    """Whether an error is a page, the state of the parts, or a problem document."""
    if answer.status_code == 503 and "retry-after" not in answer.headers:
        return False
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "application/problem+json":
        return {"type", "detail", "messages"} <= set(answer.json())
    return kind in {"text/html", "application/json"}


def read(url: str, seen: Seen, ended: threading.Event, number: int) -> None:
    """Read one address after the other, and look at the newest dataset whole."""
    with httpx2.Client(base_url=url, timeout=20) as client:
        turn = number
        while not ended.is_set():
            turn += 1
            try:
                answer = client.get(PATHS[turn % len(PATHS)])
                note_answer(seen, "read", answer)
                if turn % 7 == 0:
                    look_whole(client, seen)
            except httpx2.HTTPError as error:
                seen.note(f"read {type(error).__name__}")
                ended.wait(0.5)


def look_whole(client: httpx2.Client, seen: Seen) -> None:
    """Read the newest dataset's record and rows: both are there, or the node away."""
    answer = client.get("/v1/datasets?sort=-updated&limit=1")
    items = answer.json().get("items") if answer.status_code == 200 else None
    if not items:
        return
    ref = items[0]["ref"]
    record = client.get(f"/v1/datasets/{ref}/descriptor")
    rows = client.get(f"/v1/datasets/{ref}/rows/org-units?limit=1")
    if record.status_code == 200 and rows.status_code in {404, 410, 422}:
        with seen.lock:
            seen.half.append(f"{ref}: rows {rows.status_code}")


def publish(
    url: str, seen: Seen, ended: threading.Event, number: int, tokens: tuple[str, str]
) -> None:
    """Publish version after version of a dataset of its own, two persons each time."""
    example = handed(find_example("kerman", "org-units"))
    content = example.file.read_bytes()
    writing = {"Authorization": f"Bearer {tokens[0]}"}
    deciding = {"Authorization": f"Bearer {tokens[1]}"}
    slug, version = f"org-units-{number}", 0
    with httpx2.Client(base_url=url, timeout=60) as client:
        while not ended.is_set():
            version += 1
            body = {
                "ref": f"kerman/{slug}",
                "family": "org_units",
                "title": {"fa": f"واحدها {number}-{version}", "en": f"Units {version}"},
                "mapping": dict(example.profile),
                "example": True,
            }
            try:
                if publish_once(client, content, body, writing, deciding, seen):
                    with seen.lock:
                        seen.acknowledged[slug] = seen.acknowledged.get(slug, 0) + 1
            except httpx2.HTTPError as error:
                seen.note(f"publish {type(error).__name__}")
                ended.wait(1)


def publish_once(
    client: httpx2.Client,
    content: bytes,
    body: dict[str, object],
    writing: dict[str, str],
    deciding: dict[str, str],
    seen: Seen,
) -> bool:
    """Upload, draft, submit, approve; return whether the approval was acknowledged."""
    sent = client.put("/v1/uploads?filename=u.csv", content=content, headers=writing)
    note_answer(seen, "publish", sent)
    if sent.status_code != 201:
        return False
    body = {**body, "upload": sent.json()["id"]}
    made = client.post("/v1/drafts", json=body, headers=writing)
    note_answer(seen, "publish", made)
    if made.status_code != 201 or made.json()["verdict"] != "valid":
        return False
    place = f"/v1/drafts/{made.json()['id']}"
    headers = {**writing, "If-Match": made.headers["etag"]}
    submitted = client.post(f"{place}/submit", headers=headers)
    note_answer(seen, "publish", submitted)
    if submitted.status_code != 200:
        return False
    headers = {**deciding, "If-Match": submitted.headers["etag"]}
    digest = {"digest": submitted.json()["digest"]}
    done = client.post(f"{place}/approve", json=digest, headers=headers)
    note_answer(seen, "publish", done)
    return done.status_code == 200


class Store:
    """The S3 server: it stands still, or it is gone and comes back at the same port."""

    def __init__(self, folder: Path) -> None:
        (folder / "s3.json").write_text(json.dumps(IDENTITIES), "utf-8")
        self._folder = folder
        self._ports = free_ports(len(PORTS))
        self.endpoint = f"127.0.0.1:{self._ports[0]}"
        self.frozen = self.refused = 0
        self._start()

    def _start(self) -> None:
        """Start the server on its ports and its data, and wait until it stores."""
        self._process = start(self._folder, self._folder / "data", self._ports)
        if not ready(self.endpoint, self._process):
            said = (self._folder / "weed.log").read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"the S3 server does not start: {said}")

    def freeze(self, seconds: int) -> None:
        """Let it take connections and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)
        self.frozen += 1

    def refuse(self, seconds: int) -> None:
        """Let nothing listen at its port, then start it again."""
        self.stop()
        time.sleep(seconds)
        self._start()
        self.refused += 1

    def stop(self) -> None:
        """End the server."""
        stop(self._process)

    def leave(self, started: float, seconds: int, away: int) -> None:
        """Be away four times within the run, two times in either way."""
        ways = (self.freeze, self.refuse, self.freeze, self.refuse)
        for number, way in enumerate(ways, 1):
            moment = started + seconds * number / (len(ways) + 1)
            time.sleep(max(0.0, moment - time.monotonic()))
            way(away)


class Serving:
    """The node's process: started, killed, started again."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._log = config.with_name("serve.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "shahrdad.node.cli", "serve"]
        self._process = subprocess.Popen(
            [*command, "--config", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        port = load(self._config).http.port
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.2)
        said = Path(self._log.name).read_text("utf-8")[-2000:]
        raise RuntimeError(f"the node does not start: {said}")

    def kill(self) -> None:
        """Kill it as a power cut does."""
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.kills += 1

    def stop(self) -> int:
        """Stop it in order, and return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._process.wait(60)


def check(config: Path, seen: Seen) -> dict[str, object]:
    """Compare the node's log, catalog and audit with what was acknowledged."""
    from shahrdad.node.accounts import audit
    from shahrdad.node.download import open_version
    from shahrdad.node.operating import housekeeping

    lost, unreadable, versions = [], [], 0
    with Node(load(config)) as node:
        with node.database.exclusive("publish"):
            node.start_signing(offline=True)
        housekeeping.finish_approved(node)
        node.projection.follow()
        audit.verify(node.database.connect())
        for slug, count in seen.acknowledged.items():
            held = node.catalog.versions(f"kerman/{slug}")
            versions += len(held)
            if len(held) < count:
                lost.append(f"{slug}: {len(held)} of {count}")
            unreadable += [
                f"{slug} {version.n}"
                for version in held
                if not sum(b.num_rows for b in open_version(node, version).batches())
            ]
        own = node.own_log()
    return {
        "acknowledged": sum(seen.acknowledged.values()),
        "versions in the log": versions,
        "lost": lost,
        "unreadable": unreadable,
        "half visible": seen.half[:5],
        "entries": own.size if own else 0,
        "unsigned": own.size - own.head_size if own else 0,
    }


def run(seconds: int, kill_every: int, away: int) -> dict[str, object]:
    """Run the load, and return what happened."""
    with tempfile.TemporaryDirectory(prefix="shahrdad-soak-") as name:
        (folder := Path(name, "s3")).mkdir()
        store = Store(folder)
        os.environ["SHAHRDAD_STORE"] = "s3"
        os.environ["SHAHRDAD_S3_ENDPOINT"] = store.endpoint
        config = make_config(Path(name, "node"))
        with Node(load(config)) as node:
            add_person(node, "edna", "editor", factor=False)
            add_person(node, "paul", "publisher")
            tokens = (
                token_of(node, "edna", "draft:write", "submit"),
                token_of(node, "paul", "approve"),
            )
        text = config.read_text("utf-8").replace('"single"', '"four-eyes"')
        config.write_text(text, "utf-8")
        try:
            return _loaded(config, store, tokens, seconds, kill_every, away)
        finally:
            store.stop()


def _loaded(
    config: Path,
    store: Store,
    tokens: tuple[str, str],
    seconds: int,
    kill_every: int,
    away: int,
) -> dict[str, object]:
    seen, ended, serving = Seen(), threading.Event(), Serving(config)
    serving.start()
    url = f"http://127.0.0.1:{load(config).http.port}"
    threads = [
        threading.Thread(target=read, args=(url, seen, ended, n))
        for n in range(READERS)
    ] + [
        threading.Thread(target=publish, args=(url, seen, ended, n, tokens))
        for n in range(PUBLISHERS)
    ]
    started = time.monotonic()
    threads.append(threading.Thread(target=store.leave, args=(started, seconds, away)))
    for thread in threads:
        thread.start()
    next_kill = started + kill_every
    while (now := time.monotonic()) < started + seconds:
        if now >= next_kill:
            serving.kill()
            serving.start()
            next_kill = time.monotonic() + kill_every
        time.sleep(0.2)
    ended.set()
    for thread in threads:
        thread.join()
    code = serving.stop()
    found = check(config, seen)
    return {
        "seconds": seconds,
        "kills": serving.kills,
        "store stood still": store.frozen,
        "store refused": store.refused,
        "exit code": code,
        **dict(sorted(seen.counts.items())),
        **found,
    }


def main() -> int:
    """Run it and print a table; 1 when anything was lost or an error was unclear."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--kill-every", type=int, default=60)
    parser.add_argument("--away", type=int, default=10)
    given = parser.parse_args()
    found = run(given.seconds, given.kill_every, given.away)
    print(json.dumps(found, ensure_ascii=False, indent=1))
    failed = [name for name in found if name.endswith(UNCLEAR)]
    failed += ["lost", "unreadable", "half visible", "unsigned"]
    return 1 if any(found[name] for name in failed) else 0


if __name__ == "__main__":
    sys.exit(main())
