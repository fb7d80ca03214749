"""Structured logs: for people on a terminal, JSON lines otherwise; always on stderr."""

import logging
import sys
from typing import cast

import structlog

from shahrdad.node.config import LogsSection

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up(section: LogsSection, **bound: str) -> structlog.stdlib.BoundLogger:
    """Configure logging for the process, and return its first logger.

    Args:
        section: Level and format.
        bound: What every line says, for example `city`.
    """
    readable = section.format == "console" or (
        section.format == "auto" and sys.stderr.isatty()
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[section.level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger().bind(**bound)
    return cast("structlog.stdlib.BoundLogger", logger)
