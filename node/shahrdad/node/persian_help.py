"""The help of the command in Persian: `shahrdad --help`, `shahrdad COMMAND --help`.

cyclopts builds each page from the signatures; what it says in English stands in
`command_table` and in docstrings. Here the same page is written with the texts of
`commands/fa.toml`, by command and by option:

    shahrdad token list --help --lang fa
      → texts.command("token list")["help"], texts.option("token list", "--user")

A line begins with the word to type, so that a terminal that turns Persian round keeps
the columns; nothing is framed or broken into lines, which it would scramble.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

LABEL_COLUMNS_MAX = 30
ROOT = "shahrdad"
EVERY = "every"


@dataclass(frozen=True, slots=True)
class HelpTexts:
    """The Persian texts, by the words that call a command."""

    sections: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls) -> "HelpTexts":
        """Read the file of the texts."""
        file = files("shahrdad.node.commands") / "fa.toml"
        return cls(tomllib.loads(file.read_text("utf-8")))

    @property
    def page(self) -> Mapping[str, str]:
        """The words around the texts: headings, and what is said of a value."""
        return self.sections["page"]

    def command(self, words: str) -> Mapping[str, str]:
        """Return `help` and perhaps `more` of a command."""
        return self.sections[words or ROOT]

    def option(self, words: str, name: str) -> str:
        """Return what an argument or option of a command means."""
        own = self.sections[words or ROOT]
        return own.get(name) or self.sections[EVERY][name]


class PersianHelp:
    """Writes the pages; cyclopts calls it with what it found in the signatures."""

    def __init__(self, app: "App", words: Sequence[str]) -> None:
        self._app = app
        self._words = words

    @cached_property
    def texts(self) -> HelpTexts:
        """The texts, read when the first page is written."""
        return HelpTexts.read()

    @cached_property
    def command(self) -> str:
        """The words that call the command whose page this is."""
        chain, _, _ = self._app.parse_commands(self._words)
        return " ".join(word for word in chain if not word.startswith("-"))

    def render_usage(
        self, console: "Console", options: "ConsoleOptions", usage: object
    ) -> None:
        """Write how the command is called."""
        line = f"{self.texts.page['usage']}: {str(usage).strip()}\n"
        console.out(line, highlight=False)

    def render_description(
        self, console: "Console", options: "ConsoleOptions", description: object
    ) -> None:
        """Write what the command does."""
        texts = self.texts.command(self.command)
        for name in ("help", "more"):
            if name in texts:
                console.out(texts[name] + "\n", highlight=False)

    def __call__(
        self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel"
    ) -> None:
        """Write the commands, or the arguments and options."""
        if not panel.entries:
            return
        labels = [_label(entry) for entry in panel.entries]
        width = min(max(map(len, labels)), LABEL_COLUMNS_MAX)
        heading = "commands" if panel.format == "command" else "arguments"
        console.out(f"{self.texts.page[heading]}:", highlight=False)
        for label, entry in zip(labels, panel.entries, strict=True):
            console.out(f"  {label:<{width}}  {self._said(entry)}", highlight=False)
        console.out("", highlight=False)
        if not self.command:
            console.out(self.texts.page["exit_codes"], highlight=False)

    def _said(self, entry: "HelpEntry") -> str:
        """Return the text of a line, with what its value may be."""
        name = entry_name(entry)
        if name.startswith("-") or entry.positional_label:
            text = self.texts.option(self.command, name)
        else:
            text = self.texts.command(f"{self.command} {name}".strip())["help"]
        page = self.texts.page
        notes = []
        if entry.required:
            notes.append(page["required"])
        if entry.choices:
            notes.append(page["choices"].format(values=", ".join(entry.choices)))
        if entry.default:
            notes.append(page["default"].format(value=entry.default))
        return f"{text} [{'؛ '.join(notes)}]" if notes else text


def speak_persian(app: "App", words: Sequence[str]) -> None:
    """Let the pages of the command be Persian."""
    app.help_format = "plaintext"  # the English one waits for a reader of markup
    app.help_epilogue = ""
    app.help_formatter = PersianHelp(app, words)


def entry_name(entry: "HelpEntry") -> str:
    """Return the name by which the file of the texts knows a line of a page."""
    names = (*entry.positive_names, *entry.positive_shorts)
    return names[0] if names else entry.positional_label or ""


def _label(entry: "HelpEntry") -> str:
    """Return what a person types: `FILE`, `--sheet STR`, `user`."""
    if entry.positional_label:
        return entry.positional_label
    names = (*entry.positive_names, *entry.positive_shorts)
    label = ", ".join(names)
    return f"{label} {entry.metavar}" if entry.metavar else label
