"""`report`: the report of a Jalali month over all cities that this node holds."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.console import Common

REPORT_BYTES_MAX = 64 * 1024**2


def report(
    *,
    month: str | None = None,
    again: Path | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write the monthly report: MONTH.json and MONTH.xlsx.

    The JSON follows from the checkpoints that it lists, to the last byte; with --again
    it is computed anew from those of a report at hand, and compared with it.

    Args:
        month: A Jalali month, for example 1404-08; by default the last that is over.
        again: A report.json to compute again.
        output: The folder to write to; this one by default.
    """
    from shahrdad.node.analysis import monthly
    from shahrdad.node.analysis.month import Month
    from shahrdad.node.analysis.workbook import write
    from shahrdad.node.city import open_node
    from shahrdad.node.download import TEHRAN

    now = datetime.now(UTC)
    with open_node(common.config) as node:
        node.projection.follow()
        if again is not None:
            compare(monthly.content(monthly.recompute(node, read(again))), again)
            common.say(
                f"{again} دوباره حساب شد: تا آخرین بایت یکسان است.",
                f"{again} was computed again: the same to the last byte.",
            )
            return
        wanted = (
            Month.parse(month)
            if month
            else Month.of(now.astimezone(TEHRAN).date()).before
        )
        found = monthly.compute(node, wanted, now)
    content = monthly.content(found)
    if common.json:
        sys.stdout.buffer.write(content)
        return
    folder = output or Path()
    path = folder / f"{wanted.text}.json"
    path.write_bytes(content)
    with (folder / f"{wanted.text}.xlsx").open("wb") as file:
        write(found, file, common.language)
    common.say(
        f"گزارش {wanted.text} در {path} نوشته شد، از {len(found['inputs'])} نسخه.",
        f"The report of {wanted.text}, of {len(found['inputs'])} versions: {path}",
    )
    common.next_step(
        f"روی گرهٔ دیگر: shahrdad report --again {path}",
        f"On another node: shahrdad report --again {path}",
    )


def read(path: Path) -> dict[str, Any]:
    """Read a report.

    Raises:
        RequestError: FILE_NOT_FOUND, MALFORMED.
    """
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path))
    content = path.read_bytes()[: REPORT_BYTES_MAX + 1]
    try:
        found = json.loads(content)
    except ValueError as error:
        raise RequestError(Reason.MALFORMED, field=path.name, detail="JSON") from error
    if not isinstance(found, dict):
        raise RequestError(Reason.MALFORMED, field=path.name, detail="JSON object")
    return found


def compare(content: bytes, path: Path) -> None:
    """Refuse a report that is another one when it is computed here.

    Raises:
        PeerError: REPORT_DIFFERS, with the first part that differs.
    """
    if content == path.read_bytes():
        return
    ours, theirs = json.loads(content), read(path)
    parts = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    raise PeerError(
        Reason.REPORT_DIFFERS, path=str(path), parts=", ".join(parts) or "–"
    )
