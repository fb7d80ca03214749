"""Help and misunderstood calls in Persian: every command, argument and option."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from cyclopts import App

from shahrdad.node.cli import main
from shahrdad.node.command_table import COMMANDS, app
from shahrdad.node.console import language_of
from shahrdad.node.persian_help import EVERY, ROOT, HelpTexts

PERSIAN_LETTER = re.compile("[\u0600-\u06ff]")
ARABIC_LETTER = re.compile("[\u064a\u0643\u0649]")
ENGLISH_SENTENCE = re.compile(r"[A-Za-z][a-z]+ [a-z]+ [a-z]+ [a-z]+")
COMMON = ("--help", "--config", "--json", "--lang", "--quiet")
TEXTS = HelpTexts.read()

Called = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Command:
    """What the English pages say of a command."""

    words: str
    more: bool
    options: dict[str, str]  # English text by first name


@cache
def commands() -> tuple[Command, ...]:
    """Return every command of the tree, with its groups."""
    return tuple(_below(app, ()))


def _below(found: App, path: tuple[str, ...]) -> Iterator[Command]:
    """Yield a command, and what stands below it."""
    paragraphs = inspect.cleandoc(found.help).split("\n\n")[1:]
    options = {}
    if found.default_command is not None:
        for argument in found.assemble_argument_collection(parse_docstring=True):
            if argument.show:
                options[argument.names[0]] = argument.parameter.help or ""
    yield Command(
        " ".join(path) or ROOT,
        any(not text.startswith("Args:") for text in paragraphs),
        options,
    )
    for name in found:
        if not name.startswith("-"):
            yield from _below(found[name], (*path, name))


@pytest.fixture
def called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Called:
    """Return the exit code and both outputs of a call."""
    for name in ("help_format", "help_epilogue", "help_formatter"):
        monkeypatch.setattr(app, name, getattr(app, name))  # put back afterwards

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shahrdad", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_every_command_has_its_persian_texts() -> None:
    """Nobody who reads Persian meets an option that only English explains."""
    missing = [
        f"{command.words}: {name}"
        for command in commands()
        for name in ("help", *["more"] * command.more, *command.options)
        if name not in TEXTS.sections.get(command.words, {})
        and name not in TEXTS.sections[EVERY]
    ]

    assert [] == missing


def test_no_persian_text_outlives_its_command() -> None:
    """A text that nothing shows would be translated again and again."""
    known = {command.words: command for command in commands()}
    left_over = [
        f"{words}: {name}"
        for words, texts in TEXTS.sections.items()
        for name in texts
        if words not in ("page", EVERY)
        and name not in (known[words].options if words in known else ())
        and name != "help"
        and not (name == "more" and words in known and known[words].more)
    ]

    assert [] == left_over
    assert set(TEXTS.sections) - {"page", EVERY} == set(known)


def test_commands_share_a_text_where_they_share_a_meaning() -> None:
    """A text for several commands stands for one English sentence, and is used."""
    english: dict[str, set[str]] = {}
    for command in commands():
        for name, text in command.options.items():
            if name not in TEXTS.sections[command.words]:
                english.setdefault(name, set()).add(text)

    assert {} == {name: found for name, found in english.items() if len(found) > 1}
    assert set(TEXTS.sections[EVERY]) == {*english, "--help", "--version"}


def test_the_texts_are_persian() -> None:
    """Persian letters, no sentence left in English, none with an Arabic yeh or kaf."""
    wrong = [
        f"{words}: {name}"
        for words, texts in TEXTS.sections.items()
        for name, text in texts.items()
        if not PERSIAN_LETTER.search(text)
        or ARABIC_LETTER.search(text)
        or ENGLISH_SENTENCE.search(re.sub("`.*?`", "", text))
    ]

    assert [] == wrong


def test_the_first_page_is_persian(called: Called) -> None:
    """It lists every command, and ends with the exit codes."""
    code, page, _ = called("--help", "--lang", "fa")

    assert 0 == code
    assert page.startswith("کاربرد: shahrdad COMMAND\n")
    assert page.rstrip().endswith(TEXTS.page["exit_codes"])
    for name in COMMANDS:
        assert re.search(
            rf"^  {name} +{re.escape(TEXTS.command(name)['help'])}$", page, re.MULTILINE
        )
    assert not ENGLISH_SENTENCE.search(page)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("validate",), r"  FILE +CSV، TSV.+ \[لازم\]"),
        (("validate",), r"  --mode CHOICE +strict با .+یکی از: strict, compat"),
        (("user", "add"), r"  --role, -r STR... +editor، publisher"),
        (("user",), r"  second-factor +به کسی عامل دوم"),
        (("search",), r"  WORDS +همه باید باشند"),
    ],
)
def test_a_page_explains_in_persian(
    words: tuple[str, ...], line: str, called: Called
) -> None:
    """The name as it is typed, what it means, what its value may be."""
    code, page, _ = called(*words, "--help", "--lang=fa")

    assert 0 == code
    assert page.startswith(f"کاربرد: shahrdad {' '.join(words)} ")
    assert TEXTS.command(" ".join(words))["help"] in page
    assert re.search(line, page)
    assert not ENGLISH_SENTENCE.search(page)


@pytest.mark.parametrize(
    ("words", "reason", "named"),
    [
        (("pubish",), "COMMAND_UNKNOWN", "publish"),
        (("user", "ad"), "COMMAND_UNKNOWN", "add"),
        (("validate",), "OPTION_MISSING", "FILE"),
        (("user", "add", "karimi"), "OPTION_MISSING", "--role"),
        (("validate", "f", "--unit"), "OPTION_WITHOUT_VALUE", "--unit"),
        (("validate", "f", "--uint", "rial"), "PARAMETER_UNKNOWN", "--unit"),
        (("validate", "f", "--mode=loose"), "PARAMETER_VALUE", "strict, compat"),
        (("validate", "f", "--threads", "two"), "PARAMETER_VALUE", "1, 2, 3"),
        (("validate", "f", "--unit", "a", "--unit", "b"), "OPTION_REPEATED", "--unit"),
        (("doctor", "now"), "WORDS_LEFT_OVER", "now"),
    ],
)
@pytest.mark.parametrize(("language", "other"), [("fa", "en"), ("en", "fa")])
def test_a_misunderstood_call_is_an_error_like_others(
    words: tuple[str, ...],
    reason: str,
    named: str,
    language: str,
    other: str,
    called: Called,
) -> None:
    """A sentence with the way out and the reason; a document for programs; code 2."""
    code, out, said = called(*words, "--json", "--lang", language)
    problem = json.loads(out)

    assert 2 == code
    assert reason == problem["reason"]
    assert f"{problem['messages'][language]} ({reason})\n" == said
    assert named in said
    assert bool(PERSIAN_LETTER.search(said)) == (language == "fa")
    assert problem["messages"][other] not in said


@pytest.mark.parametrize(
    ("words", "environment", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "fa_IR.UTF-8"}, "fa"),
        ([], {"LANG": "fa_IR.UTF-8", "SHAHRDAD_LANG": "en"}, "en"),
        (["--lang", "fa"], {"SHAHRDAD_LANG": "en"}, "fa"),
        (["publish", "--lang=en"], {"SHAHRDAD_LANG": "fa"}, "en"),
        (["--lang"], {"SHAHRDAD_LANG": "fa"}, "fa"),
        (["--lang", "de"], {}, "en"),
    ],
)
def test_one_rule_chooses_the_language(
    words: list[str],
    environment: dict[str, str],
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--lang`, else SHAHRDAD_LANG, else the locale: for help, errors and answers."""
    for name in ("SHAHRDAD_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert language == language_of(words)
