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

"""The senders that :mod:`~benchmarks.cpu` compares, the floor among them.

Each gets batches of Ceilometer's samples. Who does not know samples is
charged for what its caller does: it makes (path, value, seconds) of them.
"""

import dataclasses
import datetime
import socket
import typing

from benchmarks.common import senders
from benchmarks.cpu import drain

FLOOR = "floor"
OURS = "tcp"
_HOST = "127.0.0.1"


def _seconds(batch):
    """The whole seconds of a batch, of which all have one timestamp."""
    return int(datetime.datetime.fromisoformat(
        batch[0].timestamp + "+00:00").timestamp())


def lines(batch):
    """What the floor writes: one simple loop, and nothing checked.

    Of these samples these are the lines of ``graphite://`` with
    ``counters=raw``.
    """
    seconds = _seconds(batch)
    texts = []
    for sample in batch:
        metadata = sample.resource_metadata
        device = metadata.get("disk_name") or metadata.get("vnic_name")
        if device:
            texts.append(
                f"ceilometer.compute-1.{sample.project_id}."
                f"{metadata['instance_id']}.{sample.name}.{device} "
                f"{sample.volume} {seconds}\n")
        else:
            texts.append(
                f"ceilometer.compute-1.{sample.project_id}."
                f"{metadata['instance_id']}.{sample.name} "
                f"{sample.volume} {seconds}\n")
    return "".join(texts).encode("ascii")


def datapoints(batch):
    """The same as (path, value, seconds), for clients of Graphite."""
    seconds = _seconds(batch)
    found = []
    for sample in batch:
        metadata = sample.resource_metadata
        device = metadata.get("disk_name") or metadata.get("vnic_name")
        path = (f"ceilometer.compute-1.{sample.project_id}."
                f"{metadata['instance_id']}.{sample.name}")
        if device:
            path = f"{path}.{device}"
        found.append((path, sample.volume, seconds))
    return found


class Floor:
    """The least that a sender can do: a loop, a join, a sendall."""

    def __init__(self, port):
        self._socket = socket.create_connection((_HOST, port))

    def publish(self, batch):
        self._socket.sendall(lines(batch))


class Client:
    """A client of Graphite, and the caller that makes datapoints for it."""

    def __init__(self, client):
        self._client = client

    def publish(self, batch):
        self._client.publish(datapoints(batch))


class Bridge:
    """prometheus_client's bridge to Graphite: a push for each batch.

    A gauge has a registry of its own, and only the batch's series, for a
    push sends all that is in its registry.
    """

    _LABELS = ("project", "instance", "device")

    def __init__(self, port):
        self._address = (_HOST, port)
        self._by_meter = {}

    def publish(self, batch):
        meters = {}
        for sample in batch:
            meters.setdefault(sample.name, []).append(sample)
        for meter, samples in meters.items():
            if meter not in self._by_meter:
                self._by_meter[meter] = self._make(meter)
            gauge, bridge = self._by_meter[meter]
            gauge.clear()
            for sample in samples:
                metadata = sample.resource_metadata
                gauge.labels(
                    sample.project_id, metadata["instance_id"],
                    metadata.get("disk_name") or metadata.get("vnic_name")
                    or "").set(sample.volume)
            bridge.push("ceilometer.compute-1")

    def _make(self, meter):
        import prometheus_client
        from prometheus_client.bridge import graphite
        registry = prometheus_client.CollectorRegistry()
        return (prometheus_client.Gauge(meter.replace(".", "_"), meter,
                                        self._LABELS, registry=registry),
                graphite.GraphiteBridge(self._address, registry))


@dataclasses.dataclass(frozen=True)
class Sender:
    """One row of the tables.

    :ivar make: of a port, the path of a CA and that of a folder, by name
    :ivar receiver: what it sends to, of :mod:`~benchmarks.cpu.drain`
    :ivar has_lines: whether what goes over the wire are lines
    :ivar quiet_seconds: once it has sent nothing for so long after its
        turn, all is out
    """

    title: str
    make: typing.Callable
    receiver: str = drain.STREAM
    has_lines: bool = True
    quiet_seconds: float = 0.15


def _publisher(url, conf=senders.agent_conf):
    return lambda **where: senders.Publisher(url.format(**where), conf())


def _ours(title, query="", *more):
    return Sender("graphite:// " + title, _publisher(
        "graphite://127.0.0.1:{port}" + query), *more, quiet_seconds=0.6)


def _ceilometers(title, url, receiver=drain.STREAM, **more):
    return Sender("Ceilometer " + title, _publisher(url, **more), receiver,
                  has_lines=False)


def _unsigned():
    conf = senders.agent_conf()
    conf.set_override("telemetry_secret", "", group="publisher")
    return conf


def _client(title, kind, **more):
    return Sender(title, lambda port, **_: Client(kind(port)), **more)


SENDERS = {
    FLOOR: Sender("floor", lambda port, **_: Floor(port)),
    OURS: _ours("tcp"),
    "raw": _ours("counters=raw", "?counters=raw"),
    "both": _ours("counters=both", "?counters=both"),
    "tags": _ours("naming=tags", "?naming=tags"),
    "udp": _ours("udp", "?protocol=udp", drain.DATAGRAMS),
    "pickle": _ours("pickle", "?format=pickle", drain.STREAM, False),
    "tls": _ours("tls", "?protocol=tls&cafile={cafile}", drain.TLS, False),
    "spool": _ours("spool_dir", "?spool_dir={directory}"),
    "ceilometer-tcp": _ceilometers("tcp://", "tcp://127.0.0.1:{port}"),
    "ceilometer-tcp-unsigned": _ceilometers(
        "tcp:// unsigned", "tcp://127.0.0.1:{port}", conf=_unsigned),
    "ceilometer-udp": _ceilometers("udp://", "udp://127.0.0.1:{port}",
                                   drain.DATAGRAMS),
    "ceilometer-http": _ceilometers("http://", "http://127.0.0.1:{port}/",
                                    drain.HTTP),
    "ceilometer-prometheus": _ceilometers(
        "prometheus://",
        "prometheus://127.0.0.1:{port}/metrics/job/ceilometer", drain.HTTP),
    # It sends once a second.
    "graphyte": _client("graphyte", senders.Graphyte, quiet_seconds=1.5),
    "graphitesend": _client("graphitesend", senders.Graphitesend),
    "bridge": Sender("prometheus_client bridge",
                     lambda port, **_: Bridge(port)),
    "connect": _client("connection per sample", senders.ConnectPerSample),
}
