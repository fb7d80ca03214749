"""`config`: which file is read, what holds, and what is wrong with it."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from cyclopts import App

from shahrdad.node import config
from shahrdad.node.console import Common, print_json, problem
from shahrdad.node.exit_codes import ExitCode

app = App(name="config", help="Show and check the configuration.")
SECRETS = {"secret_key", "client_secret", "password", "database"}
HIDDEN = "•••"


@app.command
def path(*, common: Common = Common()) -> None:  # noqa: B008
    """Print which file is read."""
    found = config.find_file(common.config, os.environ).absolute()
    if common.json:
        print_json({"path": str(found)})
        return
    sys.stdout.write(f"{found}\n")


@app.command
def show(*, common: Common = Common()) -> None:  # noqa: B008
    """Show what holds and who said so: the file, the environment, or the default.

    Secrets are not shown.
    """
    file = config.find_file(common.config, os.environ)
    tree = config.read(file)
    environment = {f"{one}.{key}" for one, key, _ in config.overrides(os.environ)}
    rows = [
        (option, _shown(option, value), _source(option, tree, environment))
        for option, value in _options(config.load(common.config))
    ]
    if common.json:
        print_json(
            [
                {"option": option, "value": value, "source": source}
                for option, value, source in rows
            ]
        )
        return
    common.table(["option", "value", "source"], rows)


@app.command
def check(*, common: Common = Common()) -> None:  # noqa: B008
    """Say everything that is wrong: unknown options with the nearest name, values."""
    file = config.find_file(common.config, os.environ)
    folder = file.parent.absolute()
    found = config.faults(config.read(file), environ=os.environ, folder=folder)
    if common.json:
        print_json({"path": str(file), "faults": [problem(error) for error in found]})
    elif found:
        for error in found:
            sys.stdout.write(f"{error.text(common.language)} ({error.reason})\n")
    else:
        common.say(f"{file} درست است.", f"{file} is sound.")
        common.next_step("shahrdad doctor", "shahrdad doctor")
    if found:
        sys.exit(ExitCode.USAGE)


def _options(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values; of lists of sections one for each member."""
    for item in fields(section):
        name, value = f"{prefix}{item.name}", getattr(section, item.name)
        if is_dataclass(value):
            yield from _options(value, f"{name}.")
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for number, member in enumerate(value):
                yield from _options(member, f"{name}.{number}.")
        elif name != "folder":
            yield name, value


def _shown(option: str, value: object) -> object:
    """Return a value as it may be seen."""
    if option.rpartition(".")[2] in SECRETS and value:
        return HIDDEN
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


def _source(option: str, tree: Mapping[str, Any], environment: set[str]) -> str:
    """Return who set an option."""
    if option in environment:
        return "environment"
    found: Any = tree
    for name in option.split("."):
        if isinstance(found, list) and name.isdigit():
            found = found[int(name)]
        elif isinstance(found, Mapping) and name in found:
            found = found[name]
        else:
            return "default"
    return "file"
