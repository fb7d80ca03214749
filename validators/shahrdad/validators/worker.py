"""Validation in a process of its own, with limits: what an upload may use is bounded.

The worker is a new interpreter without inherited descriptors, with an environment of
its own and a temporary folder that is removed after. Both sides speak lines of JSON: a
request, then progress, then the report. Typed rows come through a file in that folder
and reach the sink only when the table is valid.

A worker that is killed gives a report with `engine-limit` that names the limit.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.without_pandas import leave_pandas_out

MEMORY_BYTES_MAX = 3 << 30
CPU_SECONDS_MAX = 900
WALL_SECONDS_MAX = 1_800
FILE_BYTES_MAX = 32 << 30
FILES_MAX = 256
COPY_BYTES = 1 << 20
QUARANTINE = "quarantine.parquet"  # in the worker's folder
_MEMORY_SIGNS = (
    "emory",
    "malloc",
    "failed to map",
    "allocate",
)  # in errors of libraries
GRACE_SECONDS = 5  # between the request to stop and the end of a worker


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker may use.

    Attributes:
        memory_bytes: Address space.
        cpu_seconds: Processor time.
        wall_seconds: Time on the clock.
        file_bytes: Length of any file it writes.
        files: Open files.
    """

    memory_bytes: int = MEMORY_BYTES_MAX
    cpu_seconds: int = CPU_SECONDS_MAX
    wall_seconds: float = WALL_SECONDS_MAX
    file_bytes: int = FILE_BYTES_MAX
    files: int = FILES_MAX


def validate_isolated(
    source: Any,
    schema: Any,
    profile: Any,
    refs: Any,
    context: Any,
    sink: Any,
    parquet: Any,
    changes: Any,
    quarantine: Any,
    on_progress: Any,
    cancel: Any,
    options: Any,
    limits: WorkerLimits | None = None,
) -> Any:
    """Validate as `api.validate` does, in a worker.

    Raises:
        Cancelled: The caller asked for it.
        ValueError: As `api.validate`.
    """
    from shahrdad.validators import api
    from shahrdad.validators import options as choices
    from shahrdad.validators.quarantine import QuarantineFile
    from shahrdad.validators.sink import ParquetSink, Sinks
    from shahrdad.validators.wire import context_to_wire, ref_to_wire

    limits = limits or WorkerLimits()
    resolved = api.resolve(schema)
    sinks = Sinks(sink, None if parquet is None else ParquetSink(parquet))
    aside = None if quarantine is None else QuarantineFile(quarantine)
    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="shahrdad-worker-") as name:
            folder = Path(name)
            path, label = _source_file(source, folder)
            request = {
                "source": str(path),
                "bytes": label is None,
                "schema": resolved.plan.descriptor,
                "profile": api.load_profile(profile, options),
                "refs": {
                    key: ref_to_wire(
                        ref if isinstance(ref, choices.Ref) else choices.Ref(ref)
                    )
                    for key, ref in (refs or {}).items()
                },
                "context": context_to_wire(choices.Context.of(context)),
                "options": asdict(options),
                "rows": bool(sinks),
                "changes": None if changes is None else str(Path(changes).resolve()),
                "quarantine": None if aside is None else QUARANTINE,
                "limits": asdict(limits),
            }
            report = _Conversation(request, folder, limits, on_progress, cancel).report(
                resolved
            )
            if report.accepted:
                _give_rows(folder, sinks)
                if aside is not None:
                    aside.receive(folder / QUARANTINE)
    except BaseException:
        sinks.abort()
        if aside is not None:
            aside.abort()
        raise
    api.end(report, sinks, aside)
    report.seconds = time.perf_counter() - started
    again = source if isinstance(source, str | Path | bytes) else None
    if again is not None:
        report.marked = lambda found, target, language: _marked(
            found, again, target, language
        )
    return report


def _marked(report: Any, source: Any, path: Path, language: Any) -> None:
    from shahrdad.validators.marked import write_marked

    write_marked(report, source, path, language)


def _source_file(source: Any, folder: Path) -> tuple[Path, str | None]:
    """Return the source as a file, and its name; None for bytes."""
    if isinstance(source, str | Path):
        path = Path(source).resolve()
        return path, path.name
    path = folder / "source"
    if isinstance(source, bytes):
        path.write_bytes(source)
        return path, None
    left = DEFAULT.source_bytes_max + 1  # the worker refuses what is too long
    with path.open("wb") as file:
        while left > 0 and (block := source.read(min(left, COPY_BYTES))):
            left -= file.write(block)
    return path, None


def _give_rows(folder: Path, sinks: Any) -> None:
    """Give the typed rows of a valid table to the sinks."""
    path = folder / "rows.arrow"
    if not path.exists():
        return
    import pyarrow as pa

    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            sinks.write(batch)


