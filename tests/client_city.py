"""A city as its readers see it: a log, records and tables, made of the real formats.

The bytes are those of `federation.verify`; what is ours here is only the plumbing: a
folder laid out as a static mirror, and an HTTP transport that answers from it as a node
does. A test spoils answers with `Transport.tamper`.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq

from shahrdad.client.api_source import ApiSource
from shahrdad.client.cache import Cache
from shahrdad.client.library import Library
from shahrdad.client.memory import Memory
from shahrdad.client.node import Node
from shahrdad.client.trust import Anchor
from shahrdad.client.web import Web
from shahrdad.federation.verify import entry, receipt, strict_json, tile
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.federation.verify.policy import Policy
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.federation.verify.tree import (
    TILE_WIDTH,
    Frontier,
    inclusion_proof,
)

ADDRESSES = ("https://a.example.ir", "https://b.example.ir")
KEY = ["line_code"]
COSIGNED_AT = 1_795_250_100


def signer(name: str, kind: Kind) -> Signer:
    """Return the signer of a name; the same name gives the same key."""
    return Signer.from_seed(name, sha256(name.encode()).digest(), kind)


def budget(rows: int = 3, *, step: int = 1) -> pa.Table:
    """Return a small budget: a key, an amount with a null, a text, a date."""
    return pa.table(
        {
            "line_code": [f"{n:06}" for n in range(rows)],
            "approved_rial": pa.array(
                [None if n == 1 else n * step * 10**12 for n in range(rows)], pa.int64()
            ),
            "title": [f"ردیف {n}" for n in range(rows)],
        }
    )


def parquet(table: pa.Table) -> bytes:
    """Return a table as Parquet, in row groups of 1,000."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=1_000)
    return sink.getvalue()


