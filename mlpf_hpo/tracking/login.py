"""Login to MLflow: the address without user and password is public, the login stays in this module.

What the rest of the package hands around is the public address; `full_uri` has what MLflow needs beside it. A
server's user and password go into the header of each request to that server, by MLflow's own way for that;
its address, which MLflow puts into its messages, never has them. A database's address must have them.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from mlflow.tracking.request_auth.registry import _request_auth_provider_registry
from requests import PreparedRequest, RequestException
from requests.auth import AuthBase

from mlpf_hpo.credentials import LOGIN, login_of, public_uri, register_secrets

URI, AUTH = "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_AUTH"

PROVIDER = "mlpf-hpo"
"""Name by which MLflow finds our way to log in."""

_full: dict[str, str] = {}
_headers: dict[str, str] = {}


def known_as(uri: str) -> str:
    """Return the public form of an address, and keep in memory what it had beside that."""
    public = public_uri(uri)
    if public == uri:
        return uri
    register_secrets(uri)
    if not uri.startswith("http"):
        _full[public] = uri
    else:
        user, password = login_of(uri)
        _log_in(public, _basic(user, password or os.environ.get(LOGIN[1], "")))
    if os.environ.get(URI) == uri:
        os.environ[URI] = public
    return public


def full_uri(public: str) -> str:
    """Return what MLflow is given for an address: for its ears only."""
    return _full.get(public, public)


def ask_instead(public: str, other: str) -> None:
    """Make another address what MLflow is given for one."""
    if other != public:
        _full[public] = other


@contextmanager
def logged_out() -> Iterator[None]:
    """Take logins out of the environment while processes are started that write no runs.

    Requests that another thread sends meanwhile have their header all the same.
    """
    before = {name: os.environ[name] for name in LOGIN if name in os.environ}
    address = public_uri(os.environ.get(URI, ""))
    if before and address.startswith("http") and _as_requested(address) not in _headers:
        user, password, token = (before.get(name, "") for name in LOGIN)
        _log_in(address, _basic(user, password) if user and password else f"Bearer {token}")
    for name in before:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def _log_in(address: str, header: str) -> None:
    _headers[_as_requested(address)] = header
    os.environ.setdefault(AUTH, PROVIDER)


def _as_requested(address: str) -> str:
    """Return an address as requests to it begin, in the spelling that they are sent with."""
    request = PreparedRequest()
    try:
        request.prepare_url(address, None)
    except RequestException:  # malformed: MLflow says so when it is asked for something
        return address
    return f"{(request.url or address).rstrip('/')}/"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Header(AuthBase):
    """Adds the header of the server that a request goes to; other servers get none."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        for address, header in _headers.items():
            if (request.url or "").startswith(address):
                request.headers["Authorization"] = header
        return request


class _Provider(RequestAuthProvider):
    """Tells MLflow of the header."""

    def get_name(self) -> str:
        return PROVIDER

    def get_auth(self) -> Any:
        return _Header()


_request_auth_provider_registry.register(_Provider)
