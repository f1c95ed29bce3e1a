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

"""How clients reconnect to a relay, according to the kernel."""

import pathlib
import threading
import time
import typing

_LOOK_SECONDS = 0.1
_ESTABLISHED = "01"


def accepted(port: int) -> int:
    """Return the number of accepted connections to a loopback port."""
    local = "0100007F:%04X" % port
    count = 0
    with open("/proc/net/tcp") as table:
        for row in table:
            fields = row.split()
            # A connection in the backlog has no inode yet.
            count += (fields[1] == local and fields[3] == _ESTABLISHED
                      and fields[9] != "0")
    return count


def refused_for_backlog() -> int:
    """Return how often a listener's backlog was full."""
    lines = [line.split() for line in pathlib.Path(
        "/proc/net/netstat").read_text().splitlines()]
    names, values = (line for line in lines if line[0] == "TcpExt:")
    return int(dict(zip(names, values, strict=True))["ListenOverflows"])


class Herd(typing.NamedTuple):
    """The result of a :class:`Watch`.

    :ivar seconds: until all clients were accepted, or None
    :ivar half_seconds: until half of them were accepted, or None
    :ivar peak: maximum of connections accepted in one second
    :ivar overflows: how often the backlog was full
    """

    seconds: float | None
    half_seconds: float | None
    peak: int
    overflows: int


class Watch:
    """Counts new connections to a loopback port, in a thread.

    :param count: how many to wait for
    :param timeout_seconds: maximum wait
    """

    def __init__(self, port: int, count: int, timeout_seconds: float):
        self._port = port
        self._count = count
        self._begun_at = time.monotonic()
        self._timeout = timeout_seconds
        self._overflows = refused_for_backlog()
        self._seen = [(0.0, 0)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Herd:
        """Wait for the connections."""
        self._thread.join()
        return Herd(
            self._until(self._count), self._until(self._count / 2),
            max(count - before for number, (at, count) in enumerate(
                self._seen) for since, before in self._seen[:number + 1]
                if at - since <= 1.0),
            refused_for_backlog() - self._overflows)

    def _run(self):
        while (self._seen[-1][1] < self._count
               and self._seen[-1][0] < self._timeout):
            count = accepted(self._port)
            self._seen.append((time.monotonic() - self._begun_at, count))
            time.sleep(_LOOK_SECONDS)

    def _until(self, number):
        return next((at for at, count in self._seen if count >= number),
                    None)
