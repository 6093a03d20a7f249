"""A real server on this machine that speaks the OpenAI wire format, well or badly.

with Server() as server: ...                       # echoes
with Server(faults=["429", "500", "half"]) as server: ...   # each request meets them in turn, then is answered
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

BAD = ("429", "429-date", "500", "503", "half", "drip", "invalid", "two", "none", "null", "dropped", "slow-headers")


def echo(body: dict[str, Any]) -> str:
    return "answer to: " + body["messages"][-1]["content"]


class Server:
    """`faults`: what each request meets on its first attempts. `requests`, `billed`, `delivered`: by message text."""

    def __init__(
        self, faults: Sequence[str] = (), reply: Callable[[dict[str, Any]], str] = echo, spread: bool = False
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.billed: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.tokens = 0
        self.most_at_once = self._now = 0
        self.headers: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self._faults, self._reply, self._spread = list(faults), reply, spread
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._handle(self)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, http: BaseHTTPRequestHandler) -> None:
        body = json.loads(http.rfile.read(int(http.headers["content-length"])))
        name = body["messages"][-1]["content"]
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            nth = self.requests[name]
            self.requests[name] += 1
            self.headers.append(dict(http.headers))
            self.bodies.append(body)
        try:
            self._answer(http, body, name, self._fault(name, nth))
        except (BrokenPipeError, ConnectionResetError):
            http.close_connection = True
        finally:
            with self._lock:
                self._now -= 1

    def _fault(self, name: str, nth: int) -> str:
        if nth >= len(self._faults):
            return ""
        turn = hashlib.sha256(name.encode()).digest()[0] if self._spread else 0
        return self._faults[(nth + turn) % len(self._faults)]

    def _answer(self, http: BaseHTTPRequestHandler, body: dict[str, Any], name: str, fault: str) -> None:
        if fault in ("429", "429-date", "500", "503", "401"):
            after = {"429": "0.02", "429-date": "Wed, 21 Oct 2015 07:28:00 GMT"}.get(fault)
            _write(http, int(fault[:3]), b'{"error": "not now"}', {} if after is None else {"retry-after": after})
            return
        if fault == "dropped":
            http.close_connection = True
            http.connection.close()
            return
        text = self._reply(body)
        used = {"prompt_tokens": len(name) // 4 + 1, "completion_tokens": min(len(text) // 4 + 1, body["max_tokens"])}
        with self._lock:
            self.billed[name] += 1
            self.tokens += sum(used.values())
        choice = {
            "message": {"role": "assistant", "content": None if fault == "null" else text},
            "finish_reason": "stop",
        }
        count = {"two": 2, "none": 0}.get(fault, 1)
        data = json.dumps({"choices": [choice] * count, "usage": used}).encode()
        if fault == "invalid":
            data = data[:-9]
        if fault == "slow-headers":
            time.sleep(3)
        if fault == "half":
            http.send_response(200)
            http.send_header("content-length", str(len(data)))
            http.end_headers()
            http.wfile.write(data[: len(data) // 2])
            http.wfile.flush()
            http.close_connection = True
            http.connection.close()
        elif fault == "drip":
            http.send_response(200)
            http.send_header("content-length", str(len(data)))
            http.end_headers()
            for i in range(len(data)):
                http.wfile.write(data[i : i + 1])
                http.wfile.flush()
                time.sleep(0.1)
        else:
            _write(http, 200, data, {})
            if not fault:
                with self._lock:
                    self.delivered[name] += 1


def _write(http: BaseHTTPRequestHandler, status: int, data: bytes, headers: dict[str, str]) -> None:
    http.send_response(status)
    for key, value in {"content-length": str(len(data)), "content-type": "application/json", **headers}.items():
        http.send_header(key, value)
    http.end_headers()
    http.wfile.write(data)
