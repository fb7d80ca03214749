"""One large file, judged and written by many tasks (storage 10.1).

    1 cut      the text is looked at once: ranges of 16 MiB, at ends of records
    2 judged   each range by itself: findings, hashes of keys, its rows sorted
    3 merged   the report; repeated keys and rules of tables over all ranges
    4 ranked   where the parts of the whole table begin, by the ranges' own rows
    5 written  the parts, from slices of all ranges

Report and parts are those of one pass, byte for byte. What the stages hand on lies in
the private area and is removed at the end; after a kill the same command goes on where
it was, and what nobody takes up again is collected after a week.
"""

import base64
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.executor.judging import pinned_ref, table_json
from shahrdad.node.executor.making import run_all
from shahrdad.node.executor.part_places import Candidate, candidate, cut_places, groups
from shahrdad.node.executor.tasks import Executor, Result, Task
from shahrdad.node.family_table import table_info
from shahrdad.node.publish import OnProgress, Stage, report_bytes
from shahrdad.node.store.collection import discard
from shahrdad.node.store.contract import Area, put_bytes, put_file, read_bytes
from shahrdad.node.store.naming import Naming

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.publish import Handed
    from shahrdad.validators import Report
    from shahrdad.validators.ranges.plan import RangePlan

FOUND_BYTES_MAX = 4 << 30
OUTPUT = ("family", "ref")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a large file: a result as of the task `judge`, and its report."""

    result: Result
    report: "Report"


def plan_of(handed: "Handed", range_bytes: int | None = None) -> "RangePlan | None":
    """Look where a file can be cut; None when it is to be judged in one pass."""
    from shahrdad.validators import Options
    from shahrdad.validators.ranges.plan import plan_ranges
    from shahrdad.validators.ranges.windows import RANGE_BYTES

    return plan_ranges(
        handed.file,
        schema=handed.family,
        profile=dict(handed.profile) or None,
        options=Options(**dict(handed.options)),
        range_bytes=range_bytes or RANGE_BYTES,
    )


class LargeFile:
    """One large file on its way from ranges to parts.

    Args:
        node: The coordinator.
        handed: The file.
        whole: The task that would judge it in one pass.
        plan: Where it is cut.
        executor: Runs the tasks.
        cancel: Ends the run.
        tell: Told how many tasks of a stage are done.
    """

    def __init__(
        self,
        node: "Node",
        handed: "Handed",
        whole: Task,
        plan: "RangePlan",
        executor: Executor,
        cancel: threading.Event,
        tell: OnProgress,
    ) -> None:
        self._node, self._handed, self._said = node, handed, whole.arguments
        self._plan, self._cancel, self._tell = plan, cancel, tell
        self._ref = str(self._said["ref"])
        self._owner = f"{self._ref} ranges {whole.id[:16]}"
        self._executor = executor

    def run(self) -> Judged | None:
        """Judge the file, and write its table when it is valid.

        What an error or a kill leaves is taken up by the next run of the same file.

        Returns:
            None when it is to be judged in one pass, or the run was ended.
        """
        found = self._stages()
        if not self._cancel.is_set():
            connection = self._node.database.connect()
            discard(connection, self._node.store, "job", self._owner)
        return found

    def _stages(self) -> Judged | None:
        """Run the stages of the module."""
        found = self._run("validate", [*map(self._range, self._ranges())])
        if found is None or any(one["state"] == "whole" for one in found):
            return None
        report, schema = self._merge(found)
        content = report_bytes(report)
        area = Area.OBJECT if report.valid else Area.PRIVATE
        kind = "job" if report.valid else "original"  # no record will name it
        connect = self._node.database.connect
        stored = Naming(self._node.store, connect, kind, self._ref)
        result: Result = {
            "state": "valid" if report.valid else "refused",
            "report": put_bytes(stored, area, content).hex,
            "report_size": len(content),
            "errors": report.error_count,
            "rows": report.rows,
        }
        if report.valid:
            table = self._write(found, schema)
            if table is None:
                return None
            result["table"] = table
        return Judged(result, report)

    def _run(
        self, stage: Stage, tasks: Sequence[Task], owner: str = ""
    ) -> list[Result] | None:
        return run_all(
            self._node,
            owner or self._owner,
            self._executor,
            tasks,
            self._cancel,
            lambda count: self._tell(stage, count, len(tasks)),
        )

    def _ranges(self) -> list[dict[str, Any]]:
        """Return what each range's task is told of the text; puts it into UTF-8."""
        from shahrdad.validators.byte_facts import look_at
        from shahrdad.validators.ranges.plan import open_text

        facts, text = self._plan.facts, str(self._said["original"])
        said = {"profile": dict(self._said["profile"])}
        options = dict(self._said["options"])
        if self._plan.decoded:
            folder = self._node.config.data / "tmp"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as name:
                copy = Path(name) / "text"
                with (
                    open_text(self._handed.file, self._plan.encoding) as source,
                    copy.open("wb") as target,
                ):
                    while block := source.read(1 << 20):
                        target.write(block)
                with copy.open("rb") as source:
                    facts = look_at(source)
                store, connect = self._node.store, self._node.database.connect
                named = Naming(store, connect, "job", self._owner)
                text = put_file(named, Area.PRIVATE, copy).hex
            said["profile"].pop("encoding", None)
            options.pop("encoding", None)
        shared = {
            **{name: self._said[name] for name in (*OUTPUT, "file_name", "context")},
            **said,
            "options": options,
            "refs": self._foreign(),
            "text": text,
            "seed": f"{self._plan.seed:x}",
            "facts": {
                "size": facts.size,
                "sha256": facts.sha256,
                "head": base64.b64encode(facts.head).decode(),
                "plain": facts.plain,
            },
        }
        return [
            {
                **shared,
                "range": [one.start, one.end, one.rows_before, one.first_block],
            }
            for one in self._plan.ranges
        ]

    def _range(self, arguments: Mapping[str, Any]) -> Task:
        return Task("judge-range", arguments)

    def _foreign(self) -> dict[str, Any]:
        """Return the pinned releases that foreign keys look into."""
        keys = standards.load(self._said["family"]).schema.get("foreignKeys", ())
        wanted = {key["reference"].get("resource") for key in keys}
        pinned: Mapping[str, Any] = self._said["refs"]
        return {name: pinned[name] for name in sorted(wanted & pinned.keys())}

    def _merge(self, found: Sequence[Result]) -> tuple["Report", Any]:
        """Put the ranges together; the rules of tables see all rows."""
        from shahrdad.validators import Options
        from shahrdad.validators.ranges.found import RangeFound
        from shahrdad.validators.ranges.merging import merge_ranges

        def load(digest: str) -> RangeFound:
            named = Digest.parse(digest)
            return RangeFound.from_bytes(
                read_bytes(self._node.store, Area.PRIVATE, named, FOUND_BYTES_MAX)
            )

        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            context = dict(self._said["context"])
            store = self._node.store
            if self._said["previous"] is not None:
                context["previous"] = pinned_ref(store, self._said["previous"], folder)
            refs = {
                family: pinned_ref(store, pinned, folder)
                for family, pinned in self._said["refs"].items()
            }
            return merge_ranges(
                self._handed.file,
                schema=self._said["family"],
                profile=dict(self._said["profile"]) or None,
                refs=refs,
                context=context,
                options=Options(**self._said["options"]),
                seed=self._plan.seed,
                parts=[partial(load, one["found"]) for one in found],
            )

    def _write(self, found: Sequence[Result], schema: Any) -> dict[str, Any] | None:
        """Write the parts; return the table as JSON, None when the run was ended."""
        from shahrdad.node.executor.judging import part_of
        from shahrdad.node.table.layout import choose_m
        from shahrdad.node.table.parquet import WrittenTable, writer_facts
        from shahrdad.node.table.schema import published_schema

        ranges = [one["rows"] for one in found if one["rows"] is not None]
        totals = [one["rows"] for one in ranges]
        before = self._said["before"]
        count = sum(totals)
        m = choose_m(count, before["m"] if before else None)
        info = table_info(self._said["family"], self._ref, schema.names)
        candidates = self._candidates(ranges, m, info.primary_key)
        if candidates is None:
            return None
        parts = cut_places(count, m, [one.place for one in candidates])
        shared = {
            **{name: self._said[name] for name in (*OUTPUT, "before")},
            "schema": base64.b64encode(schema.serialize().to_pybytes()).decode(),
            "count": count,
            "m": m,
        }
        tasks = [
            Task(
                "write-parts",
                {
                    **shared,
                    "parts": [list(one) for one in group.parts],
                    "slices": [
                        [rows, start, end]
                        for rows, (start, end) in zip(ranges, group.slices, strict=True)
                        if start < end
                    ],
                },
            )
            for group in groups(parts, candidates, totals)
        ]
        written = self._run("table", tasks, self._ref)
        if written is None:
            return None
        return table_json(
            WrittenTable(
                tuple(part_of(part) for one in written for part in one["parts"]),
                count,
                m,
                writer_facts(),
                published_schema(schema, info, m),
            )
        )

    def _candidates(
        self, ranges: Sequence[Mapping[str, Any]], m: int, key: tuple[str, ...]
    ) -> list[Candidate] | None:
        """Return the rows before which a part may end, by their places."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from shahrdad.node.executor.sorted_rows import (
            HASH,
            INDEX,
            stream_of,
            table_of_stream,
        )

        store = self._node.store
        tables = []
        for rows in ranges:
            named = Digest.parse(rows["candidates"])
            table = table_of_stream(
                read_bytes(store, Area.PRIVATE, named, FOUND_BYTES_MAX)
            )
            rest = pc.bit_wise_and(table.column(HASH), pa.scalar(m - 1, pa.uint64()))
            tables.append(table.filter(pc.equal(rest, 0)))
        asked = pa.concat_tables(tables).combine_chunks()
        connect = self._node.database.connect
        own = Naming(store, connect, "job", self._owner)
        named = put_bytes(own, Area.PRIVATE, stream_of(asked))
        tasks = [
            Task("rank-range", {"rows": rows, "asked": named.hex, "key": list(key)})
            for rows in ranges
        ]
        ranked = self._run("table", tasks)
        if ranked is None:
            return None
        owners = [n for n, table in enumerate(tables) for _ in range(table.num_rows)]
        found = [
            candidate(
                owner,
                index,
                [one["before"][n] for one in ranked],
                [one["behind"][n] for one in ranked],
            )
            for n, (owner, index) in enumerate(
                zip(owners, asked.column(INDEX).to_pylist(), strict=True)
            )
        ]
        return sorted(found, key=lambda one: one.place)
