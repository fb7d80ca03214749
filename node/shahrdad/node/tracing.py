"""Traces (OpenTelemetry): requests, rounds and publications, where it is switched on.

Off, which is the default, a span costs a comparison, and nothing of OpenTelemetry is
imported. On, spans go to the collector of `tracing.endpoint` by OTLP over HTTP. They
carry templates of addresses, numbers of requests and counts: no query, no name, no
address of a reader, so a collector learns nothing that the log does not say.

>>> from shahrdad.node import tracing
>>> with tracing.span("round", peers=3) as traced:
...     traced is None
True
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

    from shahrdad.node.config import Config

Value = str | int | float | bool
_LOCK = threading.Lock()
_tracer: "Tracer | None" = None


def is_on() -> bool:
    """Tell whether spans are made."""
    return _tracer is not None


def set_up(
    config: "Config", exporter: "SpanExporter | None" = None
) -> Callable[[], None]:
    """Switch tracing on for this process, where the configuration says so.

    Args:
        config: The node's.
        exporter: Where spans go, in place of the collector.

    Returns:
        What sends the last spans and switches tracing off.

    Raises:
        RequestError: PACKAGE_ABSENT: the extra `otel` is not installed.
    """
    global _tracer
    if exporter is None and not config.tracing.endpoint:
        return lambda: None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise RequestError(
            Reason.PACKAGE_ABSENT, package="opentelemetry-sdk"
        ) from error
    provider = TracerProvider(
        resource=Resource(
            {
                "service.name": "shahrdad",
                "service.version": version("shahrdad"),
                "service.instance.id": config.node.city,
            }
        ),
        sampler=ParentBased(TraceIdRatioBased(config.tracing.percent / 100)),
        shutdown_on_exit=False,
    )
    sink = exporter or _collector(config.tracing.endpoint)
    provider.add_span_processor(BatchSpanProcessor(sink))
    with _LOCK:
        _tracer = provider.get_tracer("shahrdad", version("shahrdad"))

    def end() -> None:
        global _tracer
        with _LOCK:
            _tracer = None
        provider.shutdown()

    return end


def _collector(endpoint: str) -> "SpanExporter":
    """Return what sends spans to a collector.

    Raises:
        RequestError: PACKAGE_ABSENT.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )
    except ImportError as error:
        package = "opentelemetry-exporter-otlp-proto-http"
        raise RequestError(Reason.PACKAGE_ABSENT, package=package) from error
    return OTLPSpanExporter(endpoint=endpoint)


@contextmanager
def span(name: str, **attributes: Value) -> "Iterator[Span | None]":
    """Make a span of what is done inside; also a decorator of a function.

    An error of ours is noted by its reason, never by its text: that has values.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace import Status, StatusCode

    known = {f"shahrdad.{key}": value for key, value in attributes.items()}
    with _tracer.start_as_current_span(
        name, attributes=known, record_exception=False, set_status_on_exception=False
    ) as made:
        try:
            yield made
        except Exception as error:
            kind = (
                error.reason.value
                if isinstance(error, ShahrdadError)
                else type(error).__name__
            )
            made.set_attribute("error.type", kind)
            made.set_status(Status(StatusCode.ERROR))
            raise


__all__ = ["is_on", "set_up", "span"]
