"""Passwords, tokens and user names: removed from addresses and from any text that is printed or kept.

`public_uri` is the only way by which the address of a server or database becomes text. Text of other origin,
such as messages of libraries, goes through `redacted` before it is kept or printed, and everything that a
command prints goes through `redacting`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TextIO, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode

BLOT = "***"

SHORTEST = 4
"""Shorter secrets are only blotted out where an address has them: they are part of too many words."""

WHOLE_WORDS = 8
"""Secrets shorter than that are blotted out as whole words only."""

HARMLESS = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "service", "unix_socket", "driver", "charset"),
        *("sslmode", "ssl_mode", "ssl", "target_session_attrs", "connect_timeout", "timeout"),
    }
)
"""Parameters of a database's address that are no secrets; any other may hold one."""

SECRET_VARIABLE = re.compile(r"(PASSWORD|PASSWD|TOKEN|SECRET|API_KEY|ACCESS_KEY)$", re.IGNORECASE)
ADDRESS_VARIABLE = re.compile(r"MLFLOW_\w*UR[IL]$")
"""Of the environment: what holds secrets, and addresses that may hold some."""

LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
"""Read from the environment by MLflow; processes that write no runs are started without them."""

NO_SECRETS = frozenset({"true", "false", "none"})
"""Values of variables that only sound like secrets."""

_LOCAL = ("sqlite", "file")
_AUTHORITY = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::\d*)?")
_USER_INFO = re.compile(r"(?<=://)[^\s/@'\"<>]+@")
_ASSIGNED = re.compile(
    r"\b((?:ssl)?(?:password|passwd|passphrase|pwd|token|secret|api_key)\s?=\s?)[^\s&;,'\")]+", re.IGNORECASE
)

_SECRET_PARAMETER = re.compile(r"pass|pwd|token|secret|key|auth|odbc_connect", re.IGNORECASE)

_passwords: set[str] = set()
_users: set[str] = set()


def public_uri(uri: str) -> str:
    """Return an address without user and password, also where it is malformed.

    Examples
    --------
    >>> public_uri("postgresql+psycopg://me:secret@host:5432/runs?password=secret&sslmode=require")
    'postgresql+psycopg://host:5432/runs?sslmode=require'
    >>> public_uri("http://me:half/secret@host:5000/mlflow"), public_uri("me:secret@host:5000")
    ('http://host:5000/mlflow', 'host:5000')
    >>> public_uri("sqlite:////home/me@work/mlflow.db")
    'sqlite:////home/me@work/mlflow.db'
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return re.sub(r"^[^/]*@", "", uri)
    if scheme.partition("+")[0] in _LOCAL and rest.startswith("/"):
        return uri
    rest = rest[len(_user_info(rest)) :]
    place, _, query = rest.partition("#")[0].partition("?")
    harmless = [(key, value) for key, value in parse_qsl(query) if key.lower() in HARMLESS]
    return f"{scheme}://{place}" + (f"?{urlencode(harmless, safe='/')}" if harmless else "")


def login_of(uri: str) -> tuple[str, str]:
    """Return user and password of an address, decoded; empty where it has none.

    Examples
    --------
    >>> login_of("http://me:p%40ss@host:5000"), login_of("http://host:5000")
    (('me', 'p@ss'), ('', ''))
    """
    scheme, _, rest = uri.partition("://")
    if scheme.partition("+")[0] in _LOCAL:
        return "", ""
    user, _, password = _user_info(rest).removesuffix("@").partition(":")
    return unquote(user), unquote(password)


def register_secrets(uri: str) -> None:
    """Record the secrets of an address, so that `redacted` removes them from any text."""
    passwords, users = _secrets_of(uri)
    _passwords.update(passwords)
    _users.update(users)


def redacted(text: str, users: bool = True) -> str:
    """Return a text in which logins and tokens are blotted out, in plain and in encoded form.

    Parameters
    ----------
    text : str
        Of a library, most often.
    users : bool
        Whether names of users are blotted out wherever they stand, or only where they are said to be such: in
        a text of ours a folder may be called like a user.

    Examples
    --------
    >>> redacted("cannot reach http://me:hidden@host:5000/api, token=abc")
    'cannot reach http://host:5000/api, token=***'
    """
    secrets, labelled, named = _expressions(*_known())
    text = _ASSIGNED.sub(rf"\1{BLOT}", _USER_INFO.sub("", secrets.sub(BLOT, text)))
    text = labelled.sub(rf"\1{BLOT}", text)
    return named.sub(BLOT, text) if users else text


def without_login(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a process that writes no runs."""
    kept = {name: value for name, value in environment.items() if name not in LOGIN}
    return {
        name: public_uri(value) if ADDRESS_VARIABLE.match(name) else value for name, value in kept.items()
    }


