"""Projects in the words of OC4IDS, judged by its own schema."""

from typing import Any

import pytest

from shared_data import SHARED, needs_shared

FOLDER = SHARED / "conformance" / "oc4ids"


@needs_shared
def test_projects_keep_to_the_schema(served: Any) -> None:
    """The package and each project in it conform to OC4IDS 0.9.5, draft 4."""
    jsonschema = pytest.importorskip(
        "jsonschema", reason="judge not installed: jsonschema"
    )
    import json

    told = [one for one in served.datasets if one["family"]["id"] == "projects"]
    assert told
    schema, whole = (
        json.loads((FOLDER / name).read_text("utf-8"))
        for name in ("project-schema.json", "project-package-schema.json")
    )
    # The package's schema refers to the project's by an address of the web.
    whole["properties"]["projects"]["items"] = {"type": "object"}
    for one in told:
        package = served.json(f"/d/{one['ref']}.oc4ids.json")
        judge = jsonschema.Draft4Validator(schema)

        assert [] == list(jsonschema.Draft4Validator(whole).iter_errors(package))
        assert package["projects"]
        for project in package["projects"]:
            assert [] == [error.message for error in judge.iter_errors(project)]
