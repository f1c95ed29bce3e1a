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

"""The senders that are compared, each with one way to publish a batch.

Each is made in the process that publishes. Clients of third parties are set
up as kindly as they can be: they reconnect, and do not make the caller wait
where they have a way around it.
"""

import contextlib
import dataclasses
import socket
import typing

from ceilometer import publisher
from ceilometer import service
from oslo_config import cfg

from benchmarks.common import protocols
from benchmarks.common import workload

_HOST = "127.0.0.1"
_TIMEOUT_SECONDS = 5
_GRAPHYTE_QUEUE = 100000


def agent_conf():
    """The configuration of an agent, with the defaults of all options."""
    conf = service.prepare_service(
        ["benchmark"], config_files=[], conf=cfg.ConfigOpts())
    conf.set_override("host", "compute-1.example.org")
    return conf


class Publisher:
    """A publisher for Ceilometer, as its pipeline drives it."""

    prepare = staticmethod(workload.samples)

    def __init__(self, url, conf=None):
        self._publisher = publisher.get_publisher(
            agent_conf() if conf is None else conf, url,
            "ceilometer.sample.publisher")

    def publish(self, batch):
        # As in ceilometer/pipeline/sample.py, which logs what it raises.
        with contextlib.suppress(Exception):
            self._publisher.publish_samples(batch)


class Nothing:
    """Sends nothing: what the machine alone does to a caller."""

    prepare = staticmethod(workload.samples)

    def __init__(self, port):
        pass

    def publish(self, batch):
        pass


class Graphyte:
    """Queues lines; its thread makes a connection for each thousand."""

    prepare = staticmethod(workload.datapoints)

    def __init__(self, port):
        import graphyte
        self._sender = graphyte.Sender(
            _HOST, port, interval=1, queue_size=_GRAPHYTE_QUEUE)

    def publish(self, batch):
        for path, value, seconds in batch:
            self._sender.send(path, value, seconds)


class Graphitesend:
    """A connection that is kept, and made again up to three times."""

    prepare = staticmethod(workload.datapoints)

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
            self._client.send_list(batch)


def _line(path, value, seconds):
    return ("%s %s %d\n" % (path, value, seconds)).encode("ascii")


class PlainSocket:
    """Connects once, and again when the last send failed."""

    prepare = staticmethod(workload.datapoints)

    def __init__(self, port):
        self._address = (_HOST, port)
        self._socket = None

    def publish(self, batch):
        data = b"".join(_line(*datapoint) for datapoint in batch)
        try:
            if self._socket is None:
                self._socket = socket.create_connection(
                    self._address, _TIMEOUT_SECONDS)
            self._socket.sendall(data)
        except OSError:
            if self._socket is not None:
                self._socket.close()
            self._socket = None


class ConnectPerSample:
    """What the proof of concept of 2014 did."""

    prepare = staticmethod(workload.datapoints)

    def __init__(self, port):
        self._address = (_HOST, port)

    def publish(self, batch):
        for datapoint in batch:
            with (contextlib.suppress(OSError), socket.create_connection(
                    self._address, _TIMEOUT_SECONDS) as connection):
                connection.sendall(_line(*datapoint))


def _ours(parameters=""):
    def make(port, cafile, directory):
        values = parameters.format(cafile=cafile, directory=directory)
        return Publisher("graphite://%s:%d%s" % (_HOST, port, values))
    return make


def _ceilometers(url):
    return lambda port, *_: Publisher(url % (_HOST, port))


def _client(kind):
    return lambda port, *_: kind(port)


@dataclasses.dataclass(frozen=True)
class Sender:
    """One row of the table.

    :ivar make: of a port, the path of a CA and that of a folder
    :ivar quiet_seconds: once it has sent nothing for so long after the load
        it will send no more
    """

    title: str
    make: typing.Callable
    decoder: type = protocols.Lines
    quiet_seconds: float = 1.0
    is_datagram: bool = False
    is_encrypted: bool = False
    reads: bool = True


SENDERS = {
    "nothing": Sender("(nothing)", _client(Nothing), quiet_seconds=0.0,
                      reads=False),
    "tcp": Sender("graphite:// tcp", _ours(), quiet_seconds=8.0),
    "tls": Sender("graphite:// tls", _ours("?protocol=tls&cafile={cafile}"),
                  quiet_seconds=8.0, is_encrypted=True),
    "pickle": Sender("graphite:// pickle", _ours("?format=pickle"),
                     protocols.Pickle, quiet_seconds=8.0),
    "spool": Sender("graphite:// spool",
                    _ours("?spool_dir={directory}&catch_up_rate=5000"),
                    quiet_seconds=20.0),
    "udp": Sender("graphite:// udp", _ours("?protocol=udp"),
                  quiet_seconds=3.0, is_datagram=True),
    "ceilometer-tcp": Sender("Ceilometer tcp://",
                             _ceilometers("tcp://%s:%d"),
                             protocols.MsgpackFrames),
    "ceilometer-udp": Sender("Ceilometer udp://",
                             _ceilometers("udp://%s:%d"),
                             protocols.MsgpackDatagram, is_datagram=True),
    "ceilometer-http": Sender("Ceilometer http://",
                              _ceilometers("http://%s:%d/"), protocols.Http),
    "graphyte": Sender("graphyte", _client(Graphyte), quiet_seconds=3.0),
    "graphitesend": Sender("graphitesend", _client(Graphitesend)),
    "socket": Sender("persistent socket", _client(PlainSocket)),
    "connect": Sender("connect per sample", _client(ConnectPerSample)),
}
