"""`bridge`: CKAN portals whose datasets come in, or that are given ours."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

app = App(name="bridge", help="Take datasets from a CKAN portal, or give it ours.")


@app.command
def add(
    name: str,
    url: str,
    *,
    fq: str = "",
    files: Literal["keep", "link"] = "keep",
    file_mebibytes_max: int = 512,
    map: tuple[str, ...] = (),  # noqa: A002
    profile: Path | None = None,
    key_file: str = "",
    organization: str = "",
    send_ids: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Note a portal under a name, or change how a noted one is read.

    Args:
        name: Small Latin letters and digits; datasets are then ckan-NAME-….
        url: The portal's address, for example https://data.example.ir.
        fq: What it is limited to, in its query language: organization:kerman.
        files: keep fetches files, link leaves them where they are.
        file_mebibytes_max: The largest file that is fetched, at most 512.
        map: PATTERN=FAMILY: files of datasets with such names become tables of that
            standard; may be repeated.
        profile: A mapping profile (JSON) for the columns of mapped files.
        key_file: The file with the token for writing, counted from shahrdad.toml.
        organization: The organization there that gets our datasets.
        send_ids: Create with our identifiers; the token must be a sysadmin's.
    """
    from shahrdad.datasets import standards
    from shahrdad.federation.bridge.names import SOURCE
    from shahrdad.federation.bridge.site import check_address
    from shahrdad.node.bridge.ledger import Ledger
    from shahrdad.node.bridge.rows import Conversion, Settings
    from shahrdad.node.city import open_node
    from shahrdad.node.commands.validate import pairs, read_profile

    if not SOURCE.fullmatch(name):
        raise _wrong("NAME", name, "1 to 20 small Latin letters and digits")
    address = check_address(url)
    if not address:
        raise _wrong("URL", url, "https://host")
    if not 1 <= file_mebibytes_max <= 512:
        raise _wrong("--file-mebibytes-max", str(file_mebibytes_max), "1 to 512")
    columns = read_profile(profile) or {}
    conversions = tuple(
        Conversion(pattern, family, columns) for pattern, family in pairs(map)
    )
    for conversion in conversions:
        standards.load(conversion.family)
    settings = Settings(
        fq=fq,
        files=files,
        maps=conversions,
        file_bytes_max=file_mebibytes_max * 1024**2,
        key_file=key_file,
        organization=organization,
        send_ids=send_ids,
    )
    with open_node(common.config) as node:
        Ledger(node.database.connect).add(name, address, settings)
    common.say(f"منبع {name} ثبت شد: {address}", f"Source {name} is noted: {address}")
    common.next_step(f"shahrdad bridge run {name}", f"shahrdad bridge run {name}")


