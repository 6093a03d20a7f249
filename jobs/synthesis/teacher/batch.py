"""Teachers that answer by files: write requests in the Batch layout, read results in the same.

A folder holds `requests-*.jsonl`, which are written here and sent by whoever sends them, and `results*.jsonl`, which are
put there when the teacher is done. Each line of either names its request by id. Requests without a result are
`waiting`: the next run takes what has come meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.synthesis.teacher.budget import Budget
from jobs.synthesis.teacher.request import Answer, Request, TeacherError

REQUESTS_PER_FILE = 50_000  # the Batch API's own limit
PATH = "/v1/chat/completions"


class BatchFiles:
    """`budget`: the worst case of what is written is set aside before a file is written."""

    def __init__(self, folder: Path, budget: Budget, *, per_file: int = REQUESTS_PER_FILE) -> None:
        self._folder, self._budget, self._per_file = folder, budget, per_file

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        results = self._results()
        written = {line["custom_id"] for _, line in _lines(self._folder, "requests-*.jsonl")}
        new: list[Request] = []
        for request in requests:
            if request.id in results:
                yield self._answer(request, results[request.id])
            elif request.id in written or self._budget.hold(request, request.id):
                if request.id not in written:
                    new.append(request)
                yield Answer(request.id, "waiting")
            else:
                yield Answer(request.id, "over_budget")
        for start in range(0, len(new), self._per_file):
            self._write(new[start : start + self._per_file])

    def _write(self, requests: Sequence[Request]) -> None:
        lines = [json.dumps({"custom_id": r.id, "method": "POST", "url": PATH, "body": r.body()}) for r in requests]
        data = ("\n".join(lines) + "\n").encode()
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"requests-{hashlib.sha256(data).hexdigest()[:16]}.jsonl"
        new = file.with_suffix(".new")
        new.write_bytes(data)
        new.replace(file)

    def _results(self) -> dict[str, Mapping[str, Any]]:
        """Result lines by id. A request that succeeded in any file counts as done; an id twice with success is an error."""
        found: dict[str, Mapping[str, Any]] = {}
        for where, line in _lines(self._folder, "results*.jsonl"):
            known = found.get(line["custom_id"])
            if known is not None and _succeeded(known) and _succeeded(line) and known != line:
                raise TeacherError(f"{where}: a second, different answer to {line['custom_id']}.")
            if known is None or not _succeeded(known):
                found[line["custom_id"]] = line
        return found

    def _answer(self, request: Request, line: Mapping[str, Any]) -> Answer:
        if not _succeeded(line):
            said = line.get("error") or (line.get("response") or {}).get("body")
            return Answer(request.id, "failed", problem="refused", detail=json.dumps(said)[:300], attempts=1)
        body = line["response"]["body"]
        usage = body.get("usage") or {}
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        choices = body.get("choices") or []
        if len(choices) != 1 or not isinstance((choices[0].get("message") or {}).get("content"), str):
            detail = f"{len(choices)} choices: expected one with a text"
            return Answer(request.id, "failed", problem="bad_answer", detail=detail, attempts=1)
        return Answer(
            request.id, "ok", text=choices[0]["message"]["content"], finish=str(choices[0].get("finish_reason") or ""),
            tokens_in=tokens[0], tokens_out=tokens[1], money=self._budget.price.money(*tokens), attempts=1,
        )  # fmt: skip


def _succeeded(line: Mapping[str, Any]) -> bool:
    return not line.get("error") and (line.get("response") or {}).get("status_code") == 200


def _lines(folder: Path, pattern: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for file in sorted(folder.glob(pattern)):
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
                line["custom_id"]
            except (ValueError, KeyError, TypeError) as error:
                raise TeacherError(f"{file}:{number}: no line of a batch: {error}. Get the file anew.") from error
            yield f"{file}:{number}", line
