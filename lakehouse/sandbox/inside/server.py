"""The fork server: one warm interpreter in the sandbox, a fresh process tree for every program.

zygote ──clone──> judge (own user, mounts, PIDs) ──clone──> solution (own user and PIDs inside those)

The judge is forked before anything of the request is read, and forks the solution before it reads the request, so that
the solution's memory never held the tests. The judge alone holds the pipe of the verdict; the solution can neither see
nor signal it. The zygote reads what the judge wrote, watches wall time, memory and processes, and ends the whole tree
by ending the judge. It never runs a line of a program itself, so it never needs to be replaced.

A request is two frames on standard input, JSON and then the tests; an answer is one frame of JSON on standard output.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import select
import signal
import socket
import sys
import time
import traceback
import types
from typing import Any

from . import kernel
from .frames import read_frame, write_frame
from .peer import Gone, Peer, names_of

LIMITS: dict[str, Any] = {}
REQUESTS, ANSWERS, NOTHING = 0, 3, 4  # fds of the zygote; 1 and 2 are a program's output
POLL_SECONDS = 0.05
VERDICT_BYTES = 64 << 10
SHOWN_BYTES = 32 << 10  # of a program's output
STARTED = b"!"  # the judge has read its request, so that the next one begins where this one ended


# -- zygote


def main() -> None:
    LIMITS.update(json.loads(sys.argv[1]))
    if os.geteuid() == 0:  # the kernel counts no limit on processes for root
        os.setgroups([])
        os.setgid(LIMITS["id"])
        os.setuid(LIMITS["id"])
    kernel.debuggable(False)
    if LIMITS["packages"]:
        sys.path.append(LIMITS["packages"])  # at the end: no package stands in for a module of the standard library
    os.dup2(1, ANSWERS)
    os.dup2(os.open("/dev/null", os.O_RDWR), NOTHING)
    os.dup2(NOTHING, 1)
    os.closerange(NOTHING + 1, 256)
    own = kernel.processes()
    user, group = os.geteuid(), os.getegid()
    gc.collect()
    gc.freeze()  # what is there now stays, so that a collection in a fork does not copy its pages
    write_frame(ANSWERS, json.dumps({"ready": True}).encode())
    while select.select([REQUESTS], [], [])[0]:
        if not (answer := _one(own, user, group)):
            return
        write_frame(ANSWERS, json.dumps(answer).encode())
        answer = None  # the next program is forked from here: it finds nothing of this one


def _one(own: frozenset[int], user: int, group: int) -> dict[str, Any] | None:
    """Run one program; None when the owner has closed the pipe or no next request can be read."""
    output = os.memfd_create("output")
    os.set_inheritable(output, False)
    _append_only(output)
    verdict, told = os.pipe()
    began = time.monotonic()
    judge = kernel.fork(kernel.NEW_USER | kernel.NEW_PIDS | kernel.NEW_MOUNTS)
    if judge == 0:
        os.close(verdict)
        _judge(told, output, user, group)
    os.close(told)
    said, stopped = _wait(verdict, own, began)
    with contextlib.suppress(ProcessLookupError):
        os.kill(judge, signal.SIGKILL)
    _, status, usage = os.wait4(judge, 0)
    os.close(verdict)
    size = os.fstat(output).st_size
    shown = os.pread(output, SHOWN_BYTES, 0)
    os.close(output)
    if not said.startswith(STARTED):
        return None if said == b"" and status == 0 else {"broken": said.decode("utf-8", "replace")[:500]}
    return {
        "said": said[1:].decode("utf-8", "replace"),
        "stopped": stopped,
        "status": os.waitstatus_to_exitcode(status),
        "wall": round(time.monotonic() - began, 6),
        "cpu": round(usage.ru_utime + usage.ru_stime, 6),
        "output": shown.decode("utf-8", "replace"),
        "output_bytes": size,
    }


def _wait(verdict: int, own: frozenset[int], began: float) -> tuple[bytes, str]:
    """What the judge wrote until it closed the pipe, and what it was stopped for, empty when it ended by itself."""
    said = b""
    while True:
        left = LIMITS["wall_seconds"] - (time.monotonic() - began)
        if left <= 0:
            return said, "timeout"
        if select.select([verdict], [], [], min(left, POLL_SECONDS))[0]:
            more = os.read(verdict, 1 << 16)
            if not more:
                return said, ""
            said += more
            if len(said) > VERDICT_BYTES:
                return said[:VERDICT_BYTES], "verdict"
            continue
        memory, processes = kernel.memory_and_processes(own)
        if memory > LIMITS["memory"]:
            return said, "memory_limit"
        if processes > LIMITS["processes"] + 2:
            return said, "process_limit"


# -- judge


def _judge(told: int, output: int, user: int, group: int) -> None:
    """Runs the tests. Never returns."""
    code = 1
    try:
        os.setsid()
        kernel.debuggable(True)  # else /proc/self belongs to root
        kernel.become_nobody_else(user, group)
        kernel.mount_scratch(LIMITS["scratch"], LIMITS["scratch_files"])
        os.chdir("/tmp")
        here, there = socket.socketpair()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        solution = kernel.fork(kernel.NEW_USER | kernel.NEW_PIDS)
        if solution == 0:
            here.close()
            _solution(there, told)
        there.close()
        if not here.recv(1):  # the solution has mapped its user, for which it needs /proc
            raise OSError("the solution's process could not be set up")
        kernel.hide_processes()
        os.close(ANSWERS)
        request, tests = json.loads(read_frame(REQUESTS)), read_frame(REQUESTS).decode()
        os.dup2(NOTHING, REQUESTS)
        os.write(told, STARTED)
        _limit()
        kernel.lock_down()
        verdict = _verdict(Peer(here, trusting=False), request, tests)
        here.close()
        verdict |= _end_of(solution, verdict, request["script"])
        os.write(told, json.dumps(verdict).encode())
        code = 0
    except EOFError:
        code = 0
    except BaseException as error:  # noqa: BLE001  the zygote tells it to the owner
        with contextlib.suppress(OSError):
            os.write(told, repr(error)[:2000].encode())
    finally:
        os._exit(code)


def _verdict(peer: Peer, request: dict[str, Any], tests: str) -> dict[str, Any]:
    """How it ended: `end` is what happened, `where` the part it happened in, `detail` the message."""
    where = "solution"
    try:
        if request["script"]:
            peer.request("script", request["solution"], request["seed"], request["stdin"])
            return {"end": "passed", "where": "", "detail": ""}
        names = peer.request("load", request["solution"], request["seed"])
        random.seed(request["seed"])
        where = "tests"
        _run_tests(peer, names, tests)
    except BaseException as error:  # noqa: BLE001  whatever a program raises is its verdict
        if not peer.gone:
            return {"where": where, **_named(error)}
    if peer.gone:
        return {"end": "gone", "where": where, "detail": peer.gone}
    return {"end": "passed", "where": "", "detail": ""}


def _named(error: BaseException) -> dict[str, Any]:
    own = not getattr(error, "from_solution", False)
    if isinstance(error, AssertionError):
        end = "failed"
    elif isinstance(error, SyntaxError):
        end = "syntax_error"
    elif isinstance(error, ModuleNotFoundError):
        end = "missing_module"
    else:
        end = "memory_limit" if isinstance(error, MemoryError) else "error"
    text = traceback.format_exception_only(type(error), error)[-1].strip()
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "tests"]
    return {"end": end, "detail": text[:2000], "line": lines[0] if lines else None, "own": own}


def _run_tests(peer: Peer, names: list[list[Any]], tests: str) -> None:
    """Execute the tests' text, then the `test_*` functions and TestCase classes it defines and did not run."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = ["tests"]
    space = module.__dict__
    for name, kind, value in names:
        if kind == "module":
            if value.partition(".")[0] in sys.stdlib_module_names:
                with contextlib.suppress(ImportError):
                    __import__(value)
                    space[name] = sys.modules[value]
        elif kind == "error":
            base = getattr(__builtins__, value, Exception)
            space[name] = peer.errors[name] = type(name, (base,), {})
        else:
            space[name] = value
    sys.modules["solution"] = _as_module(space)
    given = set(space)
    try:
        exec(compile(tests, "tests", "exec", dont_inherit=True), space)
    except SystemExit as error:  # unittest.main ends so; a solution cannot raise it here
        if error.code:
            raise AssertionError(f"the tests exited with {error.code!r}") from error
        return
    defined = {name: value for name, value in space.items() if name not in given}
    _run_cases(module, defined)
    for name, value in defined.items():
        if name.startswith("test_") and isinstance(value, types.FunctionType) and value.__code__.co_argcount == 0:
            value()


