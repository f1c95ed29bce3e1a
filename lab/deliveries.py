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


"""Publishes recorded samples to a receiver, and reads them back."""

import contextlib
import copy
import datetime
import pathlib
import sys
import time
import typing
import urllib.parse

from ceilometer import service
from oslo_config import cfg
from oslo_utils import netutils

from ceilometer_graphite import conversion
from ceilometer_graphite import publisher
from ceilometer_graphite import settings
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from ceilometer_graphite.cli import sampling
from lab import process

RECORDING = (pathlib.Path(__file__).absolute().parent.parent
             / "tests/fixtures/polling-27.0.0.json")
INSTANCE = "084fce35-db18-5086-9b08-7723a5368aa3"
# Options of a publisher for each way of delivery.
WAYS = {
    # First, because Carbon registers series with graphite-web in this order.
    "tags": {"naming": "tags"},
    "tcp": {"self_metrics_interval": 1},
    "udp": {"protocol": "udp"},
    "pickle": {"format": "pickle"},
    "names": {"template": "{prefix}.{hostname}.{project_name}.{project_id}."
                          "{instance_name}.{instance_id}.{meter}.{device}"},
}
NAMES = ("vd a;b=c d", "../../etc/passwd", "quo\"te's`$(id)`", "düsk-☃\u202e",
         "line\nbreak 1 2\r", "%s{__name__}", "~tilde", "x" * 300)
VOLUMES = (2 ** 63, 2 ** 63 - 1, 2 ** 64 - 1, 2 ** 53 + 1, 0, -1.5, 0.1, 1 / 3,
           1e-9, sys.float_info.max)
_SECONDS = 30
CONFIRMED_LINES = 1000


def _later(timestamp, delta):
    return (datetime.datetime.fromisoformat(timestamp) + delta).isoformat()


def _odd(recorded):
    """Yield copies of a sample with odd names and volumes."""
    for number, name in enumerate(NAMES):
        for field, key in (("name", None), ("project_id", None),
                           ("metadata", "disk_name"),
                           ("metadata", "display_name")):
            sample = copy.copy(recorded)
            sample.volume = number
            sample.resource_id = f"odd-{field}-{key}-{number}"
            sample.resource_metadata = {**sample.resource_metadata,
                                        "instance_id": sample.resource_id}
            if key:
                sample.resource_metadata[key] = name
            else:
                setattr(sample, field, name)
            yield sample
    for number, volume in enumerate(VOLUMES):
        sample = copy.copy(recorded)
        sample.name, sample.volume = f"lab.volume.{number}", volume
        yield sample


def batches(conf, host):
    """Return lists of samples: recorded ones with current times, and odd ones.

    :param host: host of all samples.
    """
    found = [[sample for sample in batch if INSTANCE in sample.resource_id]
             for batch in sampling.read(RECORDING, conf)]
    counter = next(sample for batch in found for sample in batch
                   if sample.name == "disk.device.read.bytes")
    found.append(list(_odd(counter)))
    newest = max(sample.timestamp for batch in found for sample in batch)
    delta = datetime.timedelta(seconds=int(
        time.time() - 5 - datetime.datetime.fromisoformat(
            newest + "+00:00").timestamp()))
    for sample in (sample for batch in found for sample in batch):
        sample.timestamp = _later(sample.timestamp, delta)
        sample.resource_metadata = {**sample.resource_metadata,
                                    "instance_host": host}
    return found


def series_name(name):
    """Return the name of a series with its tags sorted."""
    name, *tags = name.split(";")
    return ";".join([name, *sorted(tags)])


class Outcome(typing.NamedTuple):
    """The result of a delivery.

    :ivar sent: number of points sent.
    :ivar arrived: how many of these the receiver has, with any value.
    :ivar changed: [(series, sent, read), ...] of points whose value differs.
    :ivar strangers: names of series that the receiver has but nobody sent.
    :ivar reports: names of the publisher's series about itself.
    """

    sent: int
    arrived: int
    changed: list
    strangers: list
    reports: list

    @property
    def is_complete(self):
        """Whether all points arrived, and no others."""
        return self.arrived == self.sent and not self.strangers

    @property
    def largest_change(self):
        """The largest relative difference of two values, or 0."""
        return max((abs(read - sent) / max(abs(sent), abs(read))
                    for _, sent, read in self.changed), default=0)


