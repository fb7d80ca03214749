"""Bringing a portal's datasets in: look, decide, apply; each stage can be killed.

    listing    pages are noted with the cursor behind them
    deciding   one transaction: what is to be done with each dataset, and the brake
    held       a person looks at the list, and says `bridge approve RUN`
    applying   dataset by dataset: a version or a tombstone, then its row in the ledger;
               under four eyes a draft of either (`submitting`)

A kill in `applying` repeats one dataset, whose record then says the same as the newest
version, and that appends nothing. The same holds for a ledger that lagged behind.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import (
    ConflictError,
    DataError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.bridge.decisions import (
    Decision,
    Word,
    brake,
    compare,
    is_complete,
    judge_missing,
    worth_asking,
)
from shahrdad.federation.bridge.listing import (
    Cursor,
    Query,
    advance,
    by_offset,
    is_doubtful,
)
from shahrdad.federation.bridge.names import dataset_slug
from shahrdad.federation.bridge.packages import (
    Package,
    change_digest,
    package_id,
    read,
)
from shahrdad.federation.bridge.site import Found, Site
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import publish
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.bridge import records
from shahrdad.node.bridge.keeping import Contents, Keeper, Shelf
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.reporting import report_of
from shahrdad.node.bridge.rows import Held, Outcome, Run, Seen, Source
from shahrdad.node.bridge.submitting import Submitter
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.federation.bridge.files import FileFetcher
    from shahrdad.node.city import Newest, Node

RESUME_AGE = timedelta(hours=24)  # an older look is not gone on with
FAULTS = (PeerError, RequestError, UnavailableError)


@dataclass(slots=True)
class Look:
    """What a run found out before anything is decided."""

    digests: dict[str, Digest] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)  # enumerated, but without a name
    words: dict[str, Word] = field(default_factory=dict)  # asked for already


class InwardBridge:
    """Brings in one source.

    Args:
        node: A node that may sign.
        source: The source.
        site: Its portal.
        fetcher: Fetches files; None where links are kept.
        by: Who hands in, under four eyes.

    Raises:
        RequestError: FORBIDDEN, SCOPE_MISSING.
    """

    def __init__(
        self,
        node: "Node",
        source: Source,
        site: Site,
        fetcher: "FileFetcher | None",
        by: Actor | None = None,
    ) -> None:
        self._node = node
        self._source = source
        self._site = site
        self._ledger = Ledger(node.database.connect)
        self._taken: set[str] = set()
        four_eyes = node.config.publish.approval != "single"
        self._desk = Submitter(node, source, by) if four_eyes and by else None
        links_only = source.settings.files == "link"
        self._keeper = Keeper(
            node, source, self._ledger, None if links_only else fetcher
        )

    def run(self) -> dict[str, Any]:
        """Look at the source and apply what follows, or go on with a killed run.

        Returns:
            The report: state, counts, and what failed, with reasons and links.

        Raises:
            RequestError: APPROVAL_NEEDED, ADDRESS_REFUSED.
            UnavailableError: the store or the signer does not answer.
        """
        self._check_approval()
        with self._node.database.exclusive("bridge"):
            self._adopt()
            run = self._resumed() or self._ledger.begin(self._source.id, publish.now())
            fault = None
            if run.state == "listing":
                run, fault = self._enumerate(run)
                self._decide(run, sound=fault is None)
                run = self._ledger.run(run.id)
            if run.state == "held":
                report = self._report(run, "held")
                self._ledger.set_state(run.id, "held", report=report)
                return report
            return self._apply(run, fault)

    def approve(self, number: int) -> dict[str, Any]:
        """Apply a held run; what is to be withdrawn is asked about once more.

        Raises:
            RequestError: RUN_UNKNOWN, APPROVAL_NEEDED.
            ConflictError: RUN_NOT_HELD.
        """
        self._check_approval()
        with self._node.database.exclusive("bridge"):
            run = self._ledger.run(number)
            if run.state != "held" or run.source != self._source.id:
                raise ConflictError(Reason.RUN_NOT_HELD, run=number, state=run.state)
            self._ledger.set_state(number, "applying")
            return self._apply(self._ledger.run(number), None)

    def _check_approval(self) -> None:
        if self._node.config.publish.approval != "single" and self._desk is None:
            raise RequestError(Reason.APPROVAL_NEEDED)

    def _resumed(self) -> Run | None:
        """Return a run to go on with: killed, or released by a person.

        An old look is given up, and a held run. Applying is gone on with at any age:
        the portal is asked again about each dataset.
        """
        run = self._ledger.open_run(self._source.id)
        if run is None:
            return None
        age = datetime.now(UTC) - datetime.fromisoformat(run.started)
        if run.state == "applying" or (run.state == "listing" and age < RESUME_AGE):
            return run
        self._ledger.set_state(run.id, "abandoned", ended=publish.now())
        return None

    def _adopt(self) -> None:
        """Bring the ledger up to the log: it may have been lost, or have lagged."""
        self._node.projection.follow()
        if self._desk is not None:
            self._desk.settle_published()
        held = self._ledger.held(self._source.id)
        city = self._node.config.node.city
        prefix = f"ckan-{self._source.name}-"
        known = {item.slug for item in held.values() if item.live}
        for dataset in self._node.catalog.list(city=city):
            if not dataset.slug.startswith(prefix) or dataset.slug in known:
                continue
            origin = self._origin(dataset.ref)
            if origin is None:
                continue
            package, name = origin
            if package not in held:
                self._ledger.keep(
                    self._source.id, package, dataset.slug, name, live=True
                )
            elif not held[package].live and held[package].slug == dataset.slug:
                self._ledger.set_live(self._source.id, package, live=True)

    def _origin(self, ref: str) -> tuple[str, str] | None:
        """Return identifier and name of the dataset that a record came from."""
        newest = self._node.newest(ref)
        ours = newest.body.get("shahrdad", {}) if newest else {}
        origin = ours.get("bridge", {})
        if origin.get("source") != self._source.name:
            return None
        return origin["package"], origin["name"]

    # --- listing

    def _enumerate(self, run: Run) -> tuple[Run, ShahrdadError | None]:
        """Read every page; return the run, and what ended it before its end."""
        cursor = run.cursor
        try:
            if cursor.count is None:
                cursor = replace(cursor, count=self._count())
                self._ledger.move(run.id, cursor)
            cursor = self._read_pages(run, cursor)
            distinct = len(self._ledger.seen(run.id))
            if is_doubtful(cursor, distinct, self._count()):
                cursor = by_offset(cursor)
                self._ledger.move(run.id, cursor, forget=True)
                self._read_pages(run, cursor)
        except FAULTS as error:
            return self._ledger.run(run.id), error
        return self._ledger.run(run.id), None

    def _read_pages(self, run: Run, cursor: Cursor) -> Cursor:
        """Read to the end, by keyset or, where the portal refuses that, by offsets."""
        while not cursor.ended:
            try:
                found = self._site.search(cursor.query(self._source.settings.fq))
            except PeerError:
                if cursor.method == "offset" or not cursor.last:
                    raise
                cursor = by_offset(cursor)
                self._ledger.move(run.id, cursor, forget=True)
                continue
            cursor = self._take(run, cursor, found)
        return cursor

    def _count(self) -> int:
        return self._site.search(Query(self._source.settings.fq, 0, rows=0)).count

    def _take(self, run: Run, cursor: Cursor, found: Found) -> Cursor:
        """Note a page, and return where to go on."""
        ids = [package_id(raw) for raw in found.packages]
        usable = [number for number in ids if number is not None]
        new = self._ledger.new_on_page(run.id, usable, cursor.turn)
        after = advance(cursor, ids, new=new)
        if after.method != cursor.method:
            self._ledger.move(run.id, after, forget=True)
        elif after.turn != cursor.turn or after.ended:
            self._ledger.move(run.id, after)
        else:
            page = [
                _noted(number, raw)
                for number, raw in zip(ids, found.packages, strict=True)
                if number is not None
            ]
            self._ledger.note_page(run.id, after, page)
        return after

    # --- deciding

    def _decide(self, run: Run, *, sound: bool) -> None:
        """Decide about every dataset, and whether a person has to look first."""
        complete = sound and self._is_complete(run)
        look = self._look(run)
        if sound and not self._source.settings.fq:
            self._compare_with_list(look)
        known = self._ledger.held(self._source.id)
        held = {number: item.digest for number, item in known.items() if item.live}
        if self._desk is not None:
            held = self._desk.expected(held)
        missing = compare(held, look.digests).missing
        rows: list[tuple[str, str, Digest | None, Decision]] = [
            (package, known[package].name, None, decision)
            for package, decision in self._judge_all(missing, complete, look).items()
        ]
        compared = compare(held, look.digests)
        for decision, packages in (
            (Decision.NEW, compared.new),
            (Decision.CHANGED, compared.changed),
            (Decision.UNCHANGED, compared.unchanged),
        ):
            rows += [
                (package, look.names[package], look.digests[package], decision)
                for package in packages
            ]
        self._ledger.decide(
            run.id,
            rows,
            complete=complete,
            brake=brake(
                held=len(held),
                seen=max(len(look.digests), 0 if sound else 1),
                gone=sum(decision is Decision.GONE for *_, decision in rows),
                changed=sum(held[p] is not None for p in compared.changed),
            ),
        )

    def _is_complete(self, run: Run) -> bool:
        """Tell whether the enumeration may speak of what it did not see."""
        cursor = run.cursor
        turns = 3 if cursor.method == "offset" else 1
        if not cursor.sound or not self._ledger.seen_in_all_turns(run.id, turns):
            return False
        try:
            after = self._count()
        except FAULTS:
            return False
        distinct = len(self._ledger.seen(run.id))
        return is_complete(cursor.count, after, distinct, ended=cursor.ended)

    def _look(self, run: Run) -> Look:
        look = Look()
        for item in self._ledger.seen(run.id):
            look.names[item.package] = item.name
            if not item.name:
                look.spoilt.add(item.package)
            elif item.digest is not None:
                look.digests[item.package] = item.digest
        return look

    def _compare_with_list(self, look: Look) -> None:
        """Ask about what index and database of the portal see differently.

        A portal without that list, or with a very different one, is taken as its index
        shows it.
        """
        try:
            names = self._site.names()
        except FAULTS:
            return
        enumerated = {look.names[package]: package for package in look.digests}
        hidden = names - enumerated.keys()
        ghosts = enumerated.keys() - names
        if not names or not worth_asking(len(hidden) + len(ghosts), len(enumerated)):
            return
        for name in sorted(hidden):
            shown = self._site.show(name)
            number = package_id(shown.package)
            if shown.package is None or number is None or number in look.digests:
                continue
            look.names[number] = name
            look.digests[number] = change_digest(shown.package)
        for name in sorted(ghosts):
            package = enumerated[name]
            word = self._site.show(package).word
            if word is Word.GONE:
                del look.digests[package]
                look.words[package] = word

    def _judge_all(
        self, missing: tuple[str, ...], complete: bool, look: Look
    ) -> dict[str, Decision]:
        """Decide about the held datasets that were not enumerated.

        One that the portal shows all the same joins what was seen.
        """
        found: dict[str, Decision] = {}
        nothing_seen = not look.digests
        for package in missing:
            if package in look.spoilt:
                continue  # enumerated: it fails by itself
            if not complete:
                found[package] = Decision.KEPT
                continue
            if nothing_seen:  # the brake holds the run; each is asked about later
                found[package] = Decision.GONE
                continue
            word = look.words.get(package)
            if word is None:
                shown = self._site.show(package)
                word = shown.word
                if shown.package is not None:
                    look.digests[package] = change_digest(shown.package)
                    look.names[package] = read(shown.package).name
                    continue
            found[package] = judge_missing(complete, word)
        return found

    # --- applying

    def _apply(self, run: Run, fault: ShahrdadError | None) -> dict[str, Any]:
        """Apply what is left of a run, and end it."""
        known = self._ledger.held(self._source.id)
        city = self._node.config.node.city
        own = self._node.catalog.list(city=city, withdrawn=True)
        self._taken = {item.slug for item in known.values()}
        self._taken |= {dataset.slug for dataset in own}
        for item in self._ledger.seen(run.id):
            if item.outcome is None:
                try:
                    self._apply_one(run, item, known.get(item.package))
                except ShahrdadError as error:
                    self._ledger.settle(
                        run,
                        item.package,
                        "failed",
                        error=error.reason.value,
                        detail=str(error)[:500],
                    )
        run = self._ledger.run(run.id)
        state = "done" if run.complete else "incomplete"
        report = self._report(run, state, fault)
        self._ledger.set_state(run.id, state, ended=publish.now(), report=report)
        return report

    def _report(
        self, run: Run, state: str, fault: ShahrdadError | None = None
    ) -> dict[str, Any]:
        return report_of(self._node, self._source, run, state, fault)

    def _apply_one(self, run: Run, item: Seen, held: Held | None) -> None:
        if self._desk is not None and self._desk.has_waiting(run, item):
            return
        match item.decision:
            case Decision.NEW | Decision.CHANGED:
                self._write(run, item, held)
            case Decision.UNCHANGED:
                news, faults = self._keeper.has_news(item.package)
                if news:
                    self._write(run, item, held)
                else:
                    self._ledger.settle(
                        run,
                        item.package,
                        "unchanged",
                        digest=item.digest,
                        faults=faults,
                    )
            case Decision.GONE if held is not None:
                self._withdraw(run, item, held)
            case None if not item.name:
                raise PeerError(
                    Reason.MALFORMED, field=f"package {item.package}", detail="no name"
                )
            case _:
                self._ledger.settle(run, item.package, "kept")

    def _write(self, run: Run, item: Seen, held: Held | None) -> None:
        """Publish the next version of a dataset, as the portal's database has it."""
        shown = self._site.show(item.package)
        if shown.word is Word.GONE:  # the index had it still: the next run will see
            self._ledger.settle(run, item.package, "skipped", detail="gone meanwhile")
            return
        if shown.package is None:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self._source.url, detail=item.name
            )
        package = read(shown.package)
        slug = held.slug if held else self._new_slug(package.id, package.name)
        ref = f"{self._node.config.node.city}/{slug}"
        newest = self._node.newest(ref)
        if held is not None and held.live and newest is not None and not newest.live:
            self._ledger.settle(
                run, item.package, "skipped", detail="withdrawn here by hand"
            )
            return
        self._ledger.keep(self._source.id, package.id, slug, package.name, live=False)
        if self._desk is not None:
            shelf = self._desk.shelf(package.id)
        else:
            shelf = Shelf(Area.OBJECT, "job", ref)
        contents = self._keeper.gather(package, ref, shelf)
        outcome: Outcome = "unchanged"
        with self._node.database.exclusive("publish"):
            before, body = self._next_version(package, slug, contents)
            if not _says_the_same(before, body):
                if self._desk is not None:
                    self._desk.put(run, item, package, body, contents, before)
                    outcome = "submitted"
                else:
                    self._node.append_put(f"ds/{slug}", strict_json.canonical(body))
                    self._node.projection.follow()
                    outcome = "published"
        self._ledger.settle(
            run,
            item.package,
            outcome,
            digest=None if contents.come_back else item.digest,
            faults=contents.faults,
        )

    def _next_version(
        self, package: Package, slug: str, contents: Contents
    ) -> "tuple[Newest | None, dict[str, Any]]":
        """Return the newest version and the record of the next.

        Raises:
            DataError: TOO_LARGE.
        """
        self._node.projection.follow()
        before = self._node.newest(f"{self._node.config.node.city}/{slug}")
        body = records.build(
            self._node, self._source, package, slug, contents, before, publish.now()
        )
        size = len(strict_json.canonical(body))
        if size > RECORD_BYTES_MAX:
            raise DataError(
                Reason.TOO_LARGE, size_bytes=size, size_bytes_max=RECORD_BYTES_MAX
            )
        return before, body

    def _new_slug(self, package: str, name: str) -> str:
        """Return a slug that no other dataset of the city has or had."""
        slug = dataset_slug(self._source.name, name, package, self._taken)
        self._taken.add(slug)
        return slug

    def _withdraw(self, run: Run, item: Seen, held: Held) -> None:
        """Write a tombstone, if the portal still says that the dataset is gone."""
        if self._site.show(item.package).word is not Word.GONE:
            self._ledger.settle(run, item.package, "kept")
            return
        outcome: Outcome = "withdrawn"
        try:
            if self._desk is not None:
                self._desk.withdraw(run, item, held.slug)
                outcome = "submitted"
            else:
                # Before the tombstone: else a kill between the two would look as if a
                # person had withdrawn it, and one that comes back would stay away.
                self._ledger.set_live(self._source.id, item.package, live=False)
                ref = f"{self._node.config.node.city}/{held.slug}"
                publish.withdraw(self._node, ref)
        except ConflictError as error:
            if error.reason is not Reason.ALREADY_WITHDRAWN:
                raise
            self._ledger.set_live(self._source.id, item.package, live=False)
        self._ledger.settle(run, item.package, outcome)


def _says_the_same(before: "Newest | None", body: dict[str, Any]) -> bool:
    """Tell whether the newest version needs no next one."""
    return (
        before is not None
        and before.live
        and records.content(before.body) == records.content(body)
    )


def _noted(number: str, raw: Any) -> tuple[str, str, Digest | None]:
    """Return identifier, name and digest of an enumerated dataset.

    No name stands for one that cannot be read, no digest for one that is not public.
    """
    try:
        package = read(raw)
    except PeerError:
        return number, "", None
    return number, package.name, change_digest(raw) if package.open else None
