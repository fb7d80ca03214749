"""`report`: the report of a Jalali month over all cities that this node holds."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.console import Common

if TYPE_CHECKING:
    from shahrdad.node.city import Node

REPORT_BYTES_MAX = 64 * 1024**2


def report(
    *,
    month: str | None = None,
    again: Path | None = None,
    pdf: Annotated[bool, Parameter(negative="")] = False,
    publish: Annotated[bool, Parameter(negative="")] = False,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write the monthly report: MONTH.json, .xlsx, .html, .agenda.html, and .note.

    The JSON follows from the checkpoints that it lists, to the last byte; with --again
    it is computed anew from those of a report at hand, and compared with it. The note
    is this node's signature under the JSON's digest; beside a report it is checked too.

    Args:
        month: A Jalali month, for example 1404-08; by default the last that is over.
        again: A report.json to compute again.
        pdf: Print the pages to PDF too; needs Chromium.
        publish: Publish it as a dataset of this node too, with a receipt.
        output: The folder to write to; this one by default.
    """
    from shahrdad.node.analysis import monthly
    from shahrdad.node.analysis.month import Month
    from shahrdad.node.city import open_node
    from shahrdad.node.download import TEHRAN

    now = datetime.now(UTC)
    with open_node(common.config, signing=publish) as node:
        node.projection.follow()
        if again is not None:
            repeat(node, again, common)
            return
        wanted = (
            Month.parse(month)
            if month
            else Month.of(now.astimezone(TEHRAN).date()).before
        )
        found = monthly.compute(node, wanted, now)
        if common.json:
            sys.stdout.buffer.write(monthly.content(found))
            return
        folder = output or Path()
        written = write_files(node, found, folder, common, pdf=pdf)
        if publish:
            publish_as_dataset(node, found, common)
    path = folder / f"{wanted.text}.json"
    names = "، ".join(written) if common.language == "fa" else ", ".join(written)
    common.say(
        f"گزارش {wanted.text} از {len(found['inputs'])} نسخه نوشته شد: {names}",
        f"The report of {wanted.text}, of {len(found['inputs'])} versions: {names}",
    )
    common.next_step(
        f"روی گرهٔ دیگر: shahrdad report --again {path}",
        f"On another node: shahrdad report --again {path}",
    )


def publish_as_dataset(node: "Node", found: dict[str, Any], common: Common) -> None:
    """Publish a report, and tell where it stands."""
    from shahrdad.node.report_dataset import publish_report

    published = publish_report(node, found)
    known = published.unchanged
    common.say(
        f"{published.ref} نسخهٔ {published.version}"
        + (" همین گزارش را دارد." if known else " منتشر شد."),
        f"{published.ref} version {published.version}"
        + (" has this report already." if known else " was published."),
    )


def write_files(
    node: "Node", found: dict[str, Any], folder: Path, common: Common, *, pdf: bool
) -> list[str]:
    """Write a report in all its forms; return the names of the files."""
    from shahrdad.federation.keyfile import load_signer
    from shahrdad.node.analysis import month_note, monthly
    from shahrdad.node.analysis.workbook import write
    from shahrdad.node.city import KEY_NAME
    from shahrdad.node.http.portal.standalone import standalone
    from shahrdad.node.printing import print_pdf

    folder.mkdir(parents=True, exist_ok=True)
    month, content = found["month"], monthly.content(found)
    (folder / f"{month}.json").write_bytes(content)
    with (folder / f"{month}.xlsx").open("wb") as file:
        write(found, file, common.language)
    names = [f"{month}.json", f"{month}.xlsx"]
    if not found["final"]:  # a month under way changes each minute: nothing to sign
        return names
    for end, path in (("", ""), (".agenda", "/agenda")):
        page = folder / f"{month}{end}.html"
        address = f"/{common.language}/report/{month}{path}"
        page.write_bytes(standalone(node, address))
        names.append(page.name)
        if pdf:
            print_pdf(page, page.with_suffix(".pdf"))
            names.append(page.with_suffix(".pdf").name)
    if node.has_key:
        key = node.config.data / KEY_NAME
        signer = load_signer(key, node.config.federation.origin)
        note = month_note.sign(content, month, signer)
        (folder / f"{month}.note").write_bytes(note)
        names.append(f"{month}.note")
    return names


def repeat(node: "Node", again: Path, common: Common) -> None:
    """Compute a report again, compare it, and check the note that lies beside it."""
    from shahrdad.node.analysis import month_note, monthly

    found = read(again)
    content = monthly.content(monthly.recompute(node, found))
    compare(content, again)
    common.say(
        f"{again} دوباره حساب شد: تا آخرین بایت یکسان است.",
        f"{again} was computed again: the same to the last byte.",
    )
    note = again.with_suffix(".note")
    if not note.is_file():
        return
    sizes = {one["origin"]: one["size"] for one in found["checkpoints"]}
    keys = [
        key
        for origin in {node.config.federation.origin, *node.keys.origins()}
        for key in node.keys.verifiers(origin, sizes.get(origin, 1))
    ]
    signed = month_note.check(note.read_bytes(), content, str(found["month"]), keys)
    common.say(f"{signed} آن را امضا کرده است.", f"{signed} signed it.")


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