def _as_module(space: dict[str, Any]) -> types.ModuleType:
    """So that tests may also say `from solution import f`."""
    module = types.ModuleType("solution")
    module.__dict__.update({name: value for name, value in space.items() if not name.startswith("__")})
    return module


def _run_cases(module: types.ModuleType, defined: dict[str, Any]) -> None:
    if "unittest" not in sys.modules:
        return
    import unittest

    cases = [v for v in defined.values() if isinstance(v, type) and issubclass(v, unittest.TestCase)]
    for case in cases:
        result = unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult())
        for _, text in [*result.failures, *result.errors]:
            raise AssertionError(f"{module.__name__}.{case.__name__}: {text.strip().splitlines()[-1]}")


def _end_of(solution: int, verdict: dict[str, Any], script: bool) -> dict[str, Any]:
    """How the solution's process ended, which says why it is gone when it is."""
    if verdict["end"] != "gone":
        with contextlib.suppress(ProcessLookupError):
            os.kill(solution, signal.SIGKILL)
        os.waitpid(solution, 0)
        return {}
    code = os.waitstatus_to_exitcode(os.waitpid(solution, 0)[1])
    if script and code == 0:  # os._exit(0): of a script only its output is judged
        return {"end": "passed", "where": "", "detail": ""}
    # Past the soft limit the kernel sends SIGXCPU, past the hard one SIGKILL.
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return {"end": "cpu_limit", "detail": f"more than {LIMITS['cpu_seconds']} s of CPU time"}
    return {"end": "exited", "detail": f"the solution's process ended with {code} before its tests did"}


