"""Measure one large CSV: published in one pass here, and in ranges by other processes.

    .venv/bin/python tools/bench_executor.py --mb 2000 --executor local:2 dask --kill

Makes a budget of that size, publishes it on two nodes of its own, and compares report
and parts, which must be the same objects. `dask` starts a scheduler and `--workers`
processes of `shahrdad worker`, and begins when they are there; with `--kill` it runs
once more, one of them is ended in the middle, and another is started, as the system's
supervisor would. Times are those of the clock; CPU seconds are
of all processes together, and `others` the cores that work besides this run held: above
0.1 the speed-up says less.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from shahrdad.node.city import Node, create_node
from shahrdad.node.config import load
from shahrdad.node.config_file import render
from shahrdad.node.demonstration.world import Place, configuration, free_ports
from shahrdad.node.executor.choosing import open_executor
from shahrdad.node.executor.large import publish_large
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed, publish

HEADER = (
    "city_code,fiscal_year,report_period,budget_stage,as_of_date,budget_scope,"
    "org_unit_id,side,economic_class,line_code,line_title,is_subtotal,program_code,"
    "plan_code,payment_nature,approved_rial,supplement_rial,amended_rial,cofog_code,"
    "notes"
)
YEAR, CITY = 1404, "1346"


def write_budget(file: Path, size: int) -> int:
    """Write a valid budget of about so many bytes; return its rows."""
    rows = 0
    with file.open("w", encoding="utf-8", newline="\n") as target:
        target.write(HEADER + "\n")
        while target.tell() < size:
            target.write("".join(lines(rows, 10_000, CITY)))
            rows += 10_000
    return rows


def lines(first: int, count: int, city: str) -> Iterator[str]:
    """Yield lines of a budget: sources and uses in pairs of equal amounts."""
    for number in range(first, first + count):
        pair = number // 2
        # Not in the order of the key: the published table has to be sorted.
        code = (pair * 7_919) % 100_000_007
        side, kind = ("use", "current_expense") if number % 2 else ("source", "revenue")
        amount = 10_000 + pair % 97 * 100
        title = f'"بهسازی معابر، محلهٔ {pair % 20_000}"'
        yield (
            f"{city},{YEAR},annual,amended,2025-09-22,municipality,unit-{pair % 200},"
            f"{side},{kind},{code:09},{title},false,0,0,mixed,{amount},0,{amount},,"
            f"توضیح {pair % 300}\n"
        )


def make_node(folder: Path) -> Path:
    """Make a node that can publish."""
    place = Place("kerman", folder, *free_ports(2))
    folder.mkdir(parents=True)
    config = render(configuration(place))
    place.file.write_text(config, "utf-8")
    create_node(place.file)
    return place.file


def handed(node: Node, file: Path) -> Handed:
    """Return the file as it is handed in."""
    return handed_of(node.config, file, family="budget_lines", fiscal_year=YEAR)


def run(config: Path, file: Path, executor: str | None) -> dict[str, Any]:
    """Publish a file on a node; return times, and what the record names."""
    with ExitStack() as stack:
        node = stack.enter_context(Node(load(config)))
        with node.database.exclusive("publish"):
            node.start_signing(offline=True)
        stages: dict[str, float] = {}
        began = time.perf_counter()

        def tell(stage: str, done: int, total: int | None) -> None:
            stages[stage] = round(time.perf_counter() - began, 1)

        if executor is None:
            outcome, report = publish(node, handed(node, file), tell)
        else:
            chosen = stack.enter_context(closing(open_executor(executor, config)))
            outcome, report = publish_large(node, handed(node, file), chosen, tell)
        if outcome.state != "published":
            raise RuntimeError(report.to_text("en"))
        newest = node.newest(outcome.ref)
        resources = newest.body["resources"] if newest else []
        return {
            "seconds": round(time.perf_counter() - began, 1),
            "until": stages,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
            "objects": [one.get("hash") for one in resources],
        }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(kind) for kind in kinds]
    return sum(one.ru_utime + one.ru_stime for one in used)


class Used:
    """What is used of the processor from now on."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), cpu_seconds()
        self._busy = busy_seconds()

    def facts(self) -> dict[str, float]:
        """Return the seconds of all processes, and the cores that others held."""
        cpu = cpu_seconds() - self._cpu
        others = busy_seconds() - self._busy - cpu
        elapsed = time.perf_counter() - self._began
        return {"cpu": round(cpu, 1), "others": round(others / elapsed, 2)}


def busy_seconds() -> float:
    """Return how long the computer's cores were busy, with whatever."""
    user, nice, system, _, _, *rest = (
        int(field) for field in Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def cluster(config: Path, workers: int, kill: bool) -> Iterator[str]:
    """Run a Dask scheduler and workers; one of them may be killed midway."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--dashboard-address", "127.0.0.1:0"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(command, **quiet)]
    address = f"dask://127.0.0.1:{port}"
    work = [sys.executable, "-m", "shahrdad.node.cli", "worker", address]
    work += ["-c", str(config)]
    started += [subprocess.Popen(work, **quiet) for _ in range(workers)]
    ended = threading.Event()

    def replace_killed() -> None:
        if _kill_busy(started[1].pid, ended):
            started.append(subprocess.Popen(work, **quiet))

    killer = threading.Thread(target=replace_killed)
    await_workers(address, workers)
    if kill:
        killer.start()
    try:
        yield address
    finally:
        ended.set()
        if kill:
            killer.join()
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def await_workers(address: str, count: int) -> None:
    """Wait until so many workers have come."""
    from distributed import Client

    host = address.replace("dask://", "tcp://")
    with Client(host, timeout=60, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(count, timeout=60)


def _kill_busy(pid: int, ended: threading.Event) -> bool:
    """Kill a worker once it has worked for some seconds; tell whether it came to it."""
    ticks = os.sysconf("SC_CLK_TCK")
    while not ended.wait(0.2):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if (int(fields[11]) + int(fields[12])) / ticks > 8:
            os.kill(pid, signal.SIGKILL)
            print(json.dumps({"killed": pid}), flush=True)
            return True
    return False


def main() -> None:
    """Measure, and print a line of JSON for each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=100)
    parser.add_argument("--executor", nargs="*", default=["local:2"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        file = folder / "budget_lines.csv"
        rows = write_budget(file, options.mb * 10**6)
        print(json.dumps({"rows": rows, "bytes": file.stat().st_size}), flush=True)
        config, used = make_node(folder / "one"), Used()
        expected = run(config, file, None)
        expected |= used.facts()
        objects = expected.pop("objects")
        print(json.dumps({"one pass": expected}), flush=True)
        shutil.rmtree(folder / "one")
        runs = [(executor, False) for executor in options.executor]
        if options.kill:
            runs += [("dask", True)]
        for executor, kill in runs:
            config = make_node(folder / executor.replace(":", "-"))
            with ExitStack() as stack:
                chosen, used = executor, Used()
                if executor == "dask":
                    started = cluster(config, options.workers, kill)
                    chosen = stack.enter_context(started)
                found = run(config, file, chosen)
            found |= used.facts()
            found["same objects"] = found.pop("objects") == objects
            found["speed-up"] = round(expected["seconds"] / found["seconds"], 2)
            name = f"{executor}, one killed" if kill else executor
            print(json.dumps({name: found}), flush=True)
            shutil.rmtree(config.parent)


if __name__ == "__main__":
    main()
