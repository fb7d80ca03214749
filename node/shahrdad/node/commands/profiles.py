"""`shahrdad profiles`: the mapping profiles that a node keeps."""

from pathlib import Path

from cyclopts import App

from shahrdad.node.console import Common, print_json
from shahrdad.node.incoming.profiles import FOLDER, Profiles

app = App(name="profiles", help="The mapping profiles that this node keeps.")


@app.command(name="list")
def list_profiles(*, common: Common = Common()) -> None:  # noqa: B008
    """List the kept profiles."""
    kept = list(_store(common))
    if common.json:
        facts = [(saved.family, saved.name, saved.version) for saved in kept]
        print_json(
            [dict(zip(("family", "name", "version"), f, strict=True)) for f in facts]
        )
        return
    common.table(
        ("family", "name", "version"), [(s.family, s.name, s.version) for s in kept]
    )


@app.command
def show(name: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Show a profile.

    Args:
        name: Its name, or family/name.
    """
    print_json(_store(common).get(name).descriptor)


@app.command
def export(name: str, file: Path, *, common: Common = Common()) -> None:  # noqa: B008
    """Write a profile to a file, for another node or for `--profile`.

    Args:
        name: Its name, or family/name.
        file: The file to write.
    """
    saved = _store(common).get(name)
    file.write_bytes(saved.path.read_bytes())
    common.say(f"نوشته شد: {file}", f"Written: {file}")


def _store(common: Common) -> Profiles:
    """Return the profiles of the configured node."""
    from shahrdad.node.config import load

    return Profiles(load(common.config).data / FOLDER)


__all__ = ["app"]
