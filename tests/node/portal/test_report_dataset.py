"""The monthly report as a dataset: a version, a receipt, the same figures."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from node_world import make_node, publish_example
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.analysis import monthly
from shahrdad.node.analysis.month import Month
from shahrdad.node.city import Node
from shahrdad.node.download import TEHRAN
from shahrdad.node.http.app import create_app
from shahrdad.node.report_dataset import publish_report, rows


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that signs, with one published dataset."""
    found = make_node(tmp_path_factory.mktemp("report"))
    publish_example(found, "org-units")
    yield found
    found.close()


def month_of_today(node: Node, days_later: int) -> dict[str, Any]:
    """Return the report of this month as it is computed some days later."""
    today = datetime.now(UTC)
    month = Month.of(today.astimezone(TEHRAN).date())
    return monthly.compute(node, month, today + timedelta(days=days_later))


def test_a_report_becomes_a_dataset_once(node: Node) -> None:
    """Its JSON is served by its digest; publishing it again is no new version."""
    report = month_of_today(node, 40)
    first = publish_report(node, report)
    again = publish_report(node, report)
    digest = hashlib.sha256(monthly.content(report)).hexdigest()
    with TestClient(create_app(node)) as client:
        facts = client.get(f"/v1/datasets/{first.ref}").json()
        record = client.get(f"/v1/datasets/{first.ref}/descriptor").json()
        page = client.get(f"/fa/d/{first.ref}")
        file = client.get(f"/mirror/object/{digest[:2]}/{digest}")

    assert (1, False) == (first.version, first.unchanged)
    assert (1, True) == (again.version, again.unchanged)
    assert f"kerman/monthly-report-{report['month']}" == first.ref
    assert facts["family"] is None
    assert digest == record["shahrdad"]["report"]["sha256"]
    assert (200, 200) == (page.status_code, file.status_code)
    assert monthly.content(report) == file.content


def test_the_receipt_holds(node: Node) -> None:
    """The record stands in the city's log."""
    published = publish_report(node, month_of_today(node, 40))

    assert node.receipt(published.ref, published.version)
    assert published.digest == node.catalog.version(published.ref)[1].digest


def test_every_figure_is_a_row(node: Node) -> None:
    """A key names each; what is not known has no row."""
    report = month_of_today(node, 40)
    found = list(rows(report))
    keys = [(row["part"], row["row"], row["name"]) for row in found]

    assert len(keys) == len(set(keys))
    assert {"activity", "inputs"} <= {row["part"] for row in found}
    published = {
        row["name"]: row["value"] for row in found if row["part"] == "activity"
    }
    assert str(report["activity"][0]["published"]) == published["published"]


def test_a_month_under_way_is_not_published(node: Node) -> None:
    """It would be another report a minute later."""
    with pytest.raises(RequestError) as caught:
        publish_report(node, month_of_today(node, 0))
    assert Reason.MONTH_NOT_OVER is caught.value.reason