@contextmanager
def redacting() -> Iterator[None]:
    """Let what is printed within the block go through `redacted`, errors of the interpreter included."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Redacting(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Redacting:
    """A stream that blots out logins; in all else the one that it stands before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text, users=False))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _user_info(rest: str) -> str:
    """Return the beginning of an address, after its scheme, that names a user; with the @ that ends it.

    A password with a slash that is not encoded cuts the authority short: then what precedes the slash is no
    host and port.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, where = authority.rpartition("@")
    if "@" in rest[len(authority) :] and not _AUTHORITY.fullmatch(where):
        return rest[: rest.rindex("@") + 1]
    return user + at


def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Return secrets and users: of addresses, and of the environment as it is now."""
    passwords, users = set(_passwords), {*_users, os.environ.get(LOGIN[0], "")}
    for name, value in os.environ.items():
        if ADDRESS_VARIABLE.match(name):
            secrets, names = _secrets_of(value)
            passwords |= secrets
            users |= names
        elif SECRET_VARIABLE.search(name) and value.lower() not in NO_SECRETS:
            passwords.add(value)
    return frozenset(filter(None, passwords)), frozenset(filter(None, users))


def _secrets_of(uri: str) -> tuple[set[str], set[str]]:
    """Return the secrets of an address, as it has them and decoded, and the users that it names."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        scheme, rest = "", uri
    if scheme.partition("+")[0] in _LOCAL:
        return set(), set()
    user, _, password = _user_info(rest).removesuffix("@").partition(":")
    passwords, users = {password, unquote(password)}, {user, unquote(user)}
    for key, value in parse_qsl(rest.partition("?")[2]):
        if key.lower() in ("user", "username", "uid"):
            users.add(value)
        elif _SECRET_PARAMETER.search(key) and not value.startswith("/"):  # and not the path of a key's file
            passwords.add(value)
    return passwords, users


@lru_cache(maxsize=16)
def _expressions(
    passwords: frozenset[str], users: frozenset[str]
) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return expressions for secrets, for users after a label such as "user=", and for users anywhere."""
    logins = {_base64(f"{user}:{password}") for user in users for password in passwords}
    hidden = {form for password in passwords if len(password) >= SHORTEST for form in _forms(password)}
    names = {form for user in users for form in (user, quote(user, safe=""))}
    named = _any_of(name for name in names if len(name) >= SHORTEST)
    labelled = rf"(\b(?:user|username|role|login|uid)\W{{1,3}}){_any_of(filter(None, names))}"
    return (
        re.compile(_any_of(hidden | logins)),
        re.compile(labelled, re.IGNORECASE),
        re.compile(named),
    )


def _any_of(texts: Iterable[str]) -> str:
    """Return an expression for any of some texts, the longest first; for none, one that matches nothing."""
    longest_first = sorted(set(texts), key=lambda text: (-len(text), text))
    return "(?:" + ("|".join(map(_bounded, longest_first)) or "(?!)") + ")"


def _bounded(text: str) -> str:
    if len(text) >= WHOLE_WORDS:
        return re.escape(text)
    return rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])"


def _forms(secret: str) -> set[str]:
    """Return what a secret looks like in addresses, in JSON, in Python and in a header."""
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub("%..", lambda match: match.group().lower(), text) for text in quoted}
    return {secret, *quoted, *lower, json.dumps(secret)[1:-1], repr(secret)[1:-1], _base64(secret)}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")