@dataclass
class City:
    """A city that publishes: `publish`, `withdraw`, then `write` its mirror."""

    slug: str = "kerman"
    origin: str = "kerman.example.ir/catalog"
    witnesses: tuple[str, ...] = (
        "shiraz.example.ir/witness",
        "rasht.example.ir/witness",
    )
    after: entry.After | None = None
    entries: list[bytes] = field(default_factory=list)
    bodies: dict[Digest, bytes] = field(default_factory=dict)
    objects: dict[Digest, bytes] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    puts: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the log."""
        self.signer = signer(self.origin, Kind.LOG)
        raw = entry.genesis(
            self.origin, "tests/1", time="2026-01-01T00:00:00Z", after=self.after
        )
        self.entries.append(raw)

    def publish(
        self,
        slug: str = "budget-1404",
        parts: Sequence[pa.Table] | None = None,
        *,
        day: int = 1,
        version: int | None = None,
        **ours: Any,
    ) -> Digest:
        """Publish a version on a day of February 2026; returns the record's digest."""
        contents = [parquet(part) for part in (parts or [budget()])]
        number = version or len(self.puts.get(slug, [])) + 1
        resources = self._resources(contents)
        record = {
            "name": slug,
            "title": "بودجهٔ ۱۴۰۴",
            "title_en": "Budget 1404",
            "keywords": ["بودجه"],
            "licenses": [{"name": "CC-BY-4.0"}],
            "version": str(number),
            "resources": resources,
            "shahrdad": {
                "city": self.slug,
                "ref": f"{self.slug}/{slug}",
                "family": "budget_lines",
                "standard": {"id": "budget_lines", "version": "1.0.0"},
                "fiscal_year": 1404,
                **ours,
            },
        }
        return self.put(slug, strict_json.canonical(record), f"2026-02-{day:02}")

    def put(self, slug: str, body: bytes, date: str) -> Digest:
        """Put any bytes as a record."""
        digest, key = Digest.of(body), f"ds/{slug}"
        self.bodies[digest] = body
        self.puts.setdefault(slug, []).append(len(self.entries))
        raw = entry.put(
            key,
            prev=self.last.get(key),
            digest=digest,
            size=len(body),
            time=f"{date}T12:00:00Z",
        )
        self.last[key] = len(self.entries)
        self.entries.append(raw)
        return digest

    def withdraw(self, slug: str, day: int) -> None:
        """Take a dataset back."""
        key = f"ds/{slug}"
        raw = entry.delete(
            key,
            prev=self.last.get(key),
            time=f"2026-02-{day:02}T12:00:00Z",
            reason="error",
        )
        self.last[key] = len(self.entries)
        self.entries.append(raw)

    def redact(self, digest: Digest, day: int) -> None:
        """Remove a record from every mirror."""
        self.entries.append(
            entry.redact(digest, time=f"2026-02-{day:02}T12:00:00Z", reason="privacy")
        )
        del self.bodies[digest]

    def policy(self, quorum: int = 2) -> Policy:
        """Return the policy that trusts this city and its witnesses."""
        named = {
            name.partition(".")[0]: signer(name, Kind.WITNESS).verifier
            for name in self.witnesses
        }
        return Policy.of([self.signer.verifier], named, quorum)

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes."""
        return [entry.leaf_hash(raw) for raw in self.entries]

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint, signed and cosigned."""
        frontier = Frontier()
        frontier.extend(self.leaves())
        text = Checkpoint(self.origin, frontier.size, frontier.root()).text()
        lines = [self.signer.sign(text)]
        lines += [
            signer(name, Kind.WITNESS).sign(text, seconds=COSIGNED_AT)
            for name in self.witnesses
        ]
        return join(text, lines)

    def receipt(self, slug: str, version: int) -> bytes:
        """Return the receipt of a version."""
        index, leaves = self.puts[slug][version - 1], self.leaves()
        read = tile.hash_reader(lambda level, number: self._tile(leaves, level, number))
        proof = inclusion_proof(index, len(leaves), read)
        return receipt.make(self.entries[index], index, proof, self.checkpoint())

    def record(self, slug: str, version: int) -> bytes:
        """Return the record of a version."""
        raw = self.entries[self.puts[slug][version - 1]]
        return self.bodies[Digest.parse(json.loads(raw)["sha256"])]

    def files(self) -> dict[str, bytes]:
        """Return the mirror: name → bytes, without `heads`."""
        leaves, size = self.leaves(), len(self.entries)
        found = {str(MirrorPath.checkpoint(self.origin)): self.checkpoint()}
        for span in tile.layout(size):
            name = MirrorPath.tile(self.origin, span.level, span.number, span.width)
            found[str(name)] = self._tile(leaves, span.level, span.number)
        for number in range(-(-size // TILE_WIDTH)):
            some = self.entries[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            name = MirrorPath.entries(self.origin, number, len(some))
            found[str(name)] = tile.encode_bundle(some)
        found |= {str(MirrorPath.body(d)): body for d, body in self.bodies.items()}
        return found | {str(MirrorPath.object(d)): o for d, o in self.objects.items()}

    def _resources(self, contents: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return the resources of one table, and keep its objects."""
        schema = {"fields": [{"name": "line_code"}], "primaryKey": KEY}
        named = []
        for content in contents:
            digest = Digest.of(content)
            self.objects[digest] = content
            named.append(
                {
                    "path": str(MirrorPath.object(digest)),
                    "hash": f"sha256:{digest}",
                    "bytes": len(content),
                }
            )
        head: dict[str, Any] = {"name": "budget", "format": "parquet", "schema": schema}
        if len(named) == 1:
            return [head | named[0] | {"shahrdad": {"role": "table", "rows": 3}}]
        head |= {
            "path": [part["path"] for part in named],
            "shahrdad": {"role": "table", "rows": 6, "parts": len(named)},
        }
        return [
            head,
            *(
                {"name": f"budget.{n:04}", **part}
                | {"shahrdad": {"role": "part", "of": "budget"}}
                for n, part in enumerate(named, start=1)
            ),
        ]

    def _tile(self, leaves: list[bytes], level: int, number: int) -> bytes:
        """Return one tile of hashes."""
        hashes = leaves
        for _ in range(level):
            full = len(hashes) // TILE_WIDTH
            hashes = [_root(hashes[n * 256 : (n + 1) * 256]) for n in range(full)]
        return b"".join(hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH])


def _root(hashes: list[bytes]) -> bytes:
    """Return the root over a full tile."""
    frontier = Frontier()
    frontier.extend(hashes)
    return frontier.root()


def mirror(*cities: City) -> dict[str, bytes]:
    """Return one mirror of some cities: name → bytes."""
    found: dict[str, bytes] = {}
    for city in cities:
        found |= city.files()
    heads = "".join(f"{city.origin} {len(city.entries)}\n" for city in cities)
    return found | {"heads": heads.encode()}


def write_mirror(folder: Path, *cities: City) -> Path:
    """Lay a mirror out in a folder."""
    for name, data in mirror(*cities).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


Spoil = Callable[[bytes], bytes]


class Transport(httpx2.BaseTransport):
    """A node's answers, from some cities, without a network.

    Attributes:
        asked: The paths that were asked for, in order.
        tamper: Part of a path → what is done to the bytes of its answer.
        failures: Answers to give first, whatever is asked.
    """

    def __init__(self, *cities: City) -> None:
        self.cities = {city.slug: city for city in cities}
        self.asked: list[str] = []
        self.ranges: list[str] = []
        self.tamper: dict[str, Spoil] = {}
        self.failures: list[httpx2.Response | Exception] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        path = request.url.path
        self.asked.append(path)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        found = self._answer(path, request)
        if isinstance(found, httpx2.Response):
            return found
        for part, spoil in self.tamper.items():
            if part in path:
                found = spoil(found)
        wanted = request.headers.get("range")
        if wanted is None:
            return sent(200, found)
        self.ranges.append(wanted)
        start, end = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
        said = {"Content-Range": f"bytes {start}-{end}/{len(found)}"}
        return sent(206, found[start : end + 1], said)

    def _answer(self, path: str, request: httpx2.Request) -> bytes | httpx2.Response:
        """Return the bytes of a path, or a problem."""
        if path.startswith("/mirror/"):
            files = mirror(*self.cities.values())
            return files.get(path.removeprefix("/mirror/")) or problem(404, "not-found")
        if path.startswith("/d/"):
            return path.encode()  # stands for a workbook, whose bytes are the node's
        parts = path.removeprefix("/v1/").split("/")
        match parts:
            case ["datasets"]:
                return self._list(request)
            case ["cities", slug] if slug in self.cities:
                city = self.cities[slug]
                return _json({"logs": [{"vkeys": [city.signer.vkey]}]})
            case ["datasets", slug, name] if name in self._puts(slug):
                return self._dataset(slug, name, request)
            case ["datasets", slug, name, "versions"]:
                return _json({"items": self._versions(slug, name), "next_cursor": None})
            case ["datasets", slug, name, "v", n, kind] if int(n) <= len(
                self._puts(slug).get(name, [])
            ):
                city = self.cities[slug]
                if kind == "receipt":
                    return city.receipt(name, int(n))
                return city.record(name, int(n))
        return problem(404, "not-found")

    def _puts(self, slug: str) -> dict[str, list[int]]:
        """Return the puts of a city; of one that is not here, none."""
        return self.cities[slug].puts if slug in self.cities else {}

    def _dataset(
        self, slug: str, name: str, request: httpx2.Request
    ) -> bytes | httpx2.Response:
        """Return a dataset object, as far as the client reads it."""
        city = self.cities[slug]
        last = json.loads(city.entries[city.last[f"ds/{name}"]])
        if last["op"] == "delete":
            withdrawn = {"time": last["time"], "reason": last["reason"], "by": None}
            more = {"ref": f"{slug}/{name}", "withdrawn": withdrawn}
            return problem(410, "withdrawn", **more)
        items = self._versions(slug, name)
        moment = request.url.params.get("as_of")
        fitting = [v for v in items if moment is None or v["time"] <= moment]
        if not fitting:
            error = {"reason": "VERSION_UNKNOWN", "ref": f"{slug}/{name}"}
            error |= {"version": str(moment), "version_max": len(items)}  # type: ignore[dict-item]
            return problem(404, "not-found", errors=[error])
        return _json(self._object(slug, name, fitting[0]))

    def _object(self, slug: str, name: str, version: Any) -> dict[str, Any]:
        """Return the members of a dataset object."""
        record = json.loads(self.cities[slug].record(name, version["number"]))
        return {
            "ref": f"{slug}/{name}",
            "city": {"slug": slug},
            "title": {"fa": record["title"], "en": record["title_en"]},
            "family": {"id": record["shahrdad"]["family"], "version": "1.0.0"},
            "period": {"fiscal_year": 1404},
            "version": version,
            "verification": {"state": "confirmed"},
            "resources": [{"rows": 3}],
        }

    def _versions(self, slug: str, name: str) -> list[dict[str, Any]]:
        """Return the versions of a dataset, newest first."""
        city = self.cities[slug]
        found = []
        for number, index in enumerate(city.puts[name], start=1):
            said = json.loads(city.entries[index])
            found.append(
                {
                    "number": number,
                    "index": index,
                    "time": said["time"],
                    "digest": said["sha256"],
                }
            )
        return found[::-1]

    def _list(self, request: httpx2.Request) -> bytes:
        """Return the datasets, two a page."""
        asked = request.url.params
        refs = [
            (slug, name)
            for slug, city in sorted(self.cities.items())
            for name in sorted(city.puts)
            if asked.get("city", slug) == slug
            and (json.loads(city.entries[city.last[f"ds/{name}"]])["op"] == "delete")
            == (asked.get("state") == "withdrawn")
        ]
        start = int(asked.get("cursor", "0"))
        items = [
            self._object(slug, name, self._versions(slug, name)[0])
            for slug, name in refs[start : start + 2]
        ]
        following = str(start + 2) if start + 2 < len(refs) else None
        return _json({"items": items, "total": len(refs), "next_cursor": following})


def _json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def problem(status: int, kind: str, **more: Any) -> httpx2.Response:
    """Return a problem (RFC 9457) as an answer."""
    body = {"type": f"urn:shahrdad:problem:{kind}", "status": status, **more}
    return sent(status, _json(body))


def sent(
    status: int, data: bytes, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Return an answer that arrives as a stream, as from a network."""
    length = {"Content-Length": str(len(data))}
    return httpx2.Response(
        status, headers=length | (headers or {}), stream=httpx2.ByteStream(data)
    )


def flipped(data: bytes) -> bytes:
    """Return the bytes with one bit changed, in the middle."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def reader(
    *transports: Transport,
    policy: Policy | None = None,
    cache: Path | None = None,
    memory: Path | None = None,
    cities: dict[str, str] | None = None,
    naps: list[float] | None = None,
) -> Node:
    """Return a client over nodes that answer without a network."""
    slept = [] if naps is None else naps
    sources = [
        ApiSource(Web(address, sleep=slept.append, transport=transport))
        for address, transport in zip(ADDRESSES, transports, strict=False)
    ]
    anchor = Anchor(policy, None if memory is None else Memory(memory), cities)
    return Node(Library(sources, anchor, Cache(cache)))
