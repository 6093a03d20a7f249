"""What the Linux kernel is asked for around one untrusted program: namespaces, mounts, limits, system calls.

Runs inside the sandbox on the standard library alone. Everything here fails loudly: a step that the kernel refuses
raises OSError, and the program is not started.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
from pathlib import Path

NEW_MOUNTS, NEW_USER, NEW_PIDS = 0x00020000, 0x10000000, 0x20000000
NOSUID, NODEV, NOEXEC, RDONLY = 2, 4, 8, 1
SYS_CLONE = 56
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
INSIDE_ID = 1000  # user and group of a program, in a namespace where nobody else exists

_libc = ctypes.PyDLL(None, use_errno=True)  # PyDLL: the interpreter lock stays held over a clone
_python = ctypes.pythonapi

# x86-64 numbers. What is left out: everything an ordinary program needs. What is in: new namespaces and mounts, other
# processes' memory, kernel keys, modules, clocks, shared memory that outlives a program, files outside every limit
# (memfd), priorities of processes that share the user, and the interfaces that kernel exploits like best.
DENIED = {
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "mount_setattr": 442, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "process_madvise": 440, "pidfd_getfd": 438, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
    "keyctl": 250, "add_key": 248, "request_key": 249, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "reboot": 169, "swapon": 167, "swapoff": 168, "syslog": 103, "acct": 163, "quotactl": 179,
    "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305, "sethostname": 170,
    "setdomainname": 171, "iopl": 172, "ioperm": 173, "open_by_handle_at": 304, "name_to_handle_at": 303,
    "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "memfd_create": 319, "memfd_secret": 447,
    "setpriority": 141, "ioprio_set": 251, "sched_setscheduler": 144, "sched_setattr": 314, "vhangup": 153,
    "fanotify_init": 300, "personality": 135, "mbind": 237, "move_pages": 279, "migrate_pages": 256,
}  # fmt: skip
SYS_SOCKET, SYS_IOCTL, SYS_CLONE3 = 41, 16, 435
FAMILIES = (1, 2, 10)  # unix and, in a network without interfaces, IPv4 and IPv6; vsock would reach a VM's host
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # type into the terminal that started us
NEW_ANY = 0x7E020080  # every CLONE_NEW* flag


def filter_program() -> bytes:
    """The seccomp filter as classic BPF, 8 bytes an instruction. A refused call fails with EPERM, a foreign ABI kills."""
    load, equal, at_least, any_bit, done = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill = 0x7FFF0000, 0x80000000

    def refuse(error: int) -> bytes:
        return _op(done, 0x00050000 | error)

    parts = [_op(load, 4), _op(equal, 0xC000003E, 1, 0), _op(done, kill)]  # AUDIT_ARCH_X86_64
    parts += [_op(load, 0), _op(at_least, 0x40000000, 0, 1), _op(done, kill)]  # x32 numbers
    for number in sorted(DENIED.values()):
        parts += [_op(equal, number, 0, 1), refuse(1)]
    parts += [_op(equal, SYS_CLONE3, 0, 1), refuse(38)]  # its flags are in memory: libraries fall back to clone
    parts += [_op(equal, SYS_CLONE, 0, 4), _op(load, 16), _op(any_bit, NEW_ANY, 0, 1), refuse(1), _op(done, allow)]
    families = [_op(equal, family, len(FAMILIES) - i, 0) for i, family in enumerate(FAMILIES)]
    parts += [_op(equal, SYS_SOCKET, 0, len(FAMILIES) + 3), _op(load, 16), *families, refuse(97), _op(done, allow)]
    parts += [_op(equal, SYS_IOCTL, 0, 4), _op(load, 24), _op(equal, TIOCSTI, 1, 0), _op(equal, TIOCLINUX, 0, 1)]
    parts += [refuse(1), _op(done, allow)]
    return b"".join(parts)


def _op(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, when_true, when_false, value)


FILTER = ctypes.create_string_buffer(filter_program())


def fork(namespaces: int = 0) -> int:
    """`os.fork` into new namespaces, without the second fork that `unshare` would need. One thread only."""
    if not namespaces:
        return os.fork()
    _python.PyOS_BeforeFork()
    pid = int(_libc.syscall(SYS_CLONE, namespaces | signal.SIGCHLD, 0, 0, 0, 0))
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    _python.PyOS_AfterFork_Parent()
    return int(_checked(pid, "clone"))


def become_nobody_else(user: int, group: int) -> None:
    """Map the one user and the one group of a fresh user namespace."""
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE_ID} {user} 1"),
        ("gid_map", f"{INSIDE_ID} {group} 1"),
    ):
        file = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(file, text.encode())
        os.close(file)


def mount_scratch(size: int, files: int) -> None:
    """An empty /tmp of this many bytes and files, gone with the program."""
    _mount(b"/tmp", NOSUID | NODEV, f"size={size},nr_inodes={files},mode=0700")


def hide_processes() -> None:
    """Nothing under /proc: neither other processes nor the memory of this one."""
    _mount(b"/proc", NOSUID | NODEV | NOEXEC | RDONLY, "size=4096,nr_inodes=2,mode=0555")


def _mount(target: bytes, flags: int, options: str) -> None:
    _checked(_libc.mount(b"tmpfs", target, b"tmpfs", flags, options.encode()), f"mount on {target.decode()}")


def limit(*, cpu_seconds: int, memory: int | None, processes: int, file_bytes: int, open_files: int) -> None:
    """Limits of this process and, except for memory and CPU which count per process, of all it starts.

    `memory`: of address space; None leaves that to whoever watches what is really used.
    """
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_AS, *(2 * [resource.RLIM_INFINITY if memory is None else memory])),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, open_files, open_files),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_SIGPENDING, 64, 64),
    ):
        resource.setrlimit(what, (soft, hard))


def lock_down() -> None:
    """Give up every capability of the namespace and put the system-call filter on. There is no way back."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last one that this kernel knows
    drop_capabilities()
    program = struct.pack("<HxxxxxxQ", len(FILTER.raw) // 8, ctypes.addressof(FILTER))
    _prctl(PR_SET_SECCOMP, 2, ctypes.create_string_buffer(program))


def drop_capabilities() -> None:
    header = struct.pack("<Ii", 0x20080522, 0)
    _checked(_libc.capset(ctypes.create_string_buffer(header), ctypes.create_string_buffer(24)), "capset")


def debuggable(yes: bool) -> None:
    """Whether a process of the same user may trace this one; without it, its files under /proc belong to root."""
    _prctl(PR_SET_DUMPABLE, int(yes))


def _prctl(what: int, value: int, pointer: object = 0) -> None:
    _checked(_libc.prctl(what, value, pointer, 0, 0), f"prctl {what}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def processes() -> frozenset[int]:
    """Every process of this PID namespace and of those below it."""
    return frozenset(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def memory_and_processes(but: frozenset[int]) -> tuple[int, int]:
    """Private bytes and number of all processes in this PID namespace except `but`."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = count = 0
    for pid in processes() - but:
        try:
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        except (OSError, ValueError):
            continue  # it ended meanwhile
        total += max(0, int(resident) - int(shared)) * page
        count += 1
    return total, count
