"""One real node for all judges: the city's example datasets, served over HTTP.

`SHAHRDAD_JUDGE_URL` names a node that runs already, so that the judges can live in an
environment without Shahrdad; else a node is made and served here.
"""

import http.client
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

NOT_SERVED = "this node does not serve"


@dataclass(frozen=True)
class Served:
    """A node that answers."""

    url: str

    def get(self, path: str) -> bytes:
        """Return what an address answers with, skipping where there is none.

        A skip says which address is missing, so no judge is left out silently.
        """
        status, body = self.ask(path)
        if status == 404:
            pytest.skip(f"{NOT_SERVED} {path}")
        assert 200 == status, (path, body[:500])
        return body

    def ask(self, path: str) -> tuple[int, bytes]:
        """Return status and body of an address."""
        parts = urlsplit(path if "://" in path else self.url + path)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            query = f"?{parts.query}" if parts.query else ""
            connection.request("GET", parts.path + query)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """Return a JSON document."""
        return json.loads(self.get(path))

    @property
    def datasets(self) -> list[dict[str, Any]]:
        """The dataset objects of the city, with tables."""
        return _datasets(self)


def _datasets(served: Served) -> list[dict[str, Any]]:
    items = served.json("/v1/datasets?limit=100")["items"]
    found = [served.json(f"/v1/datasets/{item['ref']}") for item in items]
    return [one for one in found if one["resources"]]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node with the examples of its city."""
    given = os.environ.get("SHAHRDAD_JUDGE_URL")
    if given:
        yield Served(given.rstrip("/"))
        return
    pytest.importorskip("shahrdad.node.serving", reason="no node, and none is named")
    from judged_node import serve_examples

    with serve_examples(tmp_path_factory.mktemp("judged")) as url:
        yield Served(url)
