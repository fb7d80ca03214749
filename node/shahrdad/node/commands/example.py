"""`shahrdad example`: the example files, to try things with."""

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json


def example(
    city: str | None = None,
    name: str | None = None,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path(),
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write an example file, or list them all.

    The data is invented, or comes from published texts, and says so.

    Args:
        city: kerman, shiraz or mashhad.
        name: The file's name, without its ending.
        output: The folder to write it to.
    """
    from shahrdad.datasets.demo_set import demo_datasets
    from shahrdad.node.incoming.example_files import find_example

    if city is None or name is None:
        rows = [
            (item.published_by, item.path.stem, item.family, item.title_en)
            for item in demo_datasets()
        ]
        if common.json:
            print_json(
                [
                    dict(zip(("city", "name", "family", "title"), row, strict=True))
                    for row in rows
                ]
            )
        else:
            common.table(["city", "name", "family", "title"], rows)
        return
    found = find_example(city, name)
    target = output / found.path.name
    shutil.copyfile(found.path, target)
    common.say(f"{target} نوشته شد.", f"{target} is written.")
    common.next_step(
        f"shahrdad publish {target} --example {city}/{name}",
        f"shahrdad publish {target} --example {city}/{name}",
    )
