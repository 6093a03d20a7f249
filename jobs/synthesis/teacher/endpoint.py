"""A teacher behind the OpenAI wire format: vLLM, SGLang, llama.cpp, or hosted.

Every request ends in one answer. What is worth another attempt depends on what went wrong (`ATTEMPTS`); the pace
follows the server's load. Cost: a thread per request under way; about a millisecond of CPU a request, where a model of
8 billion parameters on one GPU answers tens in a second.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import hashlib
import json
import os
import queue
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import urllib3

from jobs.synthesis.teacher.budget import Budget
from jobs.synthesis.teacher.pace import Pace
from jobs.synthesis.teacher.request import Answer, Request, TeacherError

# How often a request is sent at most, by what went wrong. Answers that may have been billed are asked for less often.
ATTEMPTS = {
    "rate_limited": 12,  # 429: nothing was done
    "overloaded": 8,  # 500, 502, 503, 504, 529
    "unreachable": 5,  # no connection: nothing was sent
    "dropped": 3,  # the connection broke after the request was sent
    "timeout": 2,
    "bad_answer": 3,  # half an answer, no JSON, not exactly one choice
    "refused": 1,  # other 4xx: it will not get better
}
BILLED = ("dropped", "timeout", "bad_answer")
SLOW_DOWN = ("rate_limited", "overloaded")
UNUSABLE = (401, 403, 404)
MOST_BYTES = 16 << 20  # of an answer
LONGEST_PAUSE = 120.0  # whatever Retry-After says
FIRST_PAUSE = 0.5


class _Problem(Exception):
    """Why an attempt brought no answer. `pause`: seconds that the server asked to wait."""

    def __init__(self, kind: str, detail: str, pause: float | None = None) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail, self.pause = kind, detail, pause


class Endpoint:
    """`base_url`: up to and with `/v1`. `key_variable`: environment variable that holds the key; none is sent without it."""

    def __init__(
        self,
        base_url: str,
        budget: Budget,
        *,
        key_variable: str = "",
        most_at_once: int = 64,
        timeout_seconds: float = 300.0,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._url, self._budget = base_url.rstrip("/") + "/chat/completions", budget
        self._headers = {"content-type": "application/json", **_key(key_variable)}
        self._timeout, self._first_pause = timeout_seconds, first_pause
        self._most = most_at_once
        self.pace = Pace(most_at_once, now=time.monotonic)
        self._pool = _pool(self._url, most_at_once)
        self._stop: TeacherError | None = None

    def complete(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """See `Teacher`. Stops asking, and raises TeacherError, where the server refuses the key or knows no such path."""
        waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
        for request in requests:
            waiting.put(request)
        done: queue.SimpleQueue[Answer | BaseException] = queue.SimpleQueue()
        workers = [
            threading.Thread(target=self._work, args=(waiting, done), daemon=True)
            for _ in range(min(self._most, len(requests)))
        ]
        for worker in workers:
            worker.start()
        try:
            for _ in requests:
                answer = done.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:  # whoever stops listening stops paying: what was not sent yet is not sent
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            for worker in workers:
                worker.join()

    def _work(self, waiting: queue.SimpleQueue[Request], done: queue.SimpleQueue[Answer | BaseException]) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                request = waiting.get_nowait()
                try:
                    if self._stop is not None:
                        raise self._stop
                    done.put(self._answer(request))
                except BaseException as error:  # noqa: BLE001  the caller's thread raises it
                    done.put(error)
                    return

    def _answer(self, request: Request) -> Answer:
        """Send it until it is answered or not worth another attempt."""
        began, attempts, lost = time.monotonic(), 0, 0.0
        tried: dict[str, int] = {}
        while True:
            key = f"{request.id}.{attempts}"
            if not self._budget.hold(request, key):
                return Answer(request.id, "over_budget", money=lost, attempts=attempts)
            attempts += 1
            entered = self.pace.enter()
            try:
                said = self._send(request)
            except _Problem as problem:
                tried[problem.kind] = tried.get(problem.kind, 0) + 1
                lost += self._pay_for(problem, key)
                wait = self._pause(request, problem, sum(tried.values()))
                slow = problem.kind in SLOW_DOWN
                self.pace.leave(entered, too_much=slow, pause=wait if problem.pause is not None else 0.0)
                seconds = time.monotonic() - began
                if tried[problem.kind] >= ATTEMPTS[problem.kind]:
                    return Answer(
                        request.id, "failed", problem=problem.kind, detail=problem.detail, money=lost,
                        attempts=attempts, seconds=seconds,
                    )  # fmt: skip
                time.sleep(wait)
                continue
            except BaseException:
                self._budget.lose(key)
                self.pace.leave(entered)
                raise
            self.pace.leave(entered)
            used = said.get("usage") or {}
            tokens = int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0)
            if not used:  # a server that does not count: take the worst
                tokens = request.most_tokens
            money = lost + self._budget.settle(key, *tokens)
            (choice,) = said["choices"]
            return Answer(
                request.id, "ok", text=choice["message"]["content"], finish=str(choice.get("finish_reason") or ""),
                tokens_in=tokens[0], tokens_out=tokens[1], money=money, attempts=attempts,
                seconds=time.monotonic() - began,
            )  # fmt: skip

    def _pay_for(self, problem: _Problem, key: str) -> float:
        return self._budget.lose(key) if problem.kind in BILLED else self._budget.settle(key, 0, 0)

    def _pause(self, request: Request, problem: _Problem, tries: int) -> float:
        """Seconds until the next attempt: what the server asks for, else doubling, spread by the request's own hash."""
        if problem.pause is not None:
            return min(LONGEST_PAUSE, problem.pause)
        spread = hashlib.sha256(f"{request.id}{tries}".encode()).digest()[0] / 255
        doubled = self._first_pause * float(1 << min(tries - 1, 8))
        return min(LONGEST_PAUSE, doubled * (0.5 + spread))

    def _send(self, request: Request) -> Mapping[str, Any]:
        """One attempt: the body of the answer. Raises _Problem."""
        deadline = time.monotonic() + self._timeout
        timeout = urllib3.Timeout(connect=min(30.0, self._timeout), read=self._timeout)
        try:
            reply = self._pool.request(
                "POST", self._url, body=json.dumps(request.body()).encode(), headers=self._headers,
                preload_content=False, retries=False, redirect=False, timeout=timeout,
            )  # fmt: skip
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise _Problem("unreachable", _short(error)) from error
        except urllib3.exceptions.TimeoutError as error:
            raise _Problem("timeout", _short(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _Problem("dropped", _short(error)) from error
        try:
            return self._read(reply, deadline)
        finally:
            reply.close()

    def _read(self, reply: urllib3.BaseHTTPResponse, deadline: float) -> Mapping[str, Any]:
        data = bytearray()
        try:
            # read1: what is there, so that a server that sends a byte now and then meets the deadline too.
            while more := reply.read1(1 << 16):
                data += more
                if time.monotonic() > deadline:
                    raise _Problem("timeout", f"the answer was not complete after {self._timeout:g} s")
                if len(data) > MOST_BYTES:
                    raise _Problem("bad_answer", f"more than {MOST_BYTES} bytes")
        except urllib3.exceptions.TimeoutError as error:
            raise _Problem("timeout", _short(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _Problem("dropped", _short(error)) from error
        if reply.status != 200:
            self._refused(reply, bytes(data))
        return _completion(bytes(data))

    def _refused(self, reply: urllib3.BaseHTTPResponse, data: bytes) -> None:
        text = data[:300].decode("utf-8", "replace")
        detail = f"HTTP {reply.status}: {text}"
        if reply.status in UNUSABLE:
            self._stop = TeacherError(
                f"{self._url}: {detail}. Check the address and the variable that holds the key. Answers so far are kept."
            )
            raise self._stop
        pause = _retry_after(reply.headers.get("retry-after", ""))
        if reply.status == 429:
            raise _Problem("rate_limited", detail, pause)
        if reply.status >= 500:
            raise _Problem("overloaded", detail, pause)
        raise _Problem("refused", detail)


def _completion(data: bytes) -> Mapping[str, Any]:
    """The body, with exactly one choice that has a text. Raises _Problem."""
    try:
        said = json.loads(data)
        choices = said["choices"]
        text = choices[0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _Problem("bad_answer", f"{type(error).__name__}: {error}: {data[:200]!r}") from error
    if len(choices) != 1 or not isinstance(text, str):
        raise _Problem("bad_answer", f"{len(choices)} choices, content {type(text).__name__}: expected one with a text")
    found: Mapping[str, Any] = said
    return found


def _retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header, given as a number or a date; None where it is neither."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    with contextlib.suppress(ValueError, TypeError):
        until = email.utils.parsedate_to_datetime(text)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    return None


def _key(variable: str) -> dict[str, str]:
    if not variable:
        return {}
    value = os.environ.get(variable, "")
    if not value:
        raise TeacherError(f"the environment variable {variable} is empty or not set: it must hold the teacher's key.")
    return {"authorization": f"Bearer {value}"}


def _pool(url: str, size: int) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        return urllib3.ProxyManager(proxy, maxsize=size, num_pools=2)
    return urllib3.PoolManager(maxsize=size, num_pools=2)


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
