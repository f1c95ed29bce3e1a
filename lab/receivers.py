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


"""What takes Graphite's lines: each started alike, and read back alike."""

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
# What a trial may take; an hour would take graphite-web long to read.
_SECONDS = 120
_CARBONS_VERSION = ("from importlib import metadata; "
                    "print(metadata.version('carbon'))")


class Receiver:
    """Takes lines of series whose names begin with `ceilometer.`.

    :ivar title: its name.
    :ivar needs: the command that has to be there.
    :ivar ports: of loopback, by `tcp`, `udp` and, if it has one, `pickle`.
    :ivar ways: of deliveries.WAYS, that it knows.
    :ivar options: what the publisher's URL has to say for it.
    """

    title = needs = None
    ports = None
    ways = ("tags", "tcp", "udp", "names")
    options = {}

    def __init__(self):
        self._parts = contextlib.ExitStack()

    def _start(self, *parts):
        for part in parts:
            # Nobody needs what one would write at its end.
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
        """Return when it takes lines and can be read."""
        raise NotImplementedError

    def version(self):
        """Return what it says of itself."""
        raise NotImplementedError

    def points(self):
        """Return what there is of the last two minutes at least.

        :returns: {NAME;TAG=VALUE;...: {epoch second: [values]}}, with the
            tags sorted; a path has none.
        """
        raise NotImplementedError


class Carbon(Receiver):
    """carbon-cache from PyPI.

    Its paths are read from its files, its tagged series by graphite-web.
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
        """Yield the path and {second: value} of each of Carbon's files."""
        folder = self.carbon.whisper
        for file in (folder / _PREFIX).rglob("*.wsp"):
            try:
                (second, _, step), values = whisper.fetch(
                    str(file), time.time() - _SECONDS)
            except whisper.CorruptWhisperFile:
                continue  # It is being made.
            path = ".".join(file.relative_to(folder).with_suffix("").parts)
            yield path, {second + number * step: value
                         for number, value in enumerate(values)
                         if value is not None}


class DebiansCarbon(Carbon):
    """carbon-cache of the package graphite-carbon."""

    title = "Carbon, Debian"
    needs, = _command = graphite.DEBIANS_CARBON
    _interpreter = "/usr/bin/python3"


class CarbonCRelay(Carbon):
    """carbon-c-relay, before a carbon-cache that is read."""

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
    """carbon-c-relay with TLS, before a carbon-cache that is read."""

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
    """HAProxy, before a carbon-cache that is read."""

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
    """A single-node VictoriaMetrics, read by its export API."""

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
    """InfluxDB 1, read by InfluxQL.

    The tags that its templates make of a path are put together to the path
    again.
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
    """Return one of `ALL`, whose files are in `directory`.

    :raises LabError: when the machine lacks it.
    """
    if not shutil.which(kind.needs):
        raise process.LabError(f"{kind.title} needs {kind.needs}")
    return kind(pathlib.Path(directory))
