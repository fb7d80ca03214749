"""Gives every option of every command words that make no sense, one process a case.

    python tests/command_words.py FOLDER STRIDE

FOLDER holds a node `kerman` and some files; each STRIDE-th case is tried. What ended in
something else than an exit code is printed as JSON, with the number of cases.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence

from cyclopts import App

from shahrdad.node import cli
from shahrdad.node.command_table import COMMANDS, app

SERVES = {"serve", "demo"}  # they do not end by themselves
OURS = {"--config", "--lang", "--quiet", "--json"}
SECONDS_MAX = 60
DATASET = "kerman/budget-1404"
NEEDED = {"--standard": "projects", "--file": "projects-bad.csv"}
JUNK = (
    "",
    "x",
    "-1",
    "9" * 20,
    "nofile.xyz",
    "/",
    ".",
    "a\x01b",
    "é☃",
    "projects-bad.csv",
    "budget-1404.xlsx",
    "kerman",
    "k" * 300,
    "1404-13-40",
    "http://127.0.0.1:1/x",
    "{}",
    "a=b",
    "\udc80",
)


def cases() -> Iterator[list[str]]:
    """Yield the words of each case."""
    for name in COMMANDS:
        if name not in SERVES:
            for path, command in _commands(app[name], [name]):
                yield from _of_command(path, command)


def _commands(command: App, path: list[str]) -> Iterator[tuple[list[str], App]]:
    for name in command:
        if not name.startswith("-"):
            yield from _commands(command[name], [*path, name])
    if command.default_command is not None:
        yield path, command


def _of_command(path: list[str], command: App) -> Iterator[list[str]]:
    arguments = command.assemble_argument_collection(parse_docstring=False)
    options = [
        (next((name for name in one.names if name.startswith("--")), ""), one.required)
        for one in arguments
    ]
    node = ["-c", "kerman"] if any(name == "--config" for name, _ in options) else []
    for option, _ in options:
        if option and option not in OURS:
            others = [
                f"{name}={NEEDED.get(name, DATASET)}"
                for name, required in options
                if required and name and name != option
            ]
            for junk in JUNK:
                yield [*path, *node, *others, f"{option}={junk}"]


def outcome(words: Sequence[str]) -> str:
    """Run a command in a process of its own; return how it failed, or nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _run(words, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    return said or (f"signal {status}" if os.WIFSIGNALED(status) else "")


def _run(words: Sequence[str], writer: int) -> None:
    """Be the command; nothing is read from a terminal or printed."""
    signal.alarm(SECONDS_MAX)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    sys.argv = ["shahrdad", *words]
    try:
        cli.main()
    except SystemExit:
        pass
    except BaseException as error:
        lines = "".join(traceback.format_exception(error))[-1000:]
        os.write(writer, lines.encode("utf-8", "backslashreplace"))
    os._exit(0)


def main(folder: str, stride: int) -> None:
    """Try the cases; print those that failed."""
    os.chdir(folder)
    tried = list(cases())[::stride]
    failed = [(words, said) for words in tried if (said := outcome(words))]
    json.dump({"cases": len(tried), "failed": failed}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
