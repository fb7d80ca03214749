"""Query parameters: declared once, read by this table, described by it in OpenAPI.

A parameter that an address does not know is refused with the nearest name, so that a
misspelt filter never answers with everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from difflib import get_close_matches
from typing import Any, Literal
from urllib.parse import parse_qsl

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.datasets.jalali import parse_date_either
from shahrdad.node.http import limits
from shahrdad.node.http.languages import TEHRAN, rfc3339

Kind = Literal["text", "integer", "boolean", "choice", "moment"]
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter.

    Attributes:
        kind: `moment` takes a day of either calendar (its end in Tehran) or an instant.
        choices: What a `choice` may be.
        minimum: Bounds of an `integer`, both inclusive.
        repeated: May be given several times; its value is then a tuple.
    """

    name: str
    kind: Kind
    description: str
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 2**31 - 1
    default: Any = None
    repeated: bool = False
    example: str = ""

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of one value."""
        if self.kind == "integer":
            bounds = {"minimum": self.minimum, "maximum": self.maximum}
            schema: dict[str, Any] = {"type": "integer", **bounds}
        elif self.kind == "boolean":
            schema = {"type": "boolean"}
        elif self.kind == "choice":
            schema = {"type": "string", "enum": list(self.choices)}
        else:
            schema = {"type": "string", "maxLength": limits.VALUE_LETTERS_MAX}
        if self.default is not None:
            schema["default"] = self.default
        return {"type": "array", "items": schema} if self.repeated else schema

    def read(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            RequestError: PARAMETER_VALUE.
        """
        if len(text) > limits.VALUE_LETTERS_MAX or "\0" in text:
            raise self._wrong(text, f"text of at most {limits.VALUE_LETTERS_MAX}")
        if self.kind == "integer":
            plain = text.translate(_DIGITS)
            in_form = plain.isascii() and plain.isdigit() and len(plain) <= 10
            if not in_form or not self.minimum <= int(plain) <= self.maximum:
                raise self._wrong(text, f"{self.minimum}-{self.maximum}")
            return int(plain)
        if self.kind == "boolean":
            if text not in {"true", "false"}:
                raise self._wrong(text, "true | false")
            return text == "true"
        if self.kind == "choice" and text not in self.choices:
            raise self._wrong(text, " | ".join(self.choices))
        if self.kind == "moment":
            return self._moment(text)
        return text

    def _moment(self, text: str) -> str:
        """Return an instant, or the end of a day in Tehran, as RFC 3339."""
        if "T" in text:
            try:
                when = datetime.fromisoformat(text)
            except ValueError as error:
                raise self._wrong(text, "2026-11-21T08:30:00Z") from error
            if when.tzinfo is None or not 1900 <= when.year <= 2200:
                raise self._wrong(text, "2026-11-21T08:30:00Z")
            return rfc3339(when)
        try:
            date = parse_date_either(text).date
        except DataError as error:
            raise self._wrong(text, "1404-06-31 | 2025-09-22") from error
        return rfc3339(datetime.combine(date, time(23, 59, 59), TEHRAN))

    def _wrong(self, text: str, expected: str) -> RequestError:
        return RequestError(
            Reason.PARAMETER_VALUE,
            parameter=self.name,
            value=text[:100],
            expected=expected,
        )


def split(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string, which must be UTF-8.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter="?",
            value=query[:40].decode("ascii", "replace"),
            expected="UTF-8",
        ) from error


def read(query: bytes, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of all declared parameters; absent ones have their default.

    Raises:
        RequestError: PARAMETER_UNKNOWN, PARAMETER_VALUE.
    """
    known = {parameter.name: parameter for parameter in parameters}
    given: dict[str, list[Any]] = {}
    for name, text in split(query):
        parameter = known.get(name)
        if parameter is None:
            raise unknown(name, known)
        values = given.setdefault(name, [])
        values.append(parameter.read(text))
        if len(values) > (limits.LIST_MEMBERS_MAX if parameter.repeated else 1):
            raise RequestError(
                Reason.PARAMETER_VALUE,
                parameter=name,
                value=text[:100],
                expected="once" if not parameter.repeated else "fewer values",
            )
    return {
        name: _value(parameter, given.get(name)) for name, parameter in known.items()
    }


def unknown(name: str, known: Mapping[str, object]) -> RequestError:
    """Return the error of a parameter that an address does not know."""
    near = get_close_matches(name, known, 1, 0.5)
    nearest = near[0] if near else ", ".join(known) or "–"
    return RequestError(Reason.PARAMETER_UNKNOWN, parameter=name[:100], nearest=nearest)


def _value(parameter: Parameter, given: list[Any] | None) -> Any:
    if parameter.repeated:
        return tuple(given or ())
    return given[0] if given else parameter.default


LIMIT = Parameter(
    "limit",
    "integer",
    "The most items of a page.",
    minimum=1,
    maximum=limits.ITEMS_MAX,
    default=limits.ITEMS_DEFAULT,
)
CURSOR = Parameter("cursor", "text", "Where the page before ended: its `next_cursor`.")
AS_OF = Parameter(
    "as_of",
    "moment",
    "The version that was current then: a day of either calendar, or an instant.",
    example="1404-06-31",
)
