"""The shared strings of an XLSX as one Arrow array.

>>> shared(b"<sst><si><t>a</t></si><si><t/></si></sst>").to_pylist()
['a', '']
"""

import re
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shahrdad.validators.kernels.cells import Mask, data, mask_array, offsets
from shahrdad.validators.sheets.cells import (
    HIDDEN_CHARACTER,
    NotPlainError,
    plain_texts,
)

_TEXT: Final = rb'<t( xml:space="preserve")?>([^<]*)</t>'
_ITEM: Final = re.compile(
    rb"<si>\s*(?:" + _TEXT + rb"|<t/>|((?:<r>.*?</r>\s*)+))\s*</si>", re.DOTALL
)
_RUN: Final = re.compile(
    rb"<r>\s*(?:<rPr>(?:\s*<[A-Za-z]+(?: [a-zA-Z]+=\"[^\"<>]*\")*/>)*\s*</rPr>|<rPr/>)?"
    rb"\s*" + _TEXT + rb"\s*</r>\s*",
    re.DOTALL,
)
_SPACE: Final = " \t\n\r"


def shared(content: bytes, *, trimmed: bool = True) -> pa.StringArray:
    """Return the strings of `xl/sharedStrings.xml`, by number.

    Args:
        content: The part.
        trimmed: Whether the space around a text goes that does not say it is kept: the
            reader of sheets drops it, openpyxl keeps it.

    Raises:
        NotPlainError: It is written in another way than spreadsheets write it.
    """
    start, end = content.find(b"<si>"), content.rfind(b"</sst>")
    if start < 0:
        if b"<si" in content or b"<!" in content:
            raise NotPlainError("shared strings")
        return pa.array([], pa.string())
    body = content[start:end]
    check_head(content[:start])
    if b"<!" in body or b"\r" in body or HIDDEN_CHARACTER.search(body):
        raise NotPlainError("shared strings")
    items = _ITEM.findall(body)
    if len(items) != body.count(b"<si") or len(items) != body.count(b"</si>"):
        raise NotPlainError("shared strings")
    texts = _decoded([text for _, text, _ in items])
    if trimmed:
        texts = trim(texts, np.array([not kept for kept, _, _ in items], bool))
    rich = np.array([bool(runs) for _, _, runs in items], bool)
    if not rich.any():
        return texts
    joined = [_text_of(runs, trimmed=trimmed) for _, _, runs in items if runs]
    return pc.replace_with_mask(texts, mask_array(rich), pa.array(joined, pa.string()))


def _decoded(texts: list[bytes]) -> pa.StringArray:
    try:
        return plain_texts(pa.array(texts, pa.binary()).cast(pa.string()))
    except pa.ArrowInvalid as error:
        raise NotPlainError("bytes that are no UTF-8") from error


def trim(texts: pa.StringArray, loose: Mask) -> pa.StringArray:
    """Return texts without the space around those that do not say it is kept."""
    bounds, content = offsets(texts), data(texts)
    filled = loose & (bounds[1:] > bounds[:-1])
    first, last = bounds[:-1][filled] - bounds[0], bounds[1:][filled] - bounds[0] - 1
    filled[filled] = (content[first] <= ord(" ")) | (content[last] <= ord(" "))
    if not filled.any():
        return texts
    mask = mask_array(filled)
    return pc.replace_with_mask(
        texts, mask, pc.utf8_trim(texts.filter(mask), characters=_SPACE)
    )


def check_head(head: bytes) -> None:
    """Refuse a part that is not UTF-8, or not of the usual namespace.

    Raises:
        NotPlainError: Readers may understand it in another way.
    """
    declared = re.search(rb"<\?xml[^>]*encoding=[\"']([^\"']*)", head)
    if declared is not None and declared[1].lower() != b"utf-8":
        raise NotPlainError("the encoding of XML")
    if b"<!" in head:
        raise NotPlainError("a declaration or comment")


def _text_of(runs: bytes, *, trimmed: bool) -> str:
    """Return the text of runs of unlike letters."""
    parts = _RUN.findall(runs)
    if len(parts) != runs.count(b"<r>") or _RUN.sub(b"", runs).strip():
        raise NotPlainError("a run of letters")
    texts = _decoded([text for _, text in parts]).to_pylist()
    return "".join(
        text if kept or not trimmed else text.strip(_SPACE)
        for (kept, _), text in zip(parts, texts, strict=True)
    )


__all__ = ["check_head", "shared", "trim"]
