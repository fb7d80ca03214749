"""`shahrdad demo`: three cities on this computer."""

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json, stderr

if TYPE_CHECKING:
    from shahrdad.node.demonstration.story import Story


def demo(
    *,
    folder: Path | None = None,
    keep: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Run three cities on this computer, federated, through the whole main job.

    Kerman, Shiraz and Mashhad each get a node of their own, as processes on loopback.
    They publish example files, one of which is refused; they synchronise; one dataset
    is withdrawn; all three then hold the same verified state.

    Args:
        folder: Where the nodes live; a temporary folder when left out.
        keep: Leave the nodes running and the folder there, until Ctrl+C.
    """
    from shahrdad.node.demonstration.story import Story
    from shahrdad.node.demonstration.world import make_world, running

    home = folder or Path(tempfile.mkdtemp(prefix="shahrdad-demo-"))
    console = stderr()

    def say(fa: str, en: str) -> None:
        if not common.quiet:
            console.print(common.text(fa, en), highlight=False, soft_wrap=True)

    say("● ساختن سه گره", "● Make three nodes")
    try:
        places = make_world(home)
        with running(places):
            story = Story(places, say)
            story.tell()
            _print_table(common, story)
            for place in places:
                say(f"  {place.url}/fa/", f"  {place.url}/en/")
            if keep:
                say(
                    f"گره‌ها در کارند؛ پوشه: {home}. پایان: Ctrl+C",
                    f"The nodes go on; their folder is {home}. End with Ctrl+C.",
                )
                _wait()
        say("همه چیز در نظم پایان یافت.", "Everything ended in order.")
    finally:
        if not keep and folder is None:
            shutil.rmtree(home, ignore_errors=True)


def _print_table(common: Common, story: "Story") -> None:
    """Print what happened, a line a step."""
    if common.json:
        print_json(
            [
                {
                    "step": {"fa": event.fa, "en": event.en},
                    "result": {"fa": event.result_fa, "en": event.result_en},
                    "seconds": round(event.seconds, 2),
                }
                for event in story.events
            ]
        )
        return
    common.table(
        [common.text("گام", "step"), common.text("نتیجه", "result"), "s"],
        [
            (
                common.text(event.fa, event.en),
                common.text(event.result_fa, event.result_en),
                f"{event.seconds:.1f}",
            )
            for event in story.events
        ],
    )
    sys.stdout.flush()


def _wait() -> None:
    """Wait for Ctrl+C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
