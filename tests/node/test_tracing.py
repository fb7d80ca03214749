"""Traces: a span for each request, round and publication; nothing personal in it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from node_world import make_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node import tracing
from shahrdad.node.city import Node
from shahrdad.node.config import TracingSection
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.peering.rounds import run_round
from shahrdad.node.publish import publish


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Return a node that is ready to publish."""
    with make_node(tmp_path) as made:
        yield made


def test_request_publication_and_round_are_spans(node: Node) -> None:
    """Names, template, status and number; the reader's query and address are not in."""
    exporter = InMemorySpanExporter()
    end = tracing.set_up(node.config, exporter)
    try:
        publish(node, handed(find_example("kerman", "org-units")))
        run_round(node)
        with TestClient(create_app(node)) as client:
            secret = "/v1/datasets/kerman/org-units/rows/org-units?limit=7"
            number = client.get(secret).headers["x-request-id"]
            client.get("/v1/datasets/kerman/none")
    finally:
        end()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    rows = "/v1/datasets/{city}/{slug}/rows/{resource}"

    assert {"publish", "round", f"GET {rows}"} <= {*spans}
    told = dict(spans[f"GET {rows}"].attributes or {})
    assert {
        "http.request.method": "GET",
        "http.route": rows,
        "http.response.status_code": 200,
        "shahrdad.request_id": number,
    } == told
    assert "limit=7" not in "".join(span.to_json() for span in spans.values())
    assert not tracing.is_on()


def test_error_is_told_by_its_reason_alone(node: Node) -> None:
    """The text of an error has values; a span has the code."""
    exporter = InMemorySpanExporter()
    end = tracing.set_up(node.config, exporter)
    try:
        with pytest.raises(RequestError), tracing.span("work", rows=3):
            raise RequestError(Reason.FILE_NOT_FOUND, path="/a/secret/path")
    finally:
        end()
    (span,) = exporter.get_finished_spans()

    assert "FILE_NOT_FOUND" == (span.attributes or {})["error.type"]
    assert 3 == (span.attributes or {})["shahrdad.rows"]
    assert "secret" not in span.to_json()
    assert "ERROR" == span.status.status_code.name


def test_spans_follow_each_other(node: Node) -> None:
    """What is done inside a span is its child."""
    exporter = InMemorySpanExporter()
    end = tracing.set_up(node.config, exporter)
    with tracing.span("outer"), tracing.span("inner"):
        pass
    end()
    inner, outer = exporter.get_finished_spans()

    assert inner.parent is not None
    assert outer.context is not None
    assert outer.context.span_id == inner.parent.span_id


def test_off_means_nothing(node: Node) -> None:
    """Without an endpoint no span is made; with one, spans wait for the collector."""
    tracing.set_up(node.config)()
    assert not tracing.is_on()
    with tracing.span("work") as made:
        assert made is None
    address = "http://127.0.0.1:1/v1/traces"
    config = replace(node.config, tracing=TracingSection(endpoint=address, percent=0))
    end = tracing.set_up(config)
    assert tracing.is_on()
    with tracing.span("work") as made:
        assert made is not None
        assert not made.is_recording()
    end()
    assert not tracing.is_on()