# -- solution


def _solution(connection: socket.socket, told: int) -> None:
    """Serves what the tests ask for. Never returns."""
    try:
        os.setsid()
        kernel.become_nobody_else(kernel.INSIDE_ID, kernel.INSIDE_ID)
        for fd in (told, ANSWERS):
            os.close(fd)
        os.dup2(NOTHING, REQUESTS)
        _limit()
        kernel.lock_down()
        connection.send(b".")
        sys.argv = ["solution"]
        Peer(connection, trusting=True).serve({"load": _load, "script": _script})
    except Gone:
        os._exit(0)
    finally:
        os._exit(1)


def _load(source: str, seed: int) -> list[list[Any]]:
    """Execute the solution as a module; what it defines."""
    random.seed(seed)
    space = _module("solution").__dict__
    exec(compile(source, "solution", "exec", dont_inherit=True), space)
    sys.stdout.flush()
    return names_of(space)


def _script(source: str, seed: int, stdin: str) -> None:
    """Execute a whole program with this standard input. Its output is what the owner judges."""
    random.seed(seed)
    holder = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
    os.write(holder, stdin.encode())
    os.lseek(holder, 0, os.SEEK_SET)
    os.dup2(holder, 0)
    os.close(holder)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  a descriptor, open until the end
    try:
        exec(compile(source, "solution", "exec", dont_inherit=True), _module("__main__").__dict__)
    except SystemExit as error:
        if error.code not in (None, 0):
            raise RuntimeError(f"exit status {error.code!r}") from error
    finally:
        sys.stdout.flush()


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def _limit() -> None:
    kernel.limit(
        cpu_seconds=LIMITS["cpu_seconds"],
        memory=LIMITS["memory"],
        processes=LIMITS["processes"],
        file_bytes=LIMITS["file_bytes"],
        open_files=64,
    )


def _append_only(fd: int) -> None:
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)


if __name__ == "__main__":
    import bisect  # noqa: F401  what most programs import, once for all of them
    import copy  # noqa: F401
    import dataclasses  # noqa: F401
    import enum  # noqa: F401
    import functools  # noqa: F401
    import heapq  # noqa: F401
    import itertools  # noqa: F401
    import re  # noqa: F401
    import string  # noqa: F401
    import typing  # noqa: F401
    import unittest  # noqa: F401

    main()
