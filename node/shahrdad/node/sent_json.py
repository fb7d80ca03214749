"""JSON that a caller sent: any value, but every text in it can be written down."""

import json
from typing import Any


def loads(text: bytes | str) -> Any:
    r"""Return the value of a JSON text.

    Half of a surrogate pair, which JSON may write as an escape, is no text: neither a
    database nor an answer could take it.

    >>> loads('"\\ud83d\\ude42"') == "\N{SLIGHTLY SMILING FACE}"
    True

    Raises:
        ValueError: It is no JSON, or has such a half.
        RecursionError: It is too deep.
    """
    found = json.loads(text)
    escape = "\\ud" if isinstance(text, str) else b"\\ud"
    if escape in text.lower():  # type: ignore[operator]
        json.dumps(found, ensure_ascii=False).encode()
    elif isinstance(text, str):
        text.encode()
    return found
