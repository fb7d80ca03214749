"""What a command says: data on stdout, words for people on stderr.

stdout carries JSON or a plain table that another program can read; everything else
(progress, what to do next, errors) goes to stderr, in Persian or English.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from shahrdad.datasets.errors import ShahrdadError

if TYPE_CHECKING:
    from rich.console import Console

Language = Literal["fa", "en"]


def language_of_environment() -> Language:
    """Return the language of `SHAHRDAD_LANG` or of the locale; English otherwise."""
    names = ("SHAHRDAD_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    found = next((os.environ[name] for name in names if os.environ.get(name)), "")
    return "fa" if found.startswith("fa") else "en"


def language_of(words: Sequence[str]) -> Language:
    """Return the language of `--lang` among a command's words, else the environment's.

    For what is said before the words are understood: help, and what is wrong with them.
    """
    for word, following in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if name == "--lang" and (value or following) in ("fa", "en"):
            return "fa" if (value or following) == "fa" else "en"
    return language_of_environment()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Common:
    """Options that every command has.

    Attributes:
        config: The configuration file, or the folder that holds shahrdad.toml.
        json: Print JSON on stdout.
        lang: Language of messages: fa or en.
        quiet: Say nothing but errors.
    """

    config: Annotated[Path | None, Parameter(name=["--config", "-c"])] = None
    json: Annotated[bool, Parameter(name="--json", negative="")] = False
    lang: Annotated[Language | None, Parameter(name="--lang")] = None
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False

    @property
    def language(self) -> Language:
        """The language to speak."""
        return self.lang or language_of_environment()

    def text(self, fa: str, en: str) -> str:
        """Return the sentence in the language to speak."""
        return fa if self.language == "fa" else en

    def say(self, fa: str, en: str) -> None:
        """Tell a person something, on stderr."""
        if not self.quiet:
            stderr().print(self.text(fa, en), highlight=False, soft_wrap=True)

    def next_step(self, fa: str, en: str) -> None:
        """Name the next sensible command."""
        self.say(f"→ {fa}", f"→ {en}")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table: for people on a terminal, tab-separated into a pipe."""
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.table import Table

            table = Table(*columns, box=None, pad_edge=False)
            for row in rows:
                table.add_row(*map(_cell, row))
            Console().print(table)
            return
        sys.stdout.write("\t".join(columns) + "\n")
        for row in rows:
            sys.stdout.write("\t".join(map(_cell, row)) + "\n")

    @contextmanager
    def progress(self, fa: str, en: str) -> Iterator["Progress"]:
        """Show the progress of something that may take over two seconds."""
        if self.quiet or not sys.stderr.isatty():
            yield Progress(None, None)
            return
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=stderr(), transient=True) as bars:
            task = bars.add_task(self.text(fa, en), total=None, detail="")
            yield Progress(bars, task)


class Progress:
    """One bar; without a terminal it does nothing."""

    def __init__(self, bars: Any, task: Any) -> None:
        self._bars = bars
        self._task = task

    def update(self, done: int, total: int | None, detail: str = "") -> None:
        """Show how far it came."""
        if self._bars is not None:
            self._bars.update(self._task, completed=done, total=total, detail=detail)


def _cell(value: object) -> str:
    """Return a table's cell; nothing for None."""
    return "" if value is None else str(value)


def stderr() -> "Console":
    """Return the console for people."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(value: object) -> None:
    """Print JSON on stdout, Persian letters as they are."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def problem(error: ShahrdadError) -> Mapping[str, Any]:
    """Return an error as a problem document (RFC 9457)."""
    slug = error.reason.value.lower().replace("_", "-")
    return {
        "type": f"urn:shahrdad:problem:{slug}",
        "title": error.reason.value,
        "detail": error.text("fa"),
        "messages": {"fa": error.text("fa"), "en": error.text("en")},
        "reason": error.reason.value,
        "values": error.values,
    }
