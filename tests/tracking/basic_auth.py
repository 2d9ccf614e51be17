"""A server that asks for user and password before it lets requests through to another."""

from __future__ import annotations

import base64
import http.server
import threading
import urllib.error
import urllib.request


class BasicAuth:
    """A proxy before a server that passes requests with its user and password; keeps what was sent."""

    def __init__(self, server: str, user: str, password: str) -> None:
        self.headers: list[str] = []
        expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        sent, stopped = self.headers, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                if stopped.is_set():  # a connection that is kept open outlives the server
                    self.close_connection = True
                    return
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sent.append(self.headers.get("Authorization") or "")
                if self.server.answers_left == 0:  # type: ignore[attr-defined]
                    self._reply(502, b"nobody is there", {})
                    return
                self.server.answers_left -= 1  # type: ignore[attr-defined]
                if sent[-1] != expected:
                    self._reply(401, b"login required", {"WWW-Authenticate": "Basic"})
                    return
                kept = {k: v for k, v in self.headers.items() if k not in ("Authorization", "Host")}
                request = urllib.request.Request(  # noqa: S310
                    server + self.path, content or None, kept, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, timeout=60) as found:  # noqa: S310
                        self._reply(found.status, found.read(), dict(found.headers))
                except urllib.error.HTTPError as error:
                    self._reply(error.code, error.read(), dict(error.headers))
                except OSError:
                    self._reply(502, b"nobody there", {})

            def _reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
                self.send_response_only(status)
                dropped = ("Content-Length", "Transfer-Encoding", "Connection")
                for name, value in headers.items():
                    if name.title() not in dropped:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port, self._stopped = self._server.server_port, stopped
        self.answer_only(-1)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer_only(self, n: int) -> None:
        """Answer so many requests, and then none, as if what it stands before were gone."""
        self._server.answers_left = n  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Listen no more."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
