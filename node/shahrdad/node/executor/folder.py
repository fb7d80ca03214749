"""The files of a folder, ready to be handed in.

A file is called after its standard, with the year where there is one dataset a year:
`projects.xlsx`, `budget_lines-1404.csv`. Whatever else there is to say stands in
`batch.toml`, by file name:

    ["بودجه نهایی.xlsx"]
    family = "budget_lines"
    year = 1404
    unit = "million_rial"
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.config import Config
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed

BATCH_FILE = "batch.toml"
ENDINGS = frozenset(
    {".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods", ".json", ".jsonl", ".parquet"}
    | {".gz", ".zip"}
)
_NAME = re.compile(r"([a-z_]+)(?:-(1[34][0-9]{2}))?(?:\.[a-z]+)+")
_TEXTS = ("slug", "title_fa", "title_en", "description_fa", "license", "note_fa")
_OPTIONS = ("unit", "calendar", "encoding", "sheet", "header_row")
_KEYS = frozenset(("family", "year", *_TEXTS, *_OPTIONS, "declared", "waived"))


def files_of(config: Config, folder: Path) -> list[Handed]:
    """Return the files of a folder, by name.

    Raises:
        RequestError: FILE_NOT_FOUND, BATCH_EMPTY, BATCH_FILE_UNCLEAR, CONFIG_SYNTAX,
            CONFIG_KEY_UNKNOWN, STANDARD_UNKNOWN, YEAR_NEEDED, LICENSE_UNKNOWN.
    """
    if not folder.is_dir():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(folder))
    said = _said(folder / BATCH_FILE)
    found = [
        _handed(config, file, said.get(file.name, {}))
        for file in sorted(folder.iterdir())
        if file.is_file() and file.suffix.lower() in ENDINGS
    ]
    if not found:
        raise RequestError(Reason.BATCH_EMPTY, path=str(folder))
    for handed in found:
        same = [one.file.name for one in found if one.slug == handed.slug]
        if len(same) > 1:
            raise RequestError(Reason.BATCH_FILE_UNCLEAR, file=" = ".join(same))
    return found


def _handed(config: Config, file: Path, said: Mapping[str, Any]) -> Handed:
    """Return one file with what its name and `batch.toml` say."""
    match = _NAME.fullmatch(file.name.lower())
    family, year = said.get("family"), said.get("year")
    if family is None:
        if match is None or match[1] not in standards.families():
            raise RequestError(Reason.BATCH_FILE_UNCLEAR, file=file.name)
        family = match[1]
    if year is None and match is not None and match[2]:
        year = int(match[2])
    return handed_of(
        config,
        file,
        family=family,
        fiscal_year=year,
        declared=said.get("declared"),
        waived=said.get("waived"),
        options={name: said.get(name) for name in _OPTIONS},
        **{name: said[name] for name in _TEXTS if name in said},
    )


def _said(file: Path) -> dict[str, Any]:
    """Return what `batch.toml` says of each file."""
    if not file.exists():
        return {}
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(
            Reason.CONFIG_SYNTAX, path=str(file), detail=str(error)
        ) from error
    for name, facts in found.items():
        if not isinstance(facts, dict) or not facts.keys() <= _KEYS:
            raise RequestError(
                Reason.CONFIG_KEY_UNKNOWN, key=name, nearest=", ".join(sorted(_KEYS))
            )
    return found
