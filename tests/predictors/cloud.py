"""A local stand-in for D-Wave's cloud: the part of its HTTP interface that the client of a QPU asks."""

from __future__ import annotations

import base64
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import dimod
import numpy as np
from dwave.cloud.testing.mocks import qpu_pegasus_solver_data, qpu_problem_timing_data, qpu_zephyr_solver_data
from dwave.samplers import SimulatedAnnealingSampler

TOKEN = "token-of-the-tests"  # noqa: S105
ACCESS_TIME = 23456.0
"""Of every problem, µs."""

PARAMETERS = ("num_reads", "annealing_time", "answer_mode", "label")


def solver(topology: str) -> dict[str, Any]:
    """Return the service's description of a small QPU."""
    make = {"pegasus": qpu_pegasus_solver_data, "zephyr": qpu_zephyr_solver_data}[topology]
    description = make(4 if topology == "pegasus" else 3, name=f"Advantage-{topology}")
    description["properties"] |= {
        "chip_id": f"Advantage-{topology}",
        "problem_timing_data": qpu_problem_timing_data(),
        "parameters": dict.fromkeys(PARAMETERS, ""),
        "default_annealing_time": 20.0,
        "problem_run_duration_range": [0.0, 1e6],
    }
    return description


class FakeCloud(ThreadingHTTPServer):
    """The service; `jobs` are the problems that it was sent, `refusal` is what it says to the next ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.solvers = {
            description["identity"]["name"]: description for description in map(solver, ("pegasus", "zephyr"))
        }
        self.jobs: list[dict[str, Any]] = []
        self.refusal = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sapi/v2/"

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Sample a job by simulated annealing; return the message that completes it."""
        self.jobs.append(job)
        if self.refusal:
            return {"error_code": 400, "error_msg": self.refusal}
        description = self.solvers[job["solver"]["name"]]
        qubits, couplers = description["properties"]["qubits"], description["properties"]["couplers"]
        linear = dict(zip(qubits, _doubles(job["data"]["lin"]), strict=True))
        active = [qubit for qubit in qubits if not np.isnan(linear[qubit])]
        pairs = [(u, v) for u, v in couplers if u in set(active) and v in set(active)]
        quadratic = dict(zip(pairs, _doubles(job["data"]["quad"]), strict=True))
        vartype = {"ising": "SPIN", "qubo": "BINARY"}[job["type"]]
        model = dimod.BinaryQuadraticModel({qubit: linear[qubit] for qubit in active}, quadratic, vartype)
        reads = job["params"]["num_reads"]
        found = SimulatedAnnealingSampler().sample(model, num_reads=reads, num_sweeps=100, seed=1)
        columns = [list(found.variables).index(qubit) for qubit in active]
        bits = (found.record.sample[:, columns] > 0).astype(np.uint8)
        return {
            "id": f"problem-{len(self.jobs)}",
            "status": "COMPLETED",
            "type": job["type"],
            "solver": job["solver"],
            "answer": {
                "format": "qp",
                "active_variables": _packed("i", active),
                "energies": _packed("d", found.record.energy),
                "solutions": base64.b64encode(np.packbits(bits, axis=1).tobytes()).decode(),
                "num_occurrences": _packed("i", [1] * len(bits)),
                "num_variables": description["properties"]["num_qubits"],
                "timing": {"qpu_access_time": ACCESS_TIME, "qpu_anneal_time_per_sample": 20.0},
            },
        }


class Handler(BaseHTTPRequestHandler):
    """Lists solvers and completes problems at once; 401 without the token."""

    server: FakeCloud

    def do_GET(self) -> None:
        name = urlsplit(self.path).path.rstrip("/").rpartition("/remote")[2].strip("/")
        if not name:
            self._reply("solver-definition-list", list(self.server.solvers.values()))
        elif name in self.server.solvers:
            self._reply("solver-definition", self.server.solvers[name])
        else:
            self._reply("solver-definition", {"error_code": 404, "error_msg": "no such solver"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        jobs = json.loads(zlib.decompress(body) if self.headers["Content-Encoding"] == "deflate" else body)
        self._reply("problems", [self.server.answer(job) for job in jobs])

    def _reply(self, kind: str, content: Any, status: int = 200) -> None:
        allowed = self.headers.get("X-Auth-Token") == TOKEN
        description = json.dumps(
            content if allowed else {"error_code": 401, "error_msg": "no such token"}
        ).encode()
        self.send_response(status if allowed else 401)
        self.send_header("Content-Type", f"application/vnd.dwave.sapi.{kind}+json; version=3.0.0")
        self.send_header("Content-Length", str(len(description)))
        self.end_headers()
        self.wfile.write(description)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@contextmanager
def fake_cloud() -> Iterator[FakeCloud]:
    """Serve until the block ends."""
    server = FakeCloud()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _doubles(text: str) -> tuple[float, ...]:
    raw = base64.b64decode(text)
    return struct.unpack(f"<{len(raw) // 8}d", raw)


def _packed(kind: str, values: Any) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}{kind}", *values)).decode()
