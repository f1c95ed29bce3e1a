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

"""Senders that are no publishers: clients of Graphite, and the floor.

A sender turns Ceilometer's samples into (path, value, seconds) itself, and
its CPU time includes this. The third-party clients have their most favorable
settings: they reconnect, and do not block the caller if they can avoid it.
"""

import contextlib
import datetime
import socket

_HOST = "127.0.0.1"
_TIMEOUT_SECONDS = 5
_GRAPHYTE_QUEUE = 100000


def _seconds(batch):
    """Return the epoch second that all samples of a batch share."""
    return int(datetime.datetime.fromisoformat(
        batch[0].timestamp + "+00:00").timestamp())


def lines(batch) -> bytes:
    """Format the lines of the floor in one loop, without any checks.

    They are the lines of ``graphite://`` with ``counters=raw``.
    """
    seconds = _seconds(batch)
    texts = []
    for sample in batch:
        metadata = sample.resource_metadata
        device = metadata.get("disk_name") or metadata.get("vnic_name")
        if device:
            texts.append(
                f"ceilometer.compute-1.{sample.project_id}."
                f"{metadata['display_name']}_{metadata['instance_id']}."
                f"{sample.name}.{device} "
                f"{sample.volume} {seconds}\n")
        else:
            texts.append(
                f"ceilometer.compute-1.{sample.project_id}."
                f"{metadata['display_name']}_{metadata['instance_id']}."
                f"{sample.name} "
                f"{sample.volume} {seconds}\n")
    return "".join(texts).encode("ascii")


def datapoints(batch) -> list:
    """Return (path, value, seconds) of each of these lines."""
    seconds = _seconds(batch)
    return [(_path(sample, sample.name), sample.volume, seconds)
            for sample in batch]


def _path(sample, meter):
    metadata = sample.resource_metadata
    device = metadata.get("disk_name") or metadata.get("vnic_name")
    path = (f"ceilometer.compute-1.{sample.project_id}."
            f"{metadata['display_name']}_{metadata['instance_id']}.{meter}")
    return f"{path}.{device}" if device else path


class _Client:

    def __init__(self, port):
        self._address = (_HOST, port)


class Nothing(_Client):
    """Sends nothing. Shows the delays that come from the machine alone."""

    def publish(self, batch):
        pass


class PlainSocket(_Client):
    """The floor. It reconnects if the last send failed."""

    _socket = None

    def publish(self, batch):
        try:
            if self._socket is None:
                self._socket = socket.create_connection(
                    self._address, _TIMEOUT_SECONDS)
            self._socket.sendall(self.lines(batch))
        except OSError:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def lines(self, batch):
        """Return the bytes to send for a batch."""
        return lines(batch)


class RatesSocket(PlainSocket):
    """The floor with rates: it keeps names, and the last counter values.

    It writes the same lines as ``graphite://`` with default options, except
    for gauges from metadata and for rates that definitions.yaml names.
    """

    def __init__(self, port):
        super().__init__(port)
        self._names = {}
        self._last = {}

    def lines(self, batch):
        seconds = _seconds(batch)
        texts = []
        for sample in batch:
            key = sample.name, sample.resource_id
            path = self._names.get(key)
            is_counter = sample.type == "cumulative"
            if path is None:
                path = self._names[key] = _path(
                    sample, sample.name + ".rate" * is_counter)
            volume = sample.volume
            if is_counter:
                now = sample.monotonic_time
                before = self._last.get(key)
                self._last[key] = volume, now
                if before is None:
                    continue
                volume = (volume - before[0]) / (now - before[1])
            texts.append(f"{path} {volume} {seconds}\n")
        return "".join(texts).encode("ascii")


class ConnectPerSample(_Client):
    """Opens a connection for each sample, as a 2014 prototype did."""

    def publish(self, batch):
        for path, value, seconds in datapoints(batch):
            with (contextlib.suppress(OSError), socket.create_connection(
                    self._address, _TIMEOUT_SECONDS) as connection):
                connection.sendall(
                    f"{path} {value} {seconds}\n".encode("ascii"))


class Graphyte:
    """Queues lines; its thread opens a connection for each thousand."""

    def __init__(self, port):
        import graphyte
        self._sender = graphyte.Sender(
            _HOST, port, interval=1, queue_size=_GRAPHYTE_QUEUE)

    def publish(self, batch):
        for path, value, seconds in datapoints(batch):
            self._sender.send(path, value, seconds)


class Graphitesend:
    """Keeps a connection, and reconnects up to three times."""

    def __init__(self, port):
        import graphitesend
        self._client = graphitesend.GraphiteClient(
            graphite_server=_HOST, graphite_port=port, prefix="",
            system_name="", connect_on_create=False, autoreconnect=True)
        self._client.socket = None
        with contextlib.suppress(graphitesend.GraphiteSendException):
            self._client.connect()

    def publish(self, batch):
        # Without a socket it refuses to send, and does not reconnect.
        if self._client.socket is None:
            self._client.autoreconnect()
        with contextlib.suppress(Exception):
            self._client.send_list(datapoints(batch))


class Bridge(_Client):
    """prometheus_client's bridge to Graphite: a push for each batch.

    A push sends everything in its registry. So each gauge has its own
    registry, which contains the series of the batch only.
    """

    _LABELS = ("project", "instance", "device")

    def __init__(self, port):
        super().__init__(port)
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
