# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Child processes that end with their parent."""

import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sysconfig
import time

# The checkout: PYTHONPATH for processes that run modules of lab or tests.
ROOT = pathlib.Path(__file__).absolute().parent.parent
POLL_SECONDS = 0.05
TAIL_LINES = 30
_PATIENCE = 3
# Below the kernel's ephemeral range, so that no outgoing connection takes the
# port of a server that is down for a moment.
PORTS = range(10240, 32768)


class LabError(Exception):
    """A part of the lab failed; the message names it and the reason."""


def wait_for(predicate, timeout_seconds, what):
    """Return the first true value of `predicate()`, called 20 times a second.

    :param timeout_seconds: timeout on an idle machine. A shared machine can
        stop for seconds, so the real timeout is longer.
    :param what: what is waited for, for the error message.
    :raises LabError: if there was no true value in time.
    """
    timeout_seconds *= _PATIENCE
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_seconds:g} s for {what}")
        time.sleep(POLL_SECONDS)


def folder(path):
    """Create a folder if necessary; return its absolute path."""
    path = pathlib.Path(path).absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def is_free(port):
    """Whether `port` can be bound on loopback, for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_ports(count):
    """Return `count` different loopback ports that are free now."""
    candidates = random.sample(PORTS, len(PORTS))
    free = filter(is_free, candidates)
    return [next(free) for _ in range(count)]


def is_listening(port):
    """Whether a process accepts TCP connections on loopback `port`."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def script(name):
    """Return the path of a script of this interpreter's environment."""
    return str(pathlib.Path(sysconfig.get_path("scripts"), name))


class Process:
    """A child in a session of its own.

    It appends all its output to `log_path`. It can be started again after it
    has ended.
    """

    def __init__(self, name, command, log_path, env=None, cwd=None):
        self.name = name
        self.command = command
        self.log_path = pathlib.Path(log_path)
        self._env = env
        self._cwd = cwd
        self._child = None

    def start(self):
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **(self._env or {})}
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self.command, env=env, cwd=self._cwd, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True)

    @property
    def pid(self):
        return self._child.pid

    def pids(self):
        """Return the pids of its processes that do the work."""
        return [self.pid]

    def is_alive(self):
        return self._child is not None and self._child.poll() is None

    def check(self):
        """Check that it is alive.

        :raises LabError: with the end of its log, if it is not.
        """
        if not self.is_alive():
            status = self._child and self._child.returncode
            raise LabError(f"{self.name} is not running (status {status}):\n"
                           f"{self.log_tail()}")

    def send_signal(self, number):
        self._child.send_signal(number)

    def wait(self, timeout_seconds):
        """Wait until it ends; return its exit status.

        :raises LabError: if it does not end within the timeout.
        """
        try:
            return self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} did not end within "
                           f"{timeout_seconds:g} s") from None

    def terminate(self, timeout_seconds=20):
        """End it by SIGTERM, and by SIGKILL after the timeout.

        :returns: its exit status, or None if it was never started.
        """
        if self._child is None:
            return None
        try:
            self._child.terminate()
            self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            pass
        return self.kill()

    def kill(self):
        """Kill it and the other processes of its session."""
        if self._child is None:
            return None
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self._child.wait()

    def log_text(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def log_tail(self):
        return "\n".join(self.log_text().splitlines()[-TAIL_LINES:])

    def wait_until(self, predicate, timeout_seconds, what):
        """Like wait_for(), but raise LabError if the process ends early."""
        def alive_predicate():
            self.check()
            return predicate()
        return wait_for(alive_predicate, timeout_seconds,
                        f"{what}; see {self.log_path}")

    def wait_for_log(self, pattern, timeout_seconds=30, start=0):
        """Return the first match in the log at or after character `start`."""
        return self.wait_until(
            lambda: re.compile(pattern, re.M).search(self.log_text(), start),
            timeout_seconds, f"{pattern!r} in the log of {self.name}")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.terminate()
            raise
        return self

    def __exit__(self, *exc_info):
        self.terminate()