@app.command
def run(
    name: str,
    *,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Bring in what changed at a portal, or go on with a run that was killed.

    Args:
        name: The source.
        offline: Sign although no peer can be asked what it holds of our log.
    """
    from shahrdad.node.bridge.ledger import Ledger
    from shahrdad.node.bridge.opening import open_inward
    from shahrdad.node.city import open_node

    with open_node(common.config, signing=True, offline=offline) as node:
        source = Ledger(node.database.connect).source(name)
        with open_inward(node, source) as bridge:
            report = bridge.run()
    _tell_run(common, report)


@app.command
def approve(
    run: int,
    *,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Apply a run that was held, after looking at its list.

    Args:
        run: Its number.
        offline: Sign although no peer can be asked what it holds of our log.
    """
    from shahrdad.node.bridge.ledger import Ledger
    from shahrdad.node.bridge.opening import open_inward
    from shahrdad.node.city import open_node

    with open_node(common.config, signing=True, offline=offline) as node:
        ledger = Ledger(node.database.connect)
        source = ledger.source(ledger.run(run).source)
        with open_inward(node, source) as bridge:
            report = bridge.approve(run)
    _tell_run(common, report)


@app.command
def push(
    name: str,
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    check: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Give a portal the city's own datasets; only what is ours there is touched.

    Args:
        name: The portal.
        dry_run: Print the plan and write nothing.
        check: Compare every dataset with the portal's, also those given before.
    """
    from shahrdad.node.bridge.ledger import Ledger
    from shahrdad.node.bridge.opening import open_outward
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        source = Ledger(node.database.connect).source(name)
        with open_outward(node, source) as bridge:
            report = bridge.push(dry_run=dry_run, check=check)
    if common.json:
        print_json(report)
    else:
        steps = [(one["ref"], ", ".join(one["actions"])) for one in report["plan"]]
        common.table(("dataset", "actions"), steps)
    counts = report["counts"]
    common.say(
        f"داده‌شده {counts['given']}، بی‌تغییر {counts['unchanged']}،"
        f" حذف‌شده {counts['deleted']}، ناموفق {counts['failed']}.",
        f"Given {counts['given']}, unchanged {counts['unchanged']},"
        f" deleted {counts['deleted']}, failed {counts['failed']}.",
    )
    for item in report["failed"][:10]:
        common.say(f"  {item['ref']}: {item['detail']}", _line(item["ref"], item))
    if report["failed"]:
        sys.exit(ExitCode.PARTLY)


@app.command(name="list")
def list_(
    name: str | None = None,
    *,
    run: int | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """List the sources; the runs of one; or the report of one run.

    Args:
        name: A source, to list its runs.
        run: A run, to show what it did, or would do if it is held.
    """
    from shahrdad.node.bridge.ledger import Ledger
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        ledger = Ledger(node.database.connect)
        if run is not None:
            print_json(ledger.run(run).report)
            return
        if name is not None:
            _list_runs(common, ledger.runs(ledger.source(name).id))
            return
        rows = [
            {
                "name": source.name,
                "url": source.url,
                "live": sum(item.live for item in ledger.held(source.id).values()),
                "failed": sum(
                    item.error is not None for item in ledger.held(source.id).values()
                ),
                "last_run": next(
                    (f"{run.id} {run.state}" for run in ledger.runs(source.id)), None
                ),
            }
            for source in ledger.sources()
        ]
    if common.json:
        print_json(rows)
        return
    columns = ("name", "url", "live", "failed", "last_run")
    common.table(columns, [[row[column] for column in columns] for row in rows])


def _list_runs(common: Common, runs: list[Any]) -> None:
    """List runs, newest first."""
    columns = ("run", "started", "ended", "state", "brake")
    rows = [(run.id, run.started, run.ended, run.state, run.brake) for run in runs]
    if common.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    common.table(columns, rows)


def _tell_run(common: Common, report: dict[str, Any]) -> None:
    """Say what a run came to, and end with the code that scripts know."""
    if common.json:
        print_json(report)
    counts = report["counts"]
    common.say(
        f"اجرای {report['run']}: منتشرشده {counts['published']}، پس‌گرفته"
        f" {counts['withdrawn']}، بی‌تغییر {counts['unchanged']}،"
        f" ناموفق {counts['failed']}.",
        f"Run {report['run']}: published {counts['published']}, withdrawn"
        f" {counts['withdrawn']}, unchanged {counts['unchanged']},"
        f" failed {counts['failed']}.",
    )
    for item in report["failed"][:10]:
        common.say(f"  {item['link']}: {item['detail']}", _line(item["link"], item))
    if report["files"]:
        count = len(report["files"])
        common.say(
            f"{count} فایل نیامد یا پذیرفته نشد؛ فهرست:",
            f"{count} files did not come, or were refused; listed by:",
        )
        line = f"shahrdad bridge list --run {report['run']}"
        common.next_step(line, line)
    if report["state"] == "held":
        common.say(
            f"اجرا نگه داشته شد ({report['brake']}): جدید {counts['new']}، تغییر"
            f" {counts['changed']}، رفته {counts['gone']}. چیزی اعمال نشد.",
            f"The run is held ({report['brake']}): new {counts['new']}, changed"
            f" {counts['changed']}, gone {counts['gone']}. Nothing was applied.",
        )
        line = f"shahrdad bridge approve {report['run']}"
        common.next_step(line, line)
        sys.exit(ExitCode.CONFLICT)
    if "fault" in report:
        detail = report["fault"]["detail"]
        common.say(f"خواندن ناتمام ماند: {detail}", f"Reading was cut short: {detail}")
        sys.exit(ExitCode.NETWORK)
    if report["failed"] or report["state"] == "incomplete":
        sys.exit(ExitCode.PARTLY)


def _line(name: str, item: dict[str, Any]) -> str:
    """Return a failure on one line."""
    return f"  {name}: {item['detail']}"


def _wrong(parameter: str, value: str, expected: str) -> RequestError:
    return RequestError(
        Reason.PARAMETER_VALUE, parameter=parameter, value=value, expected=expected
    )