class _Conversation:
    """The parent's side: starts the worker, passes progress on, reads the report."""

    def __init__(
        self,
        request: Mapping[str, Any],
        folder: Path,
        limits: WorkerLimits,
        on_progress: Any,
        cancel: Any,
    ) -> None:
        self._request = request
        self._folder = folder
        self._limits = limits
        self._on_progress = on_progress
        self._cancel = cancel
        self._lines: list[dict[str, Any]] = []
        self._ended = threading.Event()

    def report(self, resolved: Any) -> Any:
        """Run the worker; return its report, or one that names the limit it met."""
        from shahrdad.validators.progress import Cancelled
        from shahrdad.validators.wire import report_from_wire

        environment = {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self._folder),
            "HOME": str(self._folder),
            # The default pool reserves address space that counts against the limit.
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        }
        with (self._folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "shahrdad.validators.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
                cwd=self._folder,
                start_new_session=True,
            )
            try:
                timed_out = self._talk(process)
            finally:
                _stop(process)
        if self._cancel is not None and self._cancel.cancelled:
            raise Cancelled
        last = self._lines[-1] if self._lines else {}
        if "report" in last:
            report = report_from_wire(last["report"], resolved.plan)
            if self._request["bytes"]:
                report.source = {**report.source, "name": None}
                report.place = "<memory>"
            return report
        if last.get("misuse"):
            raise ValueError(last["misuse"])
        code, value = self._ending(process.returncode, timed_out, last)
        return _failed(resolved, code, value)

    def _talk(self, process: "subprocess.Popen[bytes]") -> bool:
        """Send the request and read until the end; return whether time ran out."""
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker has no pipes")
        reading = threading.Thread(
            target=self._read, args=(process.stdout,), daemon=True
        )
        reading.start()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(
                json.dumps(self._request, ensure_ascii=False).encode() + b"\n"
            )
            process.stdin.flush()
        deadline = time.monotonic() + self._limits.wall_seconds
        asked = False
        timed_out = False
        while not self._ended.wait(0.05):
            if time.monotonic() > deadline:
                timed_out = not asked
                break
            if self._cancel is not None and self._cancel.cancelled and not asked:
                asked = True
                deadline = time.monotonic() + GRACE_SECONDS
                with contextlib.suppress(BrokenPipeError, OSError):
                    process.stdin.write(b"cancel\n")
                    process.stdin.flush()
        _stop(process)
        reading.join(GRACE_SECONDS)
        return timed_out

    def _read(self, stream: IO[bytes]) -> None:
        from shahrdad.validators.progress import Progress

        for line in stream:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "progress" in said and self._on_progress is not None:
                self._on_progress(Progress(**said["progress"]))
            elif "progress" not in said:
                self._lines.append(said)
        self._ended.set()

    def _ending(
        self, status: int, timed_out: bool, last: Mapping[str, Any]
    ) -> tuple[str, str]:
        """Return code and value of a worker that gave no report."""
        limits = self._limits
        if timed_out:
            return "engine-limit", f"{limits.wall_seconds:g} s"
        if status == -signal.SIGXCPU or status == -signal.SIGKILL:
            return "engine-limit", f"{limits.cpu_seconds} s CPU"
        if status == -signal.SIGXFSZ:
            return "engine-limit", f"{limits.file_bytes} bytes (file)"
        if last.get("memory") or status in (
            -signal.SIGABRT,
            -signal.SIGSEGV,
            -signal.SIGBUS,
        ):
            return "engine-limit", f"{limits.memory_bytes} bytes (memory)"
        return "engine-error", str(last.get("error") or f"exit {status}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End a worker: it has its answer out, or its time is over."""
    for stream in (process.stdin,):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError, OSError):
                stream.close()
    try:
        process.wait(0.5 if process.poll() is None else 0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None and not process.stdout.closed:
        with contextlib.suppress(OSError, ValueError):
            process.stdout.close()


def _failed(resolved: Any, code: str, value: str) -> Any:
    """Return the report of a worker that gave none."""
    from shahrdad.validators.bulk import Findings, Issue
    from shahrdad.validators.explain import Explainer
    from shahrdad.validators.report import Report

    plan = resolved.plan
    findings = Findings([f.name for f in plan.fields])
    findings.add(Issue(code, "error", values={"value": value}))
    report = Report(findings, Explainer(plan), name=plan.name, fields=len(plan.fields))
    report.schema = {"name": plan.name, "version": plan.version, "sha256": plan.sha256}
    return report


def limit_self(limits: WorkerLimits) -> None:
    """Bound what this process may use; it cannot be taken back."""
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        # One second more for the hard bound: first a signal that names the limit.
        extra = (
            1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
        )
        resource.setrlimit(kind, (most, most + extra))


class _RowsFile:
    """The worker's sink: typed rows in a file for the parent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, batch: Any) -> None:
        """Write n rows."""
        import pyarrow as pa

        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self._path), batch.schema)
        self._writer.write_batch(batch)

    def commit(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def abort(self) -> None:
        """Remove the file."""
        self.commit()
        self._path.unlink(missing_ok=True)


def _say(said: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Answer one request; the worker's side."""
    leave_pandas_out()
    request = json.loads(sys.stdin.readline())
    limit_self(WorkerLimits(**request["limits"]))
    try:
        _say({"report": _answer(request)})
    except MemoryError:
        _say({"memory": True})
        return 1
    except ValueError as error:
        _say({"misuse": str(error)})
        return 1
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        memory = any(sign in text for sign in _MEMORY_SIGNS)
        _say({"memory": True} if memory else {"error": text})
        return 1
    return 0


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    from shahrdad.validators import api
    from shahrdad.validators.options import Ref
    from shahrdad.validators.progress import CancelToken
    from shahrdad.validators.wire import (
        context_from_wire,
        options_from_wire,
        report_to_wire,
    )

    token = CancelToken()
    threading.Thread(target=_listen, args=(token,), daemon=True).start()
    report = api.validate(
        Path(request["source"]),
        schema=request["schema"],
        profile=request["profile"],
        refs={key: Ref(**ref) for key, ref in request["refs"].items()},
        context=context_from_wire(request["context"]),
        sink=_RowsFile(Path("rows.arrow")) if request["rows"] else None,
        changes=request["changes"],
        quarantine=request["quarantine"],
        on_progress=lambda progress: _say({"progress": asdict(progress)}),
        cancel=token,
        options=options_from_wire(request["options"]),
    )
    return report_to_wire(report)


def _listen(token: Any) -> None:
    """Set the token when the parent asks, or is gone."""
    for line in sys.stdin:
        if line.strip() == "cancel":
            break
    token.cancel()


if __name__ == "__main__":
    sys.exit(main())
