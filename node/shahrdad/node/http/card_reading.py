"""Reading cards: JSON that lies ready, for lists.

The lasting part of a dataset object lies on its card. What passes is put behind it: how
late the next version is, how well the log is confirmed, whether the objects lie here.
A catalog in another form needs the lasting part alone.
"""

from collections.abc import Sequence
from datetime import date, datetime

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.catalog import Dataset
from shahrdad.node.http.answers import dump
from shahrdad.node.http.dataset_object import (
    Verifications,
    document,
    holds,
    late_days,
    show,
)
from shahrdad.node.http.view import NodeView

DIGEST_BYTES = 32


class Rooted:
    """Puts this node's public address where cards have another.

    The command that publishes and the service that answers may be configured apart;
    until the service makes such cards again, they are put right when they are read.

    Args:
        node: Whose.
    """

    def __init__(self, node: NodeView) -> None:
        own = node.config.public_url
        rows = node.database.connect().execute(
            "SELECT DISTINCT root FROM card_form WHERE root <> ?", (own,)
        )
        self._own = f'"{own}/'.encode()
        self._others = [f'"{root}/'.encode() for (root,) in rows]

    @property
    def is_own(self) -> bool:
        """Whether all cards have this node's address."""
        return not self._others

    def written(self, json: bytes) -> bytes:
        """Return the JSON of cards as this node sends it."""
        for other in self._others:
            json = json.replace(other, self._own)
        return json


class Documents:
    """Writes dataset objects, for one answer.

    Args:
        node: Whose.
        at: The present.
    """

    def __init__(self, node: NodeView, at: datetime) -> None:
        self._node = node
        self._at = at
        self._own = node.config.node.city
        self._rooted = Rooted(node)
        self._verifications = Verifications(node.federation_status())
        logs = node.database.connect().execute("SELECT id, origin FROM log").fetchall()
        self._origins: dict[int, str] = dict(logs)
        self._sizes: dict[int, int] = {}
        self._passing: dict[tuple[str | None, int, bool, bool], bytes] = {}

    def of(self, numbers: Sequence[int]) -> list[bytes]:
        """Return datasets by row number, each as JSON."""
        marks = ",".join("?" * len(numbers))
        rows = self._node.database.connect().execute(
            "SELECT c.dataset, t.json, c.due, c.log, c.idx, c.city, c.objects"  # noqa: S608
            " FROM card c JOIN card_document t ON t.dataset=c.dataset"
            f" WHERE c.dataset IN ({marks})",
            numbers,
        )
        found = {number: self._written(*row) for number, *row in rows}
        missing = [number for number in numbers if number not in found]
        for dataset in self._node.catalog.by_ids(missing) if missing else ():
            found[dataset.id] = self._made(dataset)
        return [found[number] for number in numbers if found.get(number)]

    def _written(
        self,
        json: bytes,
        due: str | None,
        log: int,
        index: int,
        city: str,
        objects: bytes,
    ) -> bytes:
        """Return the object of a card; many end alike."""
        held = city == self._own or holds(self._node, city, _digests(objects))
        confirmed = index < self._confirmed(log)
        name = (due, log, confirmed, held)
        passing = self._passing.get(name)
        if passing is None:
            passing = self._passing[name] = self._ending(due, log, index, held)
        return self._rooted.written(json[:-1]) + passing

    def _confirmed(self, log: int) -> int:
        """Return how many entries of a log are confirmed."""
        found = self._sizes.get(log)
        if found is None:
            found = self._verifications.confirmed(self._origins[log])
            self._sizes[log] = found
        return found

    def _ending(self, due: str | None, log: int, index: int, held: bool) -> bytes:
        """Return the members that pass, and the end of the object."""
        day = date.fromisoformat(due) if due else None
        passing = {
            "late_days": late_days(day, self._at),
            "verification": self._verifications.document(self._origins[log], index),
            "held": held,
        }
        return b"," + dump(passing)[1:]

    def _made(self, dataset: Dataset) -> bytes:
        """Return the object of a dataset without a card; none without a record."""
        try:
            shown = show(self._node, *self._node.catalog.version(dataset.ref))
        except ShahrdadError:
            return b""
        return dump(document(shown, at=self._at))


def lasting_documents(node: NodeView, numbers: Sequence[int]) -> list[bytes]:
    """Return what lasts of dataset objects by row number, each as JSON.

    A dataset whose card is gone since its number was read is left out.

    Args:
        node: Whose.
        numbers: At most as many as one statement takes.
    """
    rooted, marks = Rooted(node), ",".join("?" * len(numbers))
    found = dict(
        node.database.connect()
        .execute(
            f"SELECT dataset, json FROM card_document WHERE dataset IN ({marks})",  # noqa: S608
            numbers,
        )
        .fetchall()
    )
    return [rooted.written(found[number]) for number in numbers if number in found]


def _digests(objects: bytes) -> list[Digest]:
    return [
        Digest(objects[start : start + DIGEST_BYTES])
        for start in range(0, len(objects), DIGEST_BYTES)
    ]
