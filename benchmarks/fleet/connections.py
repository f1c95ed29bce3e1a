#
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


"""What the kernel and a relay tell of connections and lines."""

import pathlib
import subprocess
import threading
import time
import typing

_LOOK_SECONDS = 0.1
_ESTABLISHED = "01"


def received_bytes(port):
    """What the open connections to a port of this machine have received."""
    output = subprocess.run(
        ["ss", "-tinOH", "state", "established", "sport = :%d" % port],
        capture_output=True, text=True, check=True).stdout
    return sum(int(word.partition(":")[2]) for word in output.split()
               if word.startswith("bytes_received:"))


def accepted(port):
    """How many connections to a loopback port its owner has accepted."""
    local = "0100007F:%04X" % port
    count = 0
    with open("/proc/net/tcp") as table:
        for row in table:
            fields = row.split()
            # One that still waits in the backlog belongs to no file yet.
            count += (fields[1] == local and fields[3] == _ESTABLISHED
                      and fields[9] != "0")
    return count


def refused_for_backlog():
    """How often a listener of this machine had no room for a client."""
    lines = [line.split() for line in pathlib.Path(
        "/proc/net/netstat").read_text().splitlines()]
    names, values = (line for line in lines if line[0] == "TcpExt:")
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])


class Herd(typing.NamedTuple):
    """How clients came back.

    :ivar seconds: until the last was accepted; None when one was not
    :ivar half_seconds: until half of them were
    :ivar peak: connections that were accepted in one second, at most
    :ivar overflows: how often the backlog had no room
    """

    seconds: float | None
    half_seconds: float | None
    peak: int
    overflows: int


class HerdWatch:
    """Counts connections to a port from now on, in a thread.

    :param port: of loopback
    :param count: how many are to come
    :param timeout_seconds: after which no more are waited for
    """

    def __init__(self, port, count, timeout_seconds):
        self._port = port
        self._count = count
        self._begun_at = time.monotonic()
        self._timeout = timeout_seconds
        self._overflows = refused_for_backlog()
        self._seen = [(0.0, 0)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while (self._seen[-1][1] < self._count
               and self._seen[-1][0] < self._timeout):
            count = accepted(self._port)
            self._seen.append((time.monotonic() - self._begun_at, count))
            time.sleep(_LOOK_SECONDS)

    def result(self):
        """Wait for all; returns a :class:`Herd`."""
        self._thread.join()
        return Herd(
            self._until(self._count), self._until(self._count / 2),
            max(count - before for number, (at, count) in enumerate(
                self._seen) for since, before in self._seen[:number + 1]
                if at - since <= 1.0),
            refused_for_backlog() - self._overflows)

    def _until(self, number):
        return next((at for at, count in self._seen if count >= number),
                    None)


class RelayNumbers:
    """What a relay has said of itself, over all its starts.

    :param path: of its statistics, as lines that it appends
    """

    def __init__(self, path):
        self._path = path

    def last(self, name):
        """The newest value of a number; None before it has said any."""
        return next(reversed(self._values(name)), None)

    def total(self, name):
        """How much a counter grew. Each start of the relay begins at 0."""
        total = before = 0
        for value in self._values(name):
            total += value - before if value >= before else value
            before = value
        return total

    def largest(self, name):
        """The largest value of a number."""
        return max(self._values(name), default=0)

    def _values(self, name):
        head = "relay.%s " % name
        return [int(line.split()[1])
                for line in self._path.read_text().splitlines()
                if line.startswith(head)]
