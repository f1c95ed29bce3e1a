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

"""The senders that the benchmarks compare.

A sender is created in the process that publishes.
"""

import contextlib
import dataclasses
import typing

from ceilometer import publisher
from ceilometer import service
from oslo_config import cfg

from benchmarks.common import clients
from benchmarks.common import protocols

FLOOR = "floor"
RATES_FLOOR = "floor-with-rates"
OURS = "tcp"


def agent_conf(**options) -> cfg.ConfigOpts:
    """Return an agent's configuration with default options.

    :param options: overrides in the section ``publisher``
    """
    conf = service.prepare_service(
        ["benchmark"], config_files=[], conf=cfg.ConfigOpts())
    conf.set_override("host", "compute-1.example.org")
    for name, value in options.items():
        conf.set_override(name, value, group="publisher")
    return conf


class Publisher:
    """A publisher of Ceilometer, called as its pipeline calls it."""

    def __init__(self, url, conf=None):
        self.publisher = publisher.get_publisher(
            conf or agent_conf(), url, "ceilometer.sample.publisher")

    def publish(self, batch):
        # ceilometer/pipeline/sample.py logs exceptions and goes on.
        with contextlib.suppress(Exception):
            self.publisher.publish_samples(batch)


@dataclasses.dataclass(frozen=True)
class Sender:
    """One row of the tables.

    :ivar make: takes ``port``, ``cafile`` and ``directory`` by name
    :ivar decoder: class of :mod:`~benchmarks.common.protocols`
    :ivar quiet_seconds: after a fault, seconds without data that show that
        it has sent everything
    :ivar settle_seconds: the same without a fault
    :ivar reads: whether it has a receiver
    """

    title: str
    make: typing.Callable
    decoder: type = protocols.Lines
    quiet_seconds: float = 1.0
    settle_seconds: float = 0.15
    is_datagram: bool = False
    is_encrypted: bool = False
    reads: bool = True


def _ours(title, query="", quiet_seconds=8.0, **more):
    # A transaction is committed half a second after its last line.
    url = "graphite://127.0.0.1:{port}" + query
    return Sender("graphite:// " + title,
                  lambda **where: Publisher(url.format(**where)),
                  quiet_seconds=quiet_seconds, settle_seconds=1.0, **more)


def _ceilometers(title, url, decoder, is_datagram=False, **options):
    return Sender(
        "Ceilometer " + title, lambda **where: Publisher(
            url.format(**where), agent_conf(**options)),
        decoder, is_datagram=is_datagram)


def _client(title, kind, **more):
    return Sender(title, lambda port, **_: kind(port), **more)


SENDERS = {
    "nothing": _client("(nothing)", clients.Nothing, quiet_seconds=0.0,
                       reads=False),
    OURS: _ours("tcp"),
    "raw": _ours("counters=raw", "?counters=raw"),
    "both": _ours("counters=both", "?counters=both"),
    "tags": _ours("naming=tags", "?naming=tags"),
    "udp": _ours("udp", "?protocol=udp", 3.0, is_datagram=True),
    "pickle": _ours("pickle", "?format=pickle", decoder=protocols.Pickle),
    "tls": _ours("tls", "?protocol=tls&cafile={cafile}", is_encrypted=True),
    "spool": _ours("spool", "?spool_dir={directory}&catch_up_rate=5000",
                   20.0),
    # It delivers the backlog of an outage before the next one. Otherwise the
    # growth of memory would be that of the backlog.
    "soak": _ours("tcp", "?catch_up_rate=20000"),
    "ceilometer-tcp": _ceilometers(
        "tcp://", "tcp://127.0.0.1:{port}", protocols.MsgpackFrames),
    "ceilometer-tcp-unsigned": _ceilometers(
        "tcp:// unsigned", "tcp://127.0.0.1:{port}", protocols.MsgpackFrames,
        telemetry_secret=""),
    "ceilometer-udp": _ceilometers(
        "udp://", "udp://127.0.0.1:{port}", protocols.MsgpackDatagram,
        is_datagram=True),
    "ceilometer-http": _ceilometers(
        "http://", "http://127.0.0.1:{port}/", protocols.Http),
    "ceilometer-prometheus": _ceilometers(
        "prometheus://",
        "prometheus://127.0.0.1:{port}/metrics/job/ceilometer",
        protocols.Http),
    # It sends once per second.
    "graphyte": _client("graphyte", clients.Graphyte, quiet_seconds=3.0,
                        settle_seconds=1.5),
    "graphitesend": _client("graphitesend", clients.Graphitesend),
    "bridge": _client("prometheus_client bridge", clients.Bridge),
    FLOOR: _client("floor", clients.PlainSocket),
    RATES_FLOOR: _client("floor with rates", clients.RatesSocket),
    "socket": _client("persistent socket", clients.PlainSocket),
    "connect": _client("connect per sample", clients.ConnectPerSample),
}
