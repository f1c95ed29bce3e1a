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


"""Receivers of Graphite's lines, with one interface to start and read them."""

import contextlib
import pathlib
import shutil
import sys
import time

import whisper

from lab import certificates
from lab import command
from lab import documented
from lab import graphite
from lab import haproxy
from lab import influxdb
from lab import process
from lab import relay
from lab import victoria

_PREFIX = "ceilometer"
# Maximum duration of a trial. graphite-web reads an hour slowly.
_SECONDS = 120
_CARBONS_VERSION = ("from importlib import metadata; "
                    "print(metadata.version('carbon'))")


class Receiver:
    """Accepts lines of series whose names begin with `ceilometer.`.

    :ivar title: its name.
    :ivar needs: the command that it needs.
    :ivar ports: {protocol: loopback port} for `tcp`, `udp` and `pickle`, as
        far as it has them.
    :ivar ways: keys of deliveries.WAYS that it supports.
    :ivar options: options that the publisher's URL needs for it.
    """

    title = needs = None
    ports = None
    ways = ("tags", "tcp", "udp", "names")
    options = {}

    def __init__(self):
        self._parts = contextlib.ExitStack()

    def _start(self, *parts):
        for part in parts:
            # Killed, because nobody needs what it would write at its end.
            self._parts.callback(part.kill)
            part.start()

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self._parts.close)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._parts.close()

    def start(self):
        """Start it; return when it accepts lines and can be read."""
        raise NotImplementedError

    def version(self):
        """Return its version."""
        raise NotImplementedError

    def points(self):
        """Return the points of at least the last two minutes.

        :returns: {NAME;TAG=VALUE;...: {epoch second: [values]}}, with sorted
            tags. A path has no tags.
        """
        raise NotImplementedError


class Carbon(Receiver):
    """carbon-cache from PyPI.

    Paths are read from its files, and tagged series through graphite-web.
    """

    title = "Carbon, PyPI"
    needs = sys.executable
    ways = (*Receiver.ways, "pickle")
    _command = _interpreter = None

    def __init__(self, directory):
        super().__init__()
        self.carbon = graphite.Carbon(
            directory / "carbon", settings=documented.text("carbon.conf"),
            command=self._command)
        self._web = graphite.GraphiteWeb(directory / "web", self.carbon)
        self.ports = {"tcp": self.carbon.line_port,
                      "udp": self.carbon.udp_port,
                      "pickle": self.carbon.pickle_port}

    def start(self):
        self._start(self.carbon, self._web)

    def version(self):
        return command.run(self._interpreter or sys.executable, "-c",
                           _CARBONS_VERSION).strip()

    def points(self):
        tagged = self._web.points(f'seriesByTag("name=~^{_PREFIX}[.]")',
                                  f"-{_SECONDS}s")
        return {name: {second: [value] for second, value in points.items()}
                for name, points in (*tagged.items(), *self._files())}

    def _files(self):
        """Yield (path, {second: value}) of each of Carbon's files."""
        folder = self.carbon.whisper
        for file in (folder / _PREFIX).rglob("*.wsp"):
            try:
                (second, _, step), values = whisper.fetch(
                    str(file), time.time() - _SECONDS)
            except whisper.CorruptWhisperFile:
                continue  # Carbon is creating it.
            path = ".".join(file.relative_to(folder).with_suffix("").parts)
            yield path, {second + number * step: value
                         for number, value in enumerate(values)
                         if value is not None}


class DebiansCarbon(Carbon):
    """carbon-cache from the package graphite-carbon."""

    title = "Carbon, Debian"
    needs, = _command = graphite.DEBIANS_CARBON
    _interpreter = "/usr/bin/python3"


class CarbonCRelay(Carbon):
    """carbon-c-relay in front of a carbon-cache, which is read."""

    title = "carbon-c-relay"
    needs = relay.COMMAND
    ways = Receiver.ways

    def __init__(self, directory):
        super().__init__(directory)
        self._relay = relay.DocumentedRelay(directory / "relay",
                                            self.carbon.line_port)
        self.ports = dict.fromkeys(("tcp", "udp"), self._relay.port)

    def start(self):
        super().start()
        self._start(self._relay)

    def version(self):
        return command.run(relay.COMMAND, "-v").split()[1].lstrip("v")


class TlsRelay(CarbonCRelay):
    """carbon-c-relay with TLS in front of a carbon-cache, which is read."""

    title = "carbon-c-relay, TLS"
    ways = ("tags", "tcp", "names")

    def __init__(self, directory):
        super().__init__(directory)
        authority = certificates.Authority(directory / "authority")
        self._relay = relay.Relay(
            directory / "tls", self.carbon.line_port,
            authority.certificate("relay"))
        self.ports = {"tcp": self._relay.port}
        self.options = {"protocol": "tls", "cafile": authority.cafile}


class BalancedCarbon(Carbon):
    """HAProxy in front of a carbon-cache, which is read."""

    title = "HAProxy, Carbon"
    needs = haproxy.COMMAND
    ways = ("tags", "tcp", "names")

    def __init__(self, directory):
        super().__init__(directory)
        self._balancer = haproxy.HAProxy(directory / "balancer",
                                         self.carbon.line_port)
        self.ports = {"tcp": self._balancer.port}

    def start(self):
        super().start()
        self._start(self._balancer)

    def version(self):
        return command.run(haproxy.COMMAND, "-v").split()[2]


class VictoriaMetrics(Receiver):
    """A single-node VictoriaMetrics, read through its export API."""

    title = "VictoriaMetrics"
    needs = victoria.COMMAND

    def __init__(self, directory):
        super().__init__()
        self._engine = victoria.VictoriaMetrics(directory / "victoria")
        self.ports = dict.fromkeys(("tcp", "udp"), self._engine.line_port)

    def start(self):
        self._start(self._engine)

    def version(self):
        return self._engine.version()

    def points(self):
        return self._engine.series(f"{_PREFIX}[.].*")


class InfluxDB(Receiver):
    """InfluxDB 1, read through InfluxQL.

    Its templates make tags of a path. The path is made of these tags again.
    """

    title = "InfluxDB"
    needs = influxdb.COMMAND
    ways = ("tcp", "udp", "names")
    options = {"template": influxdb.OUR_TEMPLATE}

    def __init__(self, directory):
        super().__init__()
        self._server = influxdb.InfluxDB(directory / "influxdb")
        self.ports = dict.fromkeys(("tcp", "udp"), self._server.line_port)

    def start(self):
        self._start(self._server)

    def version(self):
        return self._server.version()

    def points(self):
        return {_path(measurement, tags): points for measurement, tags, points
                in self._server.series()}


def _path(measurement, tags):
    tags = {tag: value for tag, value in tags.items() if value}
    if "endpoint" in tags:
        branch, _, name = measurement.partition(".")
        return ".".join((_PREFIX, tags["host"], branch, tags["endpoint"],
                         name))
    return ".".join([_PREFIX, *(tags[name] for name in (
        "host", "project", "instance", "device") if name in tags),
        measurement])


ALL = (Carbon, DebiansCarbon, CarbonCRelay, TlsRelay, BalancedCarbon,
       VictoriaMetrics, InfluxDB)


def make(kind, directory):
    """Return a receiver of a class of `ALL`, with its files in `directory`.

    :raises LabError: if it is not installed.
    """
    if not shutil.which(kind.needs):
        raise process.LabError(f"{kind.title} needs {kind.needs}")
    return kind(pathlib.Path(directory))
