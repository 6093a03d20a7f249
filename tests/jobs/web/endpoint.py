"""A real server with the OpenAI wire format: answers yes when the prompt holds a word, and misbehaves when told to."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Endpoint:
    """`wanted`: the word that makes it say yes. `faults`: statuses that it gives first, one a request; 0 drops the connection."""

    wanted: str
    faults: list[int] = field(default_factory=list)
    alternatives: list[dict[str, Any]] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        yes = 0.8 if self.wanted in request["messages"][-1]["content"] else 0.1
        tokens = [("YES", 0.75 * yes), (" yes", 0.25 * yes), ("No", 1 - yes), ("The", 0.0001)]
        given = [{"token": token, "logprob": math.log(p)} for token, p in tokens]
        content = [{"token": "YES", "top_logprobs": given if self.alternatives is None else self.alternatives}]
        return {"choices": [{"message": {"content": "YES"}, "logprobs": {"content": content}}]}


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[Endpoint]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                endpoint.asked.append(request | {"authorization": self.headers.get("authorization")})
                status = endpoint.faults.pop(0) if endpoint.faults else 200
            if status == 0:
                self.connection.close()
                return
            body = json.dumps(endpoint.answer(request)).encode() if status == 200 else b"busy"
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
