"""Compile and run one program of any language, once: what the fork server is for Python, at the price of a fresh start.

The program is a child with a user and a PID namespace of its own, so it cannot reach this process, which alone tells how it
ended. Its output is judged outside; the expected output never gets in here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from typing import Any

from . import kernel
from .frames import read_frame, write_frame

ANSWERS = 3
POLL_SECONDS = 0.02
SHOWN_BYTES = 1 << 20
LIMITS: dict[str, Any] = {}


def main() -> None:
    LIMITS.update(json.loads(sys.argv[1]))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(LIMITS["id"])
        os.setuid(LIMITS["id"])
    kernel.debuggable(False)
    os.dup2(1, ANSWERS)
    os.closerange(ANSWERS + 1, 256)
    request = json.loads(read_frame(0))
    os.dup2(os.open("/dev/null", os.O_RDWR), 1)
    os.chdir("/tmp")
    file = os.open(request["file"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(file, request["source"].encode("utf-8", "replace"))
    os.close(file)
    began, cpu = time.monotonic(), 0.0
    answer: dict[str, Any] = {}
    for step in ("compile", "run"):
        if request[step]:
            answer = _step(request[step], request["env"], LIMITS[step], request["stdin"] if step == "run" else "")
            cpu += answer["cpu"]
            if answer["code"] != 0 or answer["stopped"]:
                break
    answer |= {"step": step, "wall": round(time.monotonic() - began, 6), "cpu": round(cpu, 6)}
    write_frame(ANSWERS, json.dumps(answer).encode())


def _step(command: list[str], env: dict[str, str], limits: dict[str, Any], stdin: str) -> dict[str, Any]:
    """Run one command to its end: exit code, output, and what it was stopped for."""
    output, given = os.memfd_create("output"), os.memfd_create("input")
    os.write(given, stdin.encode("utf-8", "replace"))
    os.lseek(given, 0, os.SEEK_SET)
    own = kernel.processes()
    user, group = os.geteuid(), os.getegid()
    child = kernel.fork(kernel.NEW_USER | kernel.NEW_PIDS)
    if child == 0:
        _become(command, env, limits, (given, output), (user, group))
    stopped = _watch(child, limits, own)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    answer = {
        "code": os.waitstatus_to_exitcode(status),
        "stopped": stopped,
        "cpu": usage.ru_utime + usage.ru_stime,
        "output": os.pread(output, SHOWN_BYTES, 0).decode("utf-8", "replace"),
        "output_bytes": os.fstat(output).st_size,
    }
    os.close(output)
    os.close(given)
    return answer


def _become(
    command: list[str], env: dict[str, str], limits: dict[str, Any], files: tuple[int, int], who: tuple[int, int]
) -> None:
    """Turn the child into the program. Never returns."""
    try:
        os.setsid()
        kernel.debuggable(True)
        kernel.become_nobody_else(*who)
        os.dup2(files[0], 0)
        os.dup2(files[1], 1)
        os.dup2(files[1], 2)
        kernel.limit(
            cpu_seconds=limits["cpu_seconds"],
            memory=None,  # virtual machines reserve far more than they use; what is used is watched
            processes=limits["processes"],
            file_bytes=limits["file_bytes"],
            open_files=256,
        )
        os.closerange(3, 256)
        kernel.lock_down()
        os.execve(command[0], command, env)
    except BaseException as error:  # noqa: BLE001  it is this process that ends
        os.write(2, repr(error).encode())
    finally:
        os._exit(127)


def _watch(child: int, limits: dict[str, Any], own: frozenset[int]) -> str:
    """Wait until the child ends; the limit it had to be stopped for, empty when it ended by itself."""
    end = time.monotonic() + limits["wall_seconds"]
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > end:
            return "timeout"
        memory, processes = kernel.memory_and_processes(own)
        if memory > limits["memory"]:
            return "memory_limit"
        if processes > limits["processes"]:
            return "process_limit"
        time.sleep(POLL_SECONDS)
    return ""


if __name__ == "__main__":
    main()
