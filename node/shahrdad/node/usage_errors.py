"""A call that cannot be understood, as an error like every other: reason, way out.

cyclopts says what is wrong in English, in a frame. A publisher reads the language of
the other errors, and a program the same document (`--json`), so each kind of cyclopts
becomes a reason of ours. It ends with the exit code 2, as they do.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal, get_args, get_origin

from cyclopts import (
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
)
from cyclopts.exceptions import UnusedCliTokensError

from shahrdad.datasets.errors import Reason, RequestError

NEAREST_MAX = 3
EXAMPLES: dict[object, str] = {int: "1, 2, 3, …", float: "0.5, 1, 2, …"}


def request_error(error: CycloptsError) -> RequestError:
    """Return what cyclopts refused as a request that its caller can mend."""
    command = " ".join(("shahrdad", *(error.command_chain or ())))
    if isinstance(error, UnknownCommandError):
        word = (error.unused_tokens or ["–"])[0]
        known = [] if error.app is None else [*error.app]
        return RequestError(
            Reason.COMMAND_UNKNOWN,
            command=command,
            word=word,
            nearest=_nearest(word, (name for name in known if name[0] != "-")),
        )
    if isinstance(error, UnknownOptionError):
        word = (error.token.keyword or error.token.value).partition("=")[0]
        known = [name for one in error.argument_collection for name in one.names]
        return RequestError(
            Reason.PARAMETER_UNKNOWN,
            parameter=word,
            nearest=_nearest(word, known),
        )
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        given = error.keyword is not None
        reason = Reason.OPTION_WITHOUT_VALUE if given else Reason.OPTION_MISSING
        option = error.keyword or _name(error.argument)
        return RequestError(reason, command=command, option=option)
    if isinstance(error, CoercionError) and error.token is not None:
        argument = "–" if error.argument is None else _name(error.argument)
        return RequestError(
            Reason.PARAMETER_VALUE,
            parameter=error.token.keyword or argument,
            value=error.token.value,
            expected=_expected(error.target_type),
        )
    if isinstance(error, RepeatArgumentError):
        option = error.token.keyword or error.token.value
        return RequestError(Reason.OPTION_REPEATED, command=command, option=option)
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        return RequestError(Reason.WORDS_LEFT_OVER, command=command, words=words)
    return RequestError(Reason.USAGE_UNCLEAR, command=command, detail=str(error))


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return the names that a mistyped one may have meant."""
    return ", ".join(get_close_matches(word, [*known], n=NEAREST_MAX)) or "–"


def _name(argument: Argument) -> str:
    """Return an argument's name as the help writes it: `FILE`, `--family`."""
    if argument.index is None:
        return argument.name
    return argument.name.lstrip("-").upper()


def _expected(kind: object) -> str:
    """Return what a value of a type looks like."""
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    return EXAMPLES.get(kind, str(getattr(kind, "__name__", kind)))
