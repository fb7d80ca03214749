"""`shahrdad standards`: what the tables of all cities look like."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from shahrdad.node.console import Common, print_json

app = App(name="standards", help="Show the dataset standards, and compare versions.")


@app.command
def list(*, common: Common = Common()) -> None:  # noqa: A001, B008
    """List the standards: family, version, whether a city must publish it."""
    from shahrdad.datasets.standards import families, load

    found = [load(family) for family in families()]
    if common.json:
        print_json(
            [
                {
                    "family": standard.family,
                    "version": standard.version,
                    "title": {"fa": standard.title_fa, "en": standard.title_en},
                    "mandatory": standard.mandatory,
                    "cadence": standard.cadence,
                    "fields": len(standard.fields),
                    "rules": len(standard.rules),
                    "sha256": standard.digest,
                }
                for standard in found
            ]
        )
        return
    common.table(
        ["family", "version", "mandatory", "cadence", "fields", "rules", "title"],
        [
            (
                standard.family,
                standard.version,
                "yes" if standard.mandatory else "no",
                standard.cadence,
                len(standard.fields),
                len(standard.rules),
                standard.title(common.language),
            )
            for standard in found
        ],
    )


@app.command
def show(
    family: str,
    *,
    version: str | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show a standard: its fields, their meaning, and the rules.

    Args:
        family: For example budget_lines.
        version: The newest when left out.
    """
    from shahrdad.datasets.standards import load

    standard = load(family, version)
    if common.json:
        print_json(standard.schema)
        return
    common.say(
        f"{standard.title_fa} ({standard.id})\n{standard.description_fa}",
        f"{standard.title_en} ({standard.id})\n{standard.description_en}",
    )
    common.table(
        ["field", "type", "required", "codes", "title"],
        [
            (
                field.name,
                field.unit or field.type,
                "yes" if field.required else "",
                field.code_list or "",
                field.title(common.language),
            )
            for field in standard.fields
        ],
    )
    common.table(
        ["rule", "severity", "", ""],
        [
            (rule.id, rule.severity, rule.name, rule.message(common.language))
            for rule in standard.rules
        ],
    )


@app.command
def template(
    family: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write the Excel workbook to fill in for a standard.

    Args:
        family: For example budget_lines.
        output: The file; by default FAMILY.xlsx in this folder.
    """
    from shahrdad.datasets.standards import load
    from shahrdad.datasets.templates import xlsx_template

    standard = load(family)
    path = output or Path(f"{family}.xlsx")
    path.write_bytes(xlsx_template(standard))
    common.say(f"الگو در {path} است.", f"The template is in {path}.")
    common.next_step(
        f"پر کنید و بسنجید: shahrdad validate {path} --standard {family}",
        f"Fill it in, then: shahrdad validate {path} --standard {family}",
    )


@app.command
def diff(
    family: str,
    old: str,
    new: str,
    *,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show what changed between two versions, and how grave it is.

    Args:
        family: For example budget_lines.
        old: A version, for example 1.0.0.
        new: A later version.
    """
    from shahrdad.datasets.changes import compare
    from shahrdad.datasets.standards import load

    found = compare(load(family, old), load(family, new))
    if common.json:
        print_json(
            {
                "level": found.level.name.lower(),
                "changes": [
                    {
                        "level": change.level.name.lower(),
                        "place": change.place,
                        "what": change.what,
                        "detail": change.detail,
                    }
                    for change in found.changes
                ],
            }
        )
        return
    common.table(
        ["level", "place", "what", "detail"],
        [
            (change.level.name.lower(), change.place, change.what, change.detail)
            for change in found.changes
        ],
    )
