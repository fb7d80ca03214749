"""Writing a configuration file: what differs from the defaults, and nothing else."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from shahrdad.node.config import Config

HEAD = "# A node of Shahrdad. Every option is described in docs/operating.md.\n"


def render(config: Config) -> str:
    r"""Return the TOML text of a configuration.

    >>> from shahrdad.node.config import HttpSection, NodeSection
    >>> config = Config(node=NodeSection(city="kerman"), http=HttpSection(port=8081))
    >>> print(render(config).partition("\n")[2])
    <BLANKLINE>
    [node]
    city = "kerman"
    <BLANKLINE>
    [http]
    port = 8081
    <BLANKLINE>
    """
    lines = [HEAD]
    for item in fields(config):
        value = getattr(config, item.name)
        if isinstance(value, tuple):
            for member in value:
                lines += [f"[[{item.name}]]", *_values(member), ""]
        elif item.name != "folder":
            lines += _section(item.name, value)
    return "\n".join(lines)


def _section(name: str, section: Any) -> Iterator[str]:
    """Yield the lines of one section, its lists of sections after it."""
    default = type(section)()
    plain: list[str] = []
    nested: list[str] = []
    for item in fields(section):
        value = getattr(section, item.name)
        if value == getattr(default, item.name):
            continue
        if is_dataclass(value):
            nested += _section(f"{name}.{item.name}", value)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for member in value:
                nested += [f"[[{name}.{item.name}]]", *_values(member), ""]
        else:
            plain.append(_pair(item.name, value))
    if plain:
        yield from (f"[{name}]", *plain, "")
    yield from nested


def _values(section: Any) -> Iterator[str]:
    """Yield the pairs of a member of a list."""
    default = type(section)()
    for item in fields(section):
        value = getattr(section, item.name)
        if value != getattr(default, item.name):
            yield _pair(item.name, value)


def _pair(name: str, value: object) -> str:
    """Return `name = value`; JSON's texts, numbers and lists are TOML's too."""
    shown = list(value) if isinstance(value, tuple) else value
    return f"{name} = {json.dumps(shown, ensure_ascii=False)}"