def _conf():
    return service.prepare_service(["test"], config_files=[],
                                   conf=cfg.ConfigOpts())


def _url(receiver, way, **options):
    options = {"self_metrics_interval": 0, **options, **receiver.options,
               **WAYS[way]}
    return netutils.urlsplit("graphite://127.0.0.1:%d?%s" % (
        receiver.ports.get(way, receiver.ports["tcp"]),
        urllib.parse.urlencode(options)))


class Delivery:
    """One publisher, and all that it sends.

    :param receiver: a started receivers.Receiver.
    :param way: a key of `WAYS`, and the name of the samples' host.
    """

    def __init__(self, receiver, way):
        host = f"{way}.example.org"
        conf = _conf()
        conf.set_override("host", host)
        url = _url(receiver, way, counters="both")
        self.way = way
        self._sent = batches(conf, host)
        self._publisher = publisher.GraphitePublisher(conf, url)
        self.points = self._expected(settings.load_settings(conf, url))

    def _expected(self, settings):
        """Return the expected {series: {second: value}}."""
        converter, points = conversion.Converter(settings), {}
        for batch in self._sent:
            for line in converter.convert(batch)[0]:
                name, value, second = line.split(" ")
                of_series = points.setdefault(series_name(name), {})
                if int(second) in of_series:
                    raise process.LabError(f"{name}: two points at {second}")
                of_series[int(second)] = float(value)
        return points

    def publish(self):
        for batch in self._sent:
            self._publisher.publish_samples(batch)

    def close(self):
        self._publisher.close(1)

    def has_arrived(self, found):
        """Whether all points and the publisher's own series have arrived."""
        outcome = self.outcome(found)
        return outcome.is_complete and (
            bool(outcome.reports) or "self_metrics_interval" not in
            WAYS[self.way])

    def outcome(self, found):
        """Compare the sent points with `points()` of a receiver."""
        mine = {name: points for name, points in found.items()
                if f".{self.way}." in name or f"host={self.way}" in name
                or f".{self.way}_example_org." in name}
        reports = {name for name in mine if stats.BRANCH in name}
        read = [(name, value, mine.get(name, {}).get(second, []))
                for name, points in self.points.items()
                for second, value in points.items()]
        return Outcome(
            len(read), sum(bool(values) for _, _, values in read),
            [(name, value, float(other)) for name, value, values in read
             for other in values if float(other) != value],
            sorted(mine.keys() - self.points.keys() - reports),
            sorted(reports))


def confirmation_seconds(receiver):
    """Return how long a receiver takes to confirm a thousand lines.

    The time begins when the kernel has accepted the last line.

    :param receiver: a started receivers.Receiver.
    :raises TransportError: if it does not confirm them.
    """
    loaded = settings.load_settings(_conf(), _url(receiver, "tcp"))
    transport = transports.make(loaded, lambda: _SECONDS)
    endpoint, = loaded.endpoints
    transport.connect(endpoint, _SECONDS)
    transport.send(b"".join(b"lab.confirmed.%d 1 %d\n" % (
        number, time.time()) for number in range(CONFIRMED_LINES)))
    begin = time.monotonic()
    transport.commit()
    return time.monotonic() - begin


def run(receiver):
    """Deliver in each way that a receiver has a port for.

    Waits for the points of those ways that the receiver supports.

    :param receiver: a started receivers.Receiver.
    :returns: {way: Outcome} for all ways.
    """
    first, *others = [way for way in WAYS
                      if way != "pickle" or way in receiver.ports]
    with contextlib.ExitStack() as stack:
        deliveries = []
        for group in ([first], others):
            for way in group:
                deliveries.append(Delivery(receiver, way))
                stack.callback(deliveries[-1].close)
                deliveries[-1].publish()
            _wait(receiver, deliveries)
    found = receiver.points()
    return {delivery.way: delivery.outcome(found) for delivery in deliveries}


def _wait(receiver, deliveries):
    known = [delivery for delivery in deliveries
             if delivery.way in receiver.ways]

    def is_there():
        found = receiver.points()
        return all(delivery.has_arrived(found) for delivery in known)

    with contextlib.suppress(process.LabError):
        process.wait_for(is_there, _SECONDS, "all points")
