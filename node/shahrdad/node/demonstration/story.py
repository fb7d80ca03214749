"""The main job, whole: real files go from three desks to every other city, verified.

Each step does what a city would do, with the same functions that its commands call;
each tells what it did and how long it took. Nothing is prepared beforehand.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shahrdad.datasets.demo_set import DemoDataset, demo_datasets
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.demonstration.world import Place
from shahrdad.node.incoming.example_files import handed
from shahrdad.node.peering.rounds import run_round
from shahrdad.node.publish import Outcome, publish, withdraw

WITHDRAWN = ("kerman", "contracts")
COMPARED = "active-systems"
Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Event:
    """One step that is done."""

    fa: str
    en: str
    result_fa: str
    result_en: str
    seconds: float


@dataclass(slots=True)
class Story:
    """What happened, step by step.

    Attributes:
        places: The three nodes, running.
        say: Tells a person something, Persian and English.
        events: The steps that are done.
    """

    places: Sequence[Place]
    say: Say
    events: list[Event] = field(default_factory=list)

    def tell(self) -> None:
        """Run every step.

        Raises:
            ShahrdadError: a step did not do what it promises.
        """
        nodes = [Node(load(place.file)) for place in self.places]
        try:
            self._publish(nodes)
            self._refuse(nodes)
            self._sync(nodes, "همگام‌سازی", "Synchronise")
            self._withdraw(nodes)
            self._sync(nodes, "همگام‌سازی دوباره", "Synchronise again")
            self._compare(nodes)
            self._read()
            self._verify(nodes)
        finally:
            for node in nodes:
                node.close()

    def _publish(self, nodes: Sequence[Node]) -> None:
        """Publish each city's files, in order: units first, since others name them."""
        with self._step(
            "انتشار فایل‌های سه شهر", "Publish the files of three cities"
        ) as done:
            outcomes = [
                self._publish_one(node, example)
                for node in nodes
                for example in demo_datasets()
                if example.published_by == node.config.node.city
                and example.expect == "published"
            ]
            rows = sum(outcome.rows or 0 for outcome in outcomes)
            done(
                f"{len(outcomes)} مجموعه‌داده، {rows:,} ردیف",
                f"{len(outcomes)} datasets, {rows:,} rows",
            )

    def _publish_one(self, node: Node, example: DemoDataset) -> Outcome:
        """Publish one example file."""
        with node.database.exclusive("publish"):
            node.start_signing()
        outcome, report = publish(node, handed(example))
        if outcome.state == "refused":
            self.say(report.to_text("fa"), report.to_text("en"))
            raise PeerError(
                Reason.DEMO_STEP_FAILED, step="publish", detail=str(example.path.name)
            )
        self.say(
            f"  {outcome.ref} نسخهٔ {outcome.version} · {outcome.rows} ردیف"
            f" · از {example.path.name}",
            f"  {outcome.ref} version {outcome.version} · {outcome.rows} rows"
            f" · from {example.path.name}",
        )
        return outcome

    def _refuse(self, nodes: Sequence[Node]) -> None:
        """Hand in a file with errors: nothing is published, and the report says why."""
        with self._step("رد یک فایل نادرست", "Refuse a bad file") as done:
            example = next(item for item in demo_datasets() if item.expect == "refused")
            node = _of(nodes, example.published_by)
            size = node.logs.log(node.config.federation.origin).size
            outcome, report = publish(node, handed(example))
            if outcome.state != "refused":
                raise PeerError(
                    Reason.DEMO_STEP_FAILED, step="refuse", detail=example.path.name
                )
            if node.logs.log(node.config.federation.origin).size != size:
                raise PeerError(
                    Reason.DEMO_STEP_FAILED, step="refuse", detail="the log grew"
                )
            marked = node.config.folder / f"{example.path.stem}-marked.xlsx"
            report.write_marked(marked, lang="fa")
            self.say(report.to_text("fa", limit=6), report.to_text("fa", limit=6))
            self.say(
                f"  همان فایل با خانه‌های نشان‌دار: {marked}",
                f"  The same file with its wrong cells marked: {marked}",
            )
            done(
                f"{report.error_count} خطا، هیچ‌چیز منتشر نشد",
                f"{report.error_count} errors, nothing published",
            )

    def _sync(self, nodes: Sequence[Node], fa: str, en: str) -> None:
        """Run a round on every node."""
        with self._step(fa, en) as done:
            entries, objects = 0, 0
            for node in nodes:
                report = run_round(node)
                if not report.ok:
                    raise PeerError(
                        Reason.DEMO_STEP_FAILED, step="sync", detail=report.text("en")
                    )
                entries += report.sync.entries
                objects += report.objects.fetched
            done(
                f"{entries} درایه و {objects} شیء، همه وارسی‌شده",
                f"{entries} entries and {objects} objects, all verified",
            )

    def _withdraw(self, nodes: Sequence[Node]) -> None:
        """Withdraw one dataset; its entry stays provable."""
        city, slug = WITHDRAWN
        with self._step("پس‌گیری یک مجموعه‌داده", "Withdraw a dataset") as done:
            index = withdraw(_of(nodes, city), slug)
            done(f"{city}/{slug}، درایهٔ {index}", f"{city}/{slug}, entry {index}")

    def _compare(self, nodes: Sequence[Node]) -> None:
        """Prove that all three hold the same verified state of all three logs."""
        with self._step("مقایسهٔ سه گره", "Compare the three nodes") as done:
            origins = [node.config.federation.origin for node in nodes]
            digests = {
                (name, node.config.node.city): node.logs.state_digest(name).hex
                for name in origins
                for node in nodes
            }
            for name in origins:
                held = {digests[name, node.config.node.city] for node in nodes}
                if len(held) != 1:
                    raise PeerError(
                        Reason.DEMO_STEP_FAILED, step="compare", detail=name
                    )
                self.say(
                    f"  {name}: {held.copy().pop()[:16]}… روی هر سه یکی است",
                    f"  {name}: {held.copy().pop()[:16]}… is the same on all three",
                )
            city, slug = WITHDRAWN
            states = {node.catalog.get(f"{city}/{slug}").state for node in nodes}
            if states != {"withdrawn"}:
                raise PeerError(
                    Reason.DEMO_STEP_FAILED, step="compare", detail=str(states)
                )
            done(
                "سه دفتر، یک وضعیت؛ پس‌گیری به هر سه رسید",
                "three logs, one state; the withdrawal reached all",
            )

    def _read(self) -> None:
        """Read one table over all three cities, as a start-up would, by URL."""
        with self._step(
            "خواندن با DuckDB و پانداس", "Read with DuckDB and pandas"
        ) as done:
            urls = [
                f"{place.url}/d/{place.city}/{COMPARED}/latest/{COMPARED}.parquet"
                for place in self.places
            ]
            by_duckdb = read_with_duckdb(urls)
            by_pandas = read_with_pandas(urls)
            if by_duckdb != by_pandas:
                raise PeerError(
                    Reason.DEMO_STEP_FAILED,
                    step="read",
                    detail=f"{by_duckdb} {by_pandas}",
                )
            rows = sum(by_duckdb.values())
            done(
                f"{rows} سامانه در {len(by_duckdb)} شهر؛ هر دو ابزار یکسان",
                f"{rows} systems in {len(by_duckdb)} cities; both tools agree",
            )

    def _verify(self, nodes: Sequence[Node]) -> None:
        """Verify, offline, a file that Mashhad's node mirrors of Kerman's."""
        from shahrdad.client.offline import verify
        from shahrdad.node.download import download

        with self._step("وارسی رسید بی‌شبکه", "Verify a receipt offline") as done:
            node = _of(nodes, "mashhad")
            dataset, version = node.catalog.version("kerman/budget-1404")
            folder = node.config.folder
            file = folder / "kerman--budget-1404.parquet"
            with file.open("wb") as target:
                download(node, version, "parquet", target)
            receipt = folder / "kerman--budget-1404.tlog-proof"
            receipt.write_bytes(node.receipt(dataset.ref, version.n))
            record = folder / "kerman--budget-1404.record.json"
            record.write_bytes(node.catalog.body_bytes(version.digest))
            keys = [key.vkey for key in node.keys.verifiers(version.origin, 1)]
            verdict = verify(file, receipt, None, record, keys=keys)
            if not verdict:
                verdict.raise_failure()
            spoilt = file.with_suffix(".spoilt")
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            spoilt.write_bytes(content)
            if verify(spoilt, receipt, None, record, keys=keys):
                raise PeerError(
                    Reason.DEMO_STEP_FAILED, step="verify", detail="a spoilt file holds"
                )
            done(
                "فایل درست پذیرفته شد؛ با یک بیت دیگر رد شد",
                "the file holds; with one bit changed it does not",
            )

    @contextmanager
    def _step(self, fa: str, en: str) -> Iterator[Callable[[str, str], None]]:
        """Tell that a step begins; keep what it did."""
        self.say(f"● {fa}", f"● {en}")
        started = time.perf_counter()
        results: list[tuple[str, str]] = []
        yield lambda result_fa, result_en: results.append((result_fa, result_en))
        seconds = time.perf_counter() - started
        for result_fa, result_en in results:
            self.events.append(Event(fa, en, result_fa, result_en, seconds))


def read_with_duckdb(urls: Sequence[str]) -> dict[str, int]:
    """Return the rows of each city, read by DuckDB from the nodes' addresses."""
    import duckdb
    import duckdb_extension_httpfs

    connection = duckdb.connect()
    extension = Path(next(iter(duckdb_extension_httpfs.__path__)))
    file = next(extension.rglob("httpfs.duckdb_extension"))
    connection.execute(f"LOAD '{file}'")
    rows = connection.execute(
        "SELECT city_code, COUNT(*) FROM read_parquet(?) GROUP BY 1 ORDER BY 1",
        [list(urls)],
    ).fetchall()
    return {str(city): int(count) for city, count in rows}


def read_with_pandas(urls: Sequence[str]) -> dict[str, int]:
    """Return the rows of each city, read by pandas from the nodes' addresses."""
    import pandas as pd

    frame = pd.concat([pd.read_parquet(url) for url in urls])
    counts: dict[str, int] = frame.groupby("city_code").size().to_dict()
    return {city: int(count) for city, count in sorted(counts.items())}


def _of(nodes: Sequence[Node], city: str) -> Node:
    """Return the node of a city."""
    return next(node for node in nodes if node.config.node.city == city)
