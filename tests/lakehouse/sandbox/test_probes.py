"""Programs that try to get out, to take the machine down, or to lie about how they ended. All of them must be held.

ESCAPES   one statement each, which must end in an OSError (the kernel said no)
ABUSES    a whole program each, the ways it may end, after which the sandbox must run the next program
FORGERIES a solution each, whose tests can never hold: it must not pass
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Program, Sandbox

SECRET = "a-secret-of-the-machine-4711"

# `call(number, ...)` asks the kernel directly (x86-64 numbers) and raises OSError when it refuses.
PRELUDE = """
import array, ctypes, fcntl, glob, mmap, os, resource, signal, socket, subprocess, sys, threading, time
_libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = _libc.syscall(number, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def ok(command):
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise OSError(done.stderr.decode())
"""

ESCAPES = {
    # files of the machine
    "read a file outside": "open({secret!r}).read()",
    "write beside it": "open({secret!r} + '.new', 'w').write('x')",
    "read the users": "open('/etc/passwd').read()",
    "list home folders": "os.listdir('/home')",
    "list the machine's hardware": "os.listdir('/sys')",
    "read kernel messages": "open('/dev/kmsg').read()",
    "read physical memory": "open('/dev/mem', 'rb').read(1)",
    "open a disk": "open('/dev/vda', 'rb').read(1)",
    "open a terminal": "open('/dev/tty', 'w')",
    "write to the root folder": "open('/planted', 'w')",
    "write to programs": "open('/usr/bin/planted', 'w')",
    "write to devices": "open('/dev/planted', 'w')",
    "write to shared memory outside /tmp": "open('/dev/shm/../planted', 'w')",
    "replace the fork server": "open('/codelake/inside/server.py', 'w')",
    "write to the interpreter's library": "open(os.__file__, 'a')",
    "change permissions of programs": "os.chmod('/usr/bin/env', 0o777)",
    "follow a symbolic link out": "os.symlink({secret!r}, '/tmp/link'); open('/tmp/link').read()",
    "walk up out of /tmp": "open('/tmp/../../../../..' + {secret!r}).read()",
    "make a hard link out": "os.link('/usr/bin/env', '/tmp/env')",
    "make a device": "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))",
    "open by handle": "call(304, -100, b'x' * 64, 0)",
    "control groups": "open('/sys/fs/cgroup/cgroup.procs', 'w').write('1')",
    # network
    "connect to a server of the machine": "socket.create_connection(('127.0.0.1', {port}), 2)",
    "connect over IPv6": "socket.create_connection(('::1', {port}), 2)",
    "connect to the outside": "socket.create_connection(('192.0.2.7', 80), 2)",
    "send a datagram out": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.7', 53))",
    "resolve a name": "socket.getaddrinfo('example.com', 80)",
    "raw packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "raw IP": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "vsock to the host of a virtual machine": "socket.socket(40, socket.SOCK_STREAM)",
    "kernel crypto sockets": "socket.socket(38, socket.SOCK_SEQPACKET)",
    "a socket file of the machine": "socket.socket(socket.AF_UNIX).connect({socket!r})",
    "an abstract socket of the machine": "socket.socket(socket.AF_UNIX).connect('\\0' + {abstract!r})",
    # other processes
    "kill a process of the machine": "os.kill({pid}, 9)",
    "signal everybody": "os.kill(-1, 9)",
    "trace a process": "call(101, 16, {pid}, 0, 0)",
    "be traced": "call(101, 0, 0, 0, 0)",
    "read another process": "call(310, 1, 0, 0, 0, 0, 0)",
    "write another process": "call(311, 1, 0, 0, 0, 0, 0)",
    "see processes": "open('/proc/1/cmdline').read()",
    "read own memory": "open('/proc/self/mem', 'rb')",
    "take a descriptor of another process": "call(438, 3, 0, 0)",
    "raise the priority": "os.nice(-5)",
    "change priorities of the user's processes": "os.setpriority(os.PRIO_USER, 0, 19)",
    "real-time scheduling": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
    # identity and namespaces
    "become root": "os.setuid(0)",
    "change groups": "os.setgroups([0])",
    "give a file away": "open('/tmp/f', 'w').close(); os.chown('/tmp/f', 0, 0)",
    "run a setuid program": "ok(['/usr/bin/mount', '-t', 'tmpfs', 'x', '/tmp'])",
    "new user namespace": "call(272, 0x10000000)",
    "new network namespace": "call(272, 0x40000000)",
    "clone into a user namespace": "call(56, 0x10000011, 0, 0, 0, 0)",
    "clone by the newer call": "call(435, array.array('Q', [0x10000000] + [0] * 10).buffer_info()[0], 88)",
    "join a namespace": "call(308, 3, 0)",
    "mount": "call(165, b'x', b'/tmp', b'tmpfs', 0, 0)",
    "take the cover off /proc": "call(166, b'/proc', 2)",
    "change the root": "call(161, b'/tmp')",
    "swap the root": "call(155, b'/tmp', b'/tmp')",
    "open a mount tree": "call(428, -100, b'/', 1)",
    "name the machine": "call(170, b'x', 1)",
    "raise a limit": "call(302, 0, 7, array.array('Q', [1 << 20, 1 << 20]).buffer_info()[0], 0)",
    # parts of the kernel that no program needs
    "load a kernel program": "call(321, 0, 0, 0)",
    "performance counters": "call(298, 0, 0, -1, -1, 0)",
    "user-space page faults": "call(323, 1)",
    "kernel keys": "call(250, 0, -3, 1)",
    "add a key": "call(248, b'user', b'x', b'y', 1, -3)",
    "io_uring": "call(425, 4, array.array('Q', [0] * 20).buffer_info()[0])",
    "load a module": "call(175, 0, 0, b'')",
    "reboot": "call(169, 0xfee1dead, 672274793, 0x1234567, 0)",
    "set the clock": "call(227, 0, array.array('q', [0, 0]).buffer_info()[0])",
    "I/O ports": "call(172, 3)",
    "files in memory, outside every limit": "call(319, b'x', 0)",
    "shared memory that outlives a program": "call(29, 1234, 4096, 0o1777)",
    "message queues": "call(240, b'/q', 0o102, 0o600, 0)",
    "type into a terminal": "fcntl.ioctl(0, 0x5412, b'x')",
    "personality": "call(135, 0x0040000)",
}  # fmt: skip


@dataclass(frozen=True)
class Abuse:
    code: str
    ends: tuple[str, ...]


ABUSES = {
    "endless loop": Abuse("while True: pass", ("cpu_limit",)),
    "endless loop that ignores signals": Abuse(
        "for s in (signal.SIGXCPU, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        ("cpu_limit",),
    ),
    "endless loop in C": Abuse("import re\nre.match('(a+)+$', 'a' * 64 + 'b')", ("cpu_limit",)),
    "a number without end": Abuse("x = 7 ** (7 ** 12)", ("cpu_limit", "memory_limit", "exited")),
    "memory at once": Abuse("x = bytearray(1 << 30)", ("memory_limit",)),
    "memory piece by piece": Abuse("x = []\nwhile True: x.append(bytearray(1 << 20))", ("memory_limit",)),
    "memory mapped": Abuse("x = [mmap.mmap(-1, 1 << 28) for _ in range(99)]", ("error", "memory_limit")),
    "memory of many processes": Abuse(
        "for _ in range(12):\n"
        "    if os.fork() == 0:\n"
        "        x = b'x' * (150 << 20); time.sleep(600)\n"
        "time.sleep(600)",
        ("memory_limit",),
    ),
    "fork flood": Abuse("while True: os.fork()", ("error", "exited", "process_limit", "cpu_limit", "timeout")),
    "thread flood": Abuse(
        "while True: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        ("error", "memory_limit"),
    ),
    "open-file flood": Abuse("x = [open('/dev/null') for _ in range(10 ** 6)]", ("error",)),
    "pipe flood": Abuse("x = [os.pipe() for _ in range(10 ** 6)]", ("error",)),
    "a file without end": Abuse("f = open('/tmp/f', 'wb')\nwhile True: f.write(b'x' * 65536)", ("error",)),
    "a sparse file": Abuse("os.truncate(open('/tmp/f', 'wb').fileno(), 1 << 40)", ("error",)),
    "many files": Abuse("for i in range(10 ** 6): open(f'/tmp/{i}', 'w').close()", ("error",)),
    "many large files": Abuse("for i in range(99): open(f'/tmp/{i}', 'wb').write(b'x' * (4 << 20))", ("error",)),
    "folders as deep as it goes": Abuse(
        "while True:\n    os.mkdir('d')\n    os.chdir('d')", ("error",)
    ),
    "output flood": Abuse("while True: print('x' * 65536)", ("output_limit",)),
    "output flood by processes": Abuse("ok(['/usr/bin/yes'])\n", ("memory_limit", "cpu_limit", "timeout")),
    "error output flood": Abuse("while True: os.write(2, b'x' * 65536)", ("output_limit",)),
    "recursion": Abuse("def f(): f()\nf()", ("error",)),
    "recursion in C": Abuse(
        "sys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()", ("exited", "memory_limit", "error", "cpu_limit")
    ),
    "brackets as deep as it goes": Abuse("eval('(' * 10 ** 6)", ("syntax_error", "memory_limit", "error")),
    "a crash": Abuse("ctypes.string_at(0)", ("exited",)),
    "abort": Abuse("os.abort()", ("exited",)),
    "stop": Abuse("threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGSTOP)).start()", ("passed", "timeout")),
    "kill the process group": Abuse("os.kill(0, 9)", ("passed", "exited", "cpu_limit")),
    "kill the parent": Abuse("os.kill(os.getppid(), 9)", ("passed", "exited", "cpu_limit")),
    "32-bit system calls": Abuse("call(0x40000000 + 39)", ("exited",)),
}  # fmt: skip

FORGERIES = {
    "print": "print('{\"end\": \"passed\"}')\ndef f(x): return 0",
    "exit with 0": "os._exit(0)",
    "exit with 0 when called": "def f(x): os._exit(0)",
    "sys.exit when called": "def f(x): sys.exit(0)",
    "exit at the end": "import atexit\natexit.register(os._exit, 0)\ndef f(x): return 0",
    "raise what nobody catches": "def f(x): raise KeyboardInterrupt",
    "generator exit": "def f(x): raise GeneratorExit",
    "equal to everything": (
        "class A:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n    __hash__ = None\n"
        "def f(x): return A()"
    ),
    "a number equal to everything": (
        "class A(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef f(x): return A(3)"
    ),
    "a text equal to everything": "class A(str):\n    def __eq__(self, o): return True\ndef f(x): return A('x')",
    "a list equal to everything": (
        "class A(list):\n    def __eq__(self, o): return True\n    def __iter__(self): return iter([5])\n"
        "def f(x): return A()"
    ),
    "equal by reflection": (
        "class A:\n    def __eq__(self, o): return True\n    def __getattr__(self, n): return self\n"
        "    __class__ = int\ndef f(x): return A()"
    ),
    "no assertion errors any more": "import builtins\nbuiltins.AssertionError = SystemExit\ndef f(x): return 0",
    "no comparisons any more": "import operator\noperator.eq = lambda a, b: True\ndef f(x): return 0",
    "another exec": "import builtins\nbuiltins.exec = lambda *a: None\nbuiltins.compile = lambda *a, **k: None\ndef f(x): return 0",
    "write a verdict everywhere": (
        "for fd in range(256):\n    try: os.write(fd, b'!{\"end\": \"passed\", \"where\": \"\", \"detail\": \"\"}')\n"
        "    except OSError: pass\ndef f(x): return 0"
    ),
    "close everything": "def f(x):\n    os.closerange(0, 256)\n    return 5",
    "answer in another's name": (
        "import gc\n"
        "def f(x):\n    for o in gc.get_objects():\n"
        "        if isinstance(o, socket.socket): o.sendall(b'\\x0c\\0\\0\\0{\"value\": 0}' * 9)\n    return 0"
    ),
    "no message": "def f(x):\n    os.write(3, b'x' * 99)\n    return 0",
    "a message too long": (
        "def f(x):\n    for fd in range(3, 64):\n        try: os.write(fd, b'\\xff' * 8)\n        except OSError: pass\n    return 0"
    ),
    "find the tests in memory": (
        "import gc\n"
        "def look():\n    frame = sys._getframe()\n    seen = []\n"
        "    while frame:\n        seen += [repr(v) for v in frame.f_locals.values()]\n        frame = frame.f_back\n"
        "    seen += [o for o in gc.get_objects() if isinstance(o, str)]\n"
        "    seen += [repr(d) for d in gc.get_objects() if isinstance(d, (dict, list, tuple)) and len(d) < 50]\n"
        "    return '\\n'.join(seen)\n"
        "def f(x): return 5 if 'os yas stset eht ylno' in look()[::-1] else 0"  # backwards: not to find itself
    ),
    "reach through the caller's function": (
        "def f(x): return 0\n"
        "def take(g):\n    return g.__globals__['f'].__setattr__('x', 1)"
    ),
    "replace the tests' modules": "sys.modules['__main__'] = sys\nsys.modules['peer'] = None\ndef f(x): return 0",
    "trace": "sys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: os._exit(0))\ndef f(x): return 0",
    "a thread that answers first": (
        "def write():\n    while True:\n        try: os.write(3, b'\\x0b\\0\\0\\0{\"value\":0}')\n        except OSError: return\n"
        "threading.Thread(target=write, daemon=True).start()\ndef f(x): return 0"
    ),
    "a child that goes on": (
        "def f(x):\n    if os.fork(): os._exit(0)\n    return 0"
    ),
    "an exception with a hostile text": (
        "class E(Exception):\n    def __str__(self): os._exit(0)\ndef f(x): raise E()"
    ),
    "an exception of another name": "class AssertionError(Exception): pass\ndef f(x): raise AssertionError('x')",
    "a hostile attribute": "class A:\n    def __getattribute__(self, n): os._exit(0)\ndef f(x): return A()",
}  # fmt: skip

TESTS = "expected = 5  # only the tests say so\ntry:\n    take(print)\nexcept NameError:\n    pass\nassert f(2) == expected\n"


@dataclass
class Machine:
    """What the probes aim at, on the machine outside."""

    secret: str
    port: int
    socket: str
    abstract: str
    pid: int
    server: socket.socket
    bystander: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text(SECRET)
    bystander = subprocess.Popen(["sleep", "600"])
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(("127.0.0.1", 0))
        named.bind(str(folder / "s"))
        abstract.bind(f"\0codelake-probe-{os.getpid()}")
        for listening in (server, named, abstract):
            listening.listen()
        yield Machine(
            str(folder / "secret"), server.getsockname()[1], str(folder / "s"), f"codelake-probe-{os.getpid()}",
            bystander.pid, server, bystander,
        )  # fmt: skip
    bystander.kill()
    bystander.wait()


def still_works(sandbox: Sandbox) -> bool:
    return sandbox.run(Program("def f(): return sorted([2, 1])", "assert f() == [1, 2]")).passed


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_refused(sandbox: Sandbox, machine: Machine, name: str) -> None:
    statement = ESCAPES[name].format(**{k: v for k, v in vars(machine).items() if k not in ("server", "bystander")})
    solution = f"{PRELUDE}\ndef probe():\n    {statement}\n    return 'it worked'\n"
    verdict = sandbox.run(
        Program(solution, "try:\n    said = probe()\nexcept OSError:\n    pass\nelse:\n    assert False, said")
    )
    assert verdict.passed, verdict
    assert machine.bystander.poll() is None


def test_nothing_of_it_was_seen_outside(sandbox: Sandbox, machine: Machine) -> None:
    assert still_works(sandbox)
    machine.server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        machine.server.accept()
    assert [path.name for path in Path(machine.secret).parent.iterdir() if "new" in path.name] == []


@pytest.mark.parametrize("name", ABUSES)
def test_abuse_ends_and_the_next_program_runs(sandbox: Sandbox, name: str) -> None:
    abuse = ABUSES[name]
    verdict = sandbox.run(Program(f"{PRELUDE}\n{abuse.code}", "pass"))
    assert verdict.end in abuse.ends, verdict
    assert len(verdict.output) <= 1 << 16
    assert still_works(sandbox)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_verdict_does_not_pass(sandbox: Sandbox, name: str) -> None:
    verdict = sandbox.run(Program(f"{PRELUDE}\n{FORGERIES[name]}", TESTS))
    assert not verdict.passed, verdict
    assert verdict.end != "broken", verdict
    assert still_works(sandbox)


LIAR = """
class A:
    def __getattr__(self, name): return self
    def __call__(self, *a): return self
    def __bool__(self): return True
for _n in "sub rsub add radd mod rmod and rand or ror xor rxor floordiv rfloordiv mul rmul truediv rtruediv".split():
    setattr(A, f"__{_n}__", lambda s, o: set() if isinstance(o, set) else s)
for _n in "abs neg pos int float round len hash".split():
    setattr(A, f"__{_n}__", lambda s, *a: 0)
for _n in "lt le gt ge eq contains".split():
    setattr(A, f"__{_n}__", lambda s, o: True)
class B(A, %s): pass
def f(x): return B()
"""


@pytest.mark.parametrize("base", ["object", "float", "str", "list", "dict", "set"])
@pytest.mark.parametrize(
    "test",
    [
        "abs(f(2) - 3.5) < 1e-6",
        "abs(3.5 - f(2)) <= 1e-6",
        "abs(f(2) / 3.5 - 1) < 1e-6",
        "f(2) > 3",
        "not (f(2) != 5)",
        "5 in f(2)",
        "{1, 5} - f(2) == set()",
        "{1, 5} <= f(2)",
        "f(2) == [5] or f(2) == {5}",
        "(f(2) or 1) == 5",
        "f(2)[0] == 5",
        "sorted(f(2)) == [5, 6]",
        "round(f(2), 1) == 3.5",
        "str(f(2)) == '3.5'",
    ],
)
def test_an_object_that_agrees_with_everything_convinces_no_test(sandbox: Sandbox, base: str, test: str) -> None:
    verdict = sandbox.run(
        Program(LIAR % base if base != "object" else LIAR.replace("(A, %s)", "(A)"), f"assert {test}")
    )
    assert verdict.end in ("failed", "error"), verdict


def test_nothing_of_the_last_answer_is_in_reach(sandbox: Sandbox) -> None:
    assert sandbox.run(Program("def f(): return 1", "assert f() == 2, 'ym' + ' secret'")).end == "failed"
    look = "\n".join(
        [
            "import gc, sys",
            "def seen():",
            "    frame, found = sys._getframe(), []",
            "    while frame:",
            "        found += [repr(value) for value in frame.f_locals.values()]",
            "        frame = frame.f_back",
            "    return 'terces my'[::-1] in ' '.join(found)",
        ]
    )
    assert sandbox.run(Program(look, "assert seen() is False")).passed


def test_what_makes_the_forgeries_meaningful_is_that_an_honest_solution_passes(sandbox: Sandbox) -> None:
    assert sandbox.run(Program("def f(x): return 5", TESTS)).passed


def test_a_test_that_swallows_everything_does_not_hide_that_the_solution_is_gone(sandbox: Sandbox) -> None:
    swallowing = "for _ in range(3):\n    try:\n        f(1)\n    except BaseException:\n        pass"
    assert sandbox.run(Program("import os\ndef f(x): os._exit(0)", swallowing)).end == "exited"


def test_a_symlink_that_changes_under_way_leads_nowhere(sandbox: Sandbox, machine: Machine) -> None:
    race = f"""{PRELUDE}
def race():
    open('/tmp/own', 'w').write('own')
    def swap():
        while True:
            for target in ({machine.secret!r}, '/tmp/own'):
                os.symlink(target, '/tmp/next')
                os.replace('/tmp/next', '/tmp/name')
    os.symlink('/tmp/own', '/tmp/name')
    threading.Thread(target=swap, daemon=True).start()
    seen = set()
    for _ in range(3000):
        try:
            seen.add(open('/tmp/name').read())
        except OSError:
            pass
    return seen
"""
    assert sandbox.run(Program(race, "assert race() <= {'own'}")).passed


def test_the_environment_holds_no_secret(limits: Limits, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    look = "import os\ndef seen(): return dict(os.environ)"
    with Sandbox(limits) as fresh:
        verdict = fresh.run(Program(look, f"assert {SECRET!r} not in str(seen()) and len(seen()) < 10, seen()"))
    assert verdict.passed, verdict


def test_a_program_has_no_descriptor_but_its_own(sandbox: Sandbox) -> None:
    count = """
import os
def opened():
    found = []
    for fd in range(3, 256):
        try:
            found.append((fd, os.fstat(fd).st_mode & 0o170000))
        except OSError:
            pass
    return found
"""
    # 0o140000: the socket to its own tests; 0o020000: /dev/null.
    assert sandbox.run(Program(count, "assert {kind for _, kind in opened()} <= {0o140000, 0o020000}, opened()")).passed


def test_nothing_of_a_program_is_there_for_the_next(sandbox: Sandbox) -> None:
    first = f"""{PRELUDE}
open('/tmp/left', 'w').write('x')
open('/dev/shm/left', 'w').write('x')
server = socket.socket(socket.AF_UNIX)
server.bind('\\0left')
server.listen()
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
import random
random.left = 1
"""
    assert sandbox.run(Program(first, "pass")).passed
    second = f"""{PRELUDE}
def left():
    import random
    client = socket.socket(socket.AF_UNIX)
    return os.listdir('/tmp') + os.listdir('/dev/shm') + [client.connect_ex('\\0left')] + [hasattr(random, 'left')]
"""
    assert sandbox.run(Program(second, "assert left() == [111, False], left()")).passed


def test_a_daemon_ends_with_its_program(sandbox: Sandbox, machine: Machine) -> None:
    import psutil

    mark = f"left-over-{machine.pid}"
    daemon = f"import os\nif os.fork() == 0:\n    os.setsid()\n    os.execv('/usr/bin/sleep', ['{mark}', '600'])"
    assert sandbox.run(Program(daemon, "pass")).passed
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])] == []


def test_the_sandbox_works_for_an_ordinary_user_too(sandbox: Sandbox) -> None:  # noqa: ARG001
    """Root and others build the wall in different ways."""
    if os.geteuid() != 0:
        pytest.skip("not root: the other tests have shown it")
    code = (
        "import os, sys\nfrom lakehouse.sandbox import *\ns = Sandbox(Limits.default())\n"
        "print(s.run(Program('def f(): return 1', 'assert f() == 1')).end,"
        " s.run(Program('import os\\nwhile True: os.fork()', 'pass')).end)"
    )
    said = ""
    for python in (sys.executable, "/usr/bin/python3"):  # the first may lie in root's own folder
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", python, "-c", code]
        env = {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path]), "PATH": os.environ["PATH"]}
        try:
            done = subprocess.run(user, capture_output=True, text=True, timeout=300, check=False, env=env, cwd="/")
        except FileNotFoundError as error:
            pytest.skip(str(error))
        if done.returncode == 0:
            first, second = done.stdout.split()
            assert first == "passed"
            assert second != "passed"
            return
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(done)
        assert "does not isolate" not in said
    pytest.skip(f"an ordinary user cannot use the Pythons of this machine: {said}")


def test_the_number_of_probes_is_what_we_say() -> None:
    assert len(ESCAPES) + len(ABUSES) + len(FORGERIES) >= 60


def test_a_sandbox_without_isolation_is_never_a_bare_process(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehouse.sandbox import sandbox as module

    monkeypatch.setattr(module, "wall", lambda _: ["/usr/bin/env", "PYTHONPATH=" + str(Path(module.__file__).parent)])
    with pytest.raises(MachineError, match=r"does not isolate|did not start"):
        Sandbox(limits)
