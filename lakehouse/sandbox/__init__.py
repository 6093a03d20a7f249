"""Runs programs that nobody has read. What it stops and what it does not:

- network, files, processes, environment and keys of the machine: not there (bubblewrap, a user of its own, seccomp);
- CPU, memory, processes, files, output, wall time: limited per program, in `conf/sandbox.yaml`;
- other programs: each has its own user, process and mount namespace and an empty /tmp; nothing is left behind;
- a forged verdict: tests run in a process that the solution cannot reach (`inside/peer.py`).

Not stopped: a fault in the kernel that is reached through the system calls an ordinary program needs; side channels of
timing; a solution that behaves well only when it is tested; in other languages than Python (`tested.py`) a solution that
looks in its own file for the mark of success. Tests judge by what a solution returns: tests that let
everything pass are found by running them on a stub (`stub.py`).
"""

from lakehouse.sandbox.sandbox import Pool, Sandbox
from lakehouse.sandbox.verdict import ENDS, Limits, Program, Verdict

__all__ = ["ENDS", "Limits", "Pool", "Program", "Sandbox", "Verdict"]
