"""What goes into a sandbox and what comes out, as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

from lakehouse.config import conf_dir

End = Literal[
    "passed",  # every test was run and held; of a script: it ended with status 0
    "failed",  # an assertion of the tests did not hold
    "error",  # any other exception
    "syntax_error",
    "missing_module",
    "timeout",  # wall time
    "cpu_limit",
    "memory_limit",
    "process_limit",
    "output_limit",
    "exited",  # the solution's process was gone before its tests were done
    "refused",  # not run: the source is too large
    "broken",  # no verdict: the sandbox itself failed; says nothing about the program
]
ENDS: tuple[str, ...] = get_args(End)


class Limits(BaseModel):
    """What one program may use. Values are in `conf/sandbox.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_seconds: float = Field(gt=0, description="from start to verdict")
    cpu_seconds: int = Field(gt=0, description="of one process")
    memory: int = Field(ge=64 << 20, description="bytes: address space of one process, private memory of all together")
    processes: int = Field(ge=1, description="processes and threads of a solution")
    file_bytes: int = Field(gt=0, description="size of one file; of the program's output too")
    scratch: int = Field(gt=0, description="bytes in /tmp")
    scratch_files: int = Field(gt=0, description="files in /tmp")
    output_bytes: int = Field(gt=0, description="output beyond this ends in output_limit")
    source_bytes: int = Field(gt=0, description="a longer solution with its tests is refused")

    @classmethod
    def default(cls) -> Self:
        """The limits of `conf/sandbox.yaml`."""
        return cls.model_validate(yaml.safe_load((conf_dir() / "sandbox.yaml").read_text("utf-8")))


@dataclass(frozen=True)
class Program:
    """A solution and its tests, each a text. Without tests the solution is a script that reads `stdin`.

    `seed`: where `random` starts. A verdict that differs by seed is a matter of luck.
    """

    solution: str
    tests: str | None = None
    stdin: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Verdict:
    """How one program ended. `where`: solution or tests; `detail`: the message; times in seconds."""

    end: End
    where: str
    detail: str
    wall: float
    cpu: float
    output: str
    output_bytes: int
    line: int | None = None  # of the tests, where one of them failed

    @property
    def passed(self) -> bool:
        return self.end == "passed"

    @classmethod
    def of(cls, end: End, *, detail: str = "") -> Self:
        """A verdict on a program that was not run."""
        return cls(end, "", detail, 0.0, 0.0, "", 0)


STOPPED = {
    "timeout": "not done after {limits.wall_seconds:g} s",
    "memory_limit": "more than {limits.memory} bytes of memory",
    "process_limit": "more than {limits.processes} processes",
    "verdict": "the tests' process wrote more than a verdict",
}


def read_verdict(answer: dict[str, Any], limits: Limits) -> Verdict:
    """The verdict in a fork server's answer; anything that is not exactly one counts against the program."""
    end: Any = "exited"
    where, detail, line = "tests", f"the tests' process ended with {answer['status']}", None
    stopped = str(answer["stopped"])
    if stopped:
        end = "broken" if stopped == "verdict" else stopped
        detail = STOPPED[stopped].format(limits=limits)  # no measured value: equal programs get equal verdicts
    else:
        said = _said(str(answer["said"]))
        if said is not None:
            end, where, detail, line = said["end"], said["where"], said["detail"], said.get("line")
    if int(answer["output_bytes"]) > limits.output_bytes and end != "timeout":
        end, detail = "output_limit", f"more than {limits.output_bytes} bytes of output"
    times = (float(answer["wall"]), float(answer["cpu"]))
    return Verdict(end, where, detail, *times, str(answer["output"]), int(answer["output_bytes"]), line)


def _said(text: str) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("end") not in ENDS or not {"where", "detail"} <= said.keys():
        return None
    return said
