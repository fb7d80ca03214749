"""Giving a portal our catalog: idempotent, dataset by dataset, and only what is ours.

The ledger knows what was given last, so a second run asks the portal nothing. With
`check` every dataset is compared with the portal's own, and what somebody changed there
is put right.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
    ShahrdadError,
)
from shahrdad.federation.bridge.outward import Step, digest, owner, steps, wanted
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Source
from shahrdad.node.http.ckan.dictionaries import package
from shahrdad.node.http.dataset_object import show

if TYPE_CHECKING:
    from shahrdad.federation.bridge.site import CkanSite
    from shahrdad.node.catalog import Dataset
    from shahrdad.node.city import Node

DELETED = Digest.of(b"deleted")


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be told of one dataset."""

    ref: str
    steps: tuple[Step, ...]
    digest: Digest


class OutwardBridge:
    """Gives one portal the city's own datasets.

    Args:
        node: The node.
        source: The portal, with its settings.
        site: The portal, opened with the token.
    """

    def __init__(self, node: "Node", source: Source, site: "CkanSite") -> None:
        self._node = node
        self._source = source
        self._site = site
        self._ledger = Ledger(node.database.connect)

    def push(self, *, dry_run: bool = False, check: bool = False) -> dict[str, Any]:
        """Bring the portal up to our catalog.

        Args:
            dry_run: Plan and tell, but write nothing.
            check: Compare every dataset, also those that were given as they are.

        Returns:
            Counts, the plan, and what failed, by reference.
        """
        with self._node.database.exclusive("bridge"):
            self._node.projection.follow()
            given = self._ledger.pushed(self._source.id)
            report: dict[str, Any] = {
                "source": self._source.name,
                "dry_run": dry_run,
                "counts": {"given": 0, "unchanged": 0, "deleted": 0, "failed": 0},
                "plan": [],
                "failed": [],
            }
            for dataset in self._datasets():
                try:
                    self._one(dataset, given, report, dry_run=dry_run, check=check)
                except ShahrdadError as error:
                    self._failed(dataset.ref, error, report, dry_run=dry_run)
            return report

    def _datasets(self) -> "list[Dataset]":
        """Return the city's datasets, withdrawn ones too; not what came from CKAN."""
        city = self._node.config.node.city
        found = self._node.catalog.list(city=city, withdrawn=True)
        return [dataset for dataset in found if not dataset.slug.startswith("ckan-")]

    def _one(
        self,
        dataset: "Dataset",
        given: dict[str, Digest | None],
        report: dict[str, Any],
        *,
        dry_run: bool,
        check: bool,
    ) -> None:
        """Plan one dataset, and tell the portal."""
        live = dataset.state == "live"
        ours = self._wanted(dataset) if live else None
        target = digest(ours) if ours is not None else DELETED
        if given.get(dataset.ref) == target and not check:
            report["counts"]["unchanged"] += 1
            return
        found = self._found(dataset)
        planned = self._deletion(found) if ours is None else steps(found, ours)
        if planned:
            report["plan"].append(
                {"ref": dataset.ref, "actions": [step.action for step in planned]}
            )
            report["counts"]["given" if live else "deleted"] += 1
        else:
            report["counts"]["unchanged"] += 1
        if dry_run:
            return
        for step in planned:
            self._site.tell(step.action, step.values)
        self._ledger.note_pushed(self._source.id, dataset.ref, target)

    def _wanted(self, dataset: "Dataset") -> dict[str, Any]:
        """Return a dataset as it is to be at the portal."""
        settings = self._source.settings
        _, version = self._node.catalog.version(dataset.ref)
        return wanted(
            package(show(self._node, dataset, version)),
            organization=settings.organization,
            with_id=settings.send_ids,
        )

    def _found(self, dataset: "Dataset") -> dict[str, Any] | None:
        """Return the portal's package of a dataset, or None where there is none.

        Raises:
            ConflictError: NOT_OUR_PACKAGE: the name belongs to somebody else there.
        """
        try:
            found = self._site.ask("package_show", {"id": dataset.name})
        except RequestError as error:
            if error.reason is not Reason.SITE_ANSWER:
                raise
            return None
        if not isinstance(found, dict) or owner(found) != dataset.ref:
            raise ConflictError(
                Reason.NOT_OUR_PACKAGE, name=dataset.name, url=self._source.url
            )
        return found

    def _deletion(self, found: dict[str, Any] | None) -> list[Step]:
        if found is None or found.get("state") == "deleted":
            return []
        return [Step("package_delete", {"id": found.get("id")})]

    def _failed(
        self, ref: str, error: ShahrdadError, report: dict[str, Any], *, dry_run: bool
    ) -> None:
        report["counts"]["failed"] += 1
        report["failed"].append(
            {"ref": ref, "reason": error.reason.value, "detail": str(error)[:500]}
        )
        if not dry_run:
            self._ledger.note_pushed(
                self._source.id,
                ref,
                None,
                error=error.reason.value,
                detail=str(error)[:500],
            )
