"""A cluster of Ray: one that is there, or two processes and more on this machine."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from elliot_advrec.errors import UserError

REACH = 10.0  # seconds for a connection to the cluster's address
HEALTHY = 60  # seconds for its answer
USUAL_CPUS = 4
"""Cores a stage takes on a cluster where nothing is said."""
STORE_BYTES = 100 << 20  # Ray's own store of objects, for which plain data of a few KiB is all there is
_JOIN = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, configure_logging=False)
except Exception as error:
    sys.exit(str(error).splitlines()[0] if str(error) else type(error).__name__)
"""
_FORMS = "use local, local:N, auto, or HOST:PORT of the head"


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster.

    Attributes:
        node: Ray's id of it.
        name: host name or address.
        cpus: cores that Ray gives out there.
        gpus: GPUs that Ray gives out there.
    """

    node: str
    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Joined:
    """A cluster that this process is connected to.

    Attributes:
        machines: those that can make stages.
        cpus: cores that a stage takes.
        local: whether it was started here, and ends with the run.
    """

    machines: tuple[Machine, ...]
    cpus: int
    local: bool

    @property
    def gpus(self) -> float:
        """GPUs of all machines."""
        return sum(machine.gpus for machine in self.machines)


@contextmanager
def joined(address: str, cpus: int | None = None) -> Iterator[Joined]:
    """Within the block, this process is connected to a Ray cluster.

    Args:
        address: ``local`` or ``local:N`` starts one of N processes here (absent: one a core), which ends with
            the block; ``auto`` finds the one that this machine belongs to (``RAY_ADDRESS`` counts);
            ``HOST:PORT`` names its head.
        cpus: cores a stage takes; None: those of this machine shared out among N, on a cluster 4, or fewer
            where no machine has as many.

    Raises:
        UserError: Ray is not installed, a wrong address, nobody answers there, or no machine has the cores.
    """
    workers = local_workers(address)
    require()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)  # importing it sets its own

    if workers is not None:
        each = cpus or max(1, cores() // workers)
        given: dict[str, Any] = {
            "address": "local",
            "num_cpus": each * workers,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
        }
    else:
        check_reached(os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address)
        given = {"address": address}
    if ray.is_initialized():
        raise UserError("this process is connected to a Ray cluster already", remedy="call ray.shutdown()")
    try:
        with _own_sigterm():
            ray.init(**given, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise unreachable(address, str(error)) from error
    try:
        machines = tuple(_machines(ray.nodes()))
        yield Joined(machines, cpus or _usual(machines, each if workers else None), workers is not None)
    finally:
        ray.shutdown()


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Within the block Ray takes over SIGTERM; after it the signal is this process's own again."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _machines(nodes: list[dict[str, Any]]) -> Iterator[Machine]:
    for node in nodes:
        held = node["Resources"]
        if node["Alive"] and held.get("CPU", 0) > 0:
            yield Machine(node["NodeID"], node["NodeManagerHostname"], held["CPU"], held.get("GPU", 0))


def _usual(machines: tuple[Machine, ...], each: int | None) -> int:
    if each is not None:
        return each
    return max(1, min(USUAL_CPUS, int(max((machine.cpus for machine in machines), default=1))))


def require() -> None:
    """Refuse where Ray is not installed.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("--ray needs Ray, which is not installed", remedy="pip install 'elliot-advrec[ray]'")


def local_workers(address: str) -> int | None:
    """N of ``local:N``, the cores of this machine for ``local``; None for the address of a cluster.

    Raises:
        UserError: it is neither.
    """
    name, _, number = address.partition(":")
    if name == "local":
        if (number and not (number.isdecimal() and int(number) > 0)) or address == "local:":
            raise UserError(f"'{number}' is no number of processes", where="--ray", remedy=_FORMS)
        return int(number) if number else cores()
    if "://" in address:
        raise UserError(
            f"'{address}' is a Ray client's address",
            where="--ray",
            remedy="start the run on a machine of the cluster, with --ray auto: it must see the store too",
        )
    if address != "auto" and not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]/\s]+):\d{1,5}", address):
        raise UserError(f"'{address}' is no address of a Ray cluster", where="--ray", remedy=_FORMS)
    return None


def check_reached(address: str) -> None:
    """Refuse at once what Ray itself would try for minutes.

    Raises:
        UserError: nobody listens at ``HOST:PORT``, or who does is no head that lets this process join.
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH).close()
        except (OSError, OverflowError, ValueError) as error:
            raise unreachable(address, str(error)) from error
    # Ray itself retries for minutes without a word, and some of its failures end the process that joins.
    command = [sys.executable, "-c", _JOIN, address]
    try:
        found = subprocess.run(command, timeout=HEALTHY, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired as error:
        raise unreachable(address, f"no answer within {HEALTHY} s") from error
    if found.returncode:
        raise unreachable(address, found.stderr.strip().rpartition("\n")[2] or "there is no healthy head")


def unreachable(address: str, why: str) -> UserError:
    """Nobody of a cluster answers."""
    lines = why.strip().splitlines() or ["no answer"]
    remedy = (
        "start one with `ray start --head` (`ray start --address=HOST:PORT` joins it), set"
        " RAY_AUTH_MODE=token where it asks for a token, or use --ray local"
    )
    return UserError(f"no Ray cluster answers ({lines[0][:200]})", where=f"--ray {address}", remedy=remedy)
