"""Logins: cut out of addresses, blotted out of texts, and never printed."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpf_hpo import credentials
from mlpf_hpo.credentials import login_of, public_uri, redacted, register_secrets, without_login
from mlpf_hpo.errors import one_line


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("http://ann:pa55word@host:5000/prefix", "http://host:5000/prefix"),
        ("https://ann:p%40ss%2Fword@host", "https://host"),
        ("http://ann@host:5000", "http://host:5000"),
        ("http://:pa55word@host:5000", "http://host:5000"),
        ("http://ann:pa@55@word@host:5000", "http://host:5000"),
        ("http://ann:pa/55#w?ord@host:5000/x", "http://host:5000/x"),
        ("http://ann:pa55word@[::1]:5000", "http://[::1]:5000"),
        ("http://host:5000/team@cern", "http://host:5000/team@cern"),
        ("http://host:5000?token=pa55word", "http://host:5000"),
        ("ann:pa55word@host:5000", "host:5000"),
        ("mysql+pymysql://ann:pa55word@host/runs?charset=utf8", "mysql+pymysql://host/runs?charset=utf8"),
        (
            "postgresql+psycopg:///runs?user=ann&password=pa55word&host=/run/pg",
            "postgresql+psycopg:///runs?host=/run/pg",
        ),
        (
            "postgresql+psycopg://host/runs?sslpassword=pa55word&sslmode=require",
            "postgresql+psycopg://host/runs?sslmode=require",
        ),
        ("mssql+pyodbc:///?odbc_connect=DRIVER%3D{x}%3BUID%3Dann%3BPWD%3Dpa55word", "mssql+pyodbc:///"),
        ("sqlite:////home/ann@cern/mlflow.db", "sqlite:////home/ann@cern/mlflow.db"),
        ("file:///home/ann@cern/runs", "file:///home/ann@cern/runs"),
        ("databricks", "databricks"),
        ("mlflow-artifacts:/1/ann@cern", "mlflow-artifacts:/1/ann@cern"),
    ],
)
def test_what_may_be_shown_of_an_address(uri: str, public: str) -> None:
    assert public_uri(uri) == public
    assert public_uri(public) == public, "it is known by its public form"


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="@"), min_size=1),
    st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_any_encoded_login_is_cut_out_and_read(user: str, password: str) -> None:
    uri = f"https://{quote(user, safe='')}:{quote(password, safe='')}@host:5000/x"
    assert public_uri(uri) == "https://host:5000/x"
    assert login_of(uri) == (user, password)


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Let an address with a login be known; return user and password."""
    monkeypatch.setattr(credentials, "_passwords", set())
    monkeypatch.setattr(credentials, "_users", set())
    user, password = "annette", 'Pa55/w"ö rd'
    register_secrets(f"http://{user}:{quote(password, safe='')}@host:5000")
    return user, password


def test_a_password_is_blotted_out_in_every_form(remembered: tuple[str, str]) -> None:
    user, password = remembered
    header = base64.b64encode(f"{user}:{password}".encode()).decode()
    alone = base64.b64encode(password.encode()).decode()
    for form in (
        password,
        quote(password),
        quote(password, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(password)),
        header,
        alone,
    ):
        assert form.rstrip("=") not in redacted(f"before {form} after"), form
        assert redacted(f"before {form} after").startswith("before ***")
    assert repr(password) not in redacted(f"{password!r}")


def test_users_are_blotted_out_of_what_others_write(remembered: tuple[str, str]) -> None:
    said = 'authentication failed for user "annette" at /home/annette'
    assert redacted(said) == 'authentication failed for user "***" at /home/***'
    assert redacted(said, users=False) == 'authentication failed for user "***" at /home/annette'
    assert one_line(RuntimeError(said)) == 'RuntimeError: authentication failed for user "***" at /home/***'


def test_the_environment_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-of-mine")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "word-of-mine")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://ann:registry-word@host")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SOME_TOKEN", "false")
    assert redacted("t0ken-of-mine word-of-mine registry-word false") == "*** *** *** false"
    kept = without_login(
        {"MLFLOW_TRACKING_TOKEN": "x", "MLFLOW_REGISTRY_URI": "http://a:b@host", "HOME": "/"}
    )
    assert kept == {"MLFLOW_REGISTRY_URI": "http://host", "HOME": "/"}


def test_words_that_hold_a_short_password_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "base")
    assert redacted("a database, base 2") == "a database, *** 2"


PRINTS = """
import logging, sys, warnings
from mlpf_hpo import console

def main():
    print("out pa55-word")
    console.out.print("console pa55-word", markup=False)
    logging.getLogger("x").warning("log %s", "pa55-word")
    warnings.warn("warning pa55-word")
    raise RuntimeError("defect pa55-word http://ann:other-word@host/x")

console.run(main)
"""


def test_whatever_a_command_prints_holds_no_password(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PRINTS],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "MLFLOW_TRACKING_PASSWORD": "pa55-word"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stdout == "out ***\nconsole ***\n"
    for text in ("log ***", "warning ***", "RuntimeError: defect *** http://host/x"):
        assert text in ended.stderr
    assert "pa55-word" not in ended.stderr.replace('"pa55-word"', "")
    assert "other-word" not in ended.stderr
