"""How many untrusted programs a second the sandbox runs, beside plain processes without any isolation.

usage: python -m tests.bench.sandbox [--seconds 5] [--workers 2]
The program is a two-line function with one assertion: what is measured is the wall around it.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat, takewhile

from lakehouse.sandbox import Limits, Pool, Program, bwrap

SOLUTION, TESTS = "def add(a, b):\n    return a + b\n", "assert add(2, 3) == 5\n"


def in_sandboxes(seconds: float, workers: int) -> tuple[int, float, float]:
    """Programs, seconds and CPU seconds of verdicts."""
    with Pool(Limits.default(), workers) as pool:
        began = time.monotonic()
        cpu, count = 0.0, 0
        for verdict in pool.run(
            takewhile(lambda _: time.monotonic() - began < seconds, repeat(Program(SOLUTION, TESTS)))
        ):
            assert verdict.passed, verdict
            cpu, count = cpu + verdict.cpu, count + 1
        return count, time.monotonic() - began, cpu


def in_processes(command: list[str], seconds: float, workers: int) -> tuple[int, float]:
    """The same program in a fresh interpreter each time, by this command line."""
    began = time.monotonic()

    def one(_: int) -> int:
        count = 0
        while time.monotonic() - began < seconds:
            subprocess.run([*command, SOLUTION + TESTS], check=True, env={"PYTHONPATH": "/codelake"})
            count += 1
        return count

    with ThreadPoolExecutor(workers) as threads:
        return sum(threads.map(one, range(workers))), time.monotonic() - began


def main(argv: list[str] | None = None, say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(argv)
    say(f"- Python {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} cores,")
    say(f"  load average before: {os.getloadavg()[0]:.1f}; {given.workers} workers\n")
    say("| way | isolated | programs/s | CPU ms in program and tests |\n|---|---|---:|---:|")
    count, seconds, cpu = in_sandboxes(given.seconds, given.workers)
    say(f"| fork server in the sandbox | yes | {count / seconds:.0f} | {1000 * cpu / count:.1f} |")
    python = [str(bwrap.interpreter()), "-I", "-S", "-B", "-c"]
    count, seconds = in_processes([*bwrap.wall(), *python], given.seconds, given.workers)
    say(f"| a fresh bwrap and interpreter each | yes | {count / seconds:.0f} | |")
    count, seconds = in_processes(python, given.seconds, given.workers)
    say(f"| a fresh interpreter each | no | {count / seconds:.0f} | |")


if __name__ == "__main__":
    main(sys.argv[1:])
