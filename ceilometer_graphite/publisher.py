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

"""The publisher ``graphite://``: samples to lines, lines to the sender."""

import os
import reprlib
import time
import weakref

import ceilometer
from ceilometer import publisher

from ceilometer_graphite import config
from ceilometer_graphite import counts
from ceilometer_graphite import delivery
from ceilometer_graphite import encoding
from ceilometer_graphite import naming
from ceilometer_graphite import rates
from ceilometer_graphite import shutdown

CUMULATIVE = "cumulative"
FAULT = "fault"
NO_TIMESTAMP = "samples_without_timestamp"
_MEANINGS = {
    encoding.NOT_A_NUMBER: "left out, its volume is not a number",
    encoding.NOT_FINITE: "left out, its volume is not finite",
    encoding.BAD_TIMESTAMP: "left out, its timestamp is no time that "
                            "Graphite can store",
    encoding.LINE_TOO_LONG: "left out, its line is too long for Graphite",
    rates.TABLE_FULL: "published without a rate, [graphite] "
                      "rate_max_series counters are known already",
    FAULT: "left out, it could not be understood",
}


class GraphitePublisher(publisher.ConfigPublisherBase):
    """Publishes samples to Graphite, from the process that it lives in.

    :param conf: the agent's ``ConfigOpts``
    :param parsed_url: the publisher's URL in ``pipeline.yaml``, split by
        ``oslo_utils.netutils.urlsplit``
    :raises ceilometer_graphite.config.ConfigError: names the option, its
        value and what is allowed
    :ivar counts: a :class:`~ceilometer_graphite.counts.Counts`
    """

    def __init__(self, conf, parsed_url):
        super().__init__(conf, parsed_url)
        self._settings = config.load_settings(conf, parsed_url)
        self._start_over()
        _PUBLISHERS.add(self)

    def _start_over(self):
        settings = self._settings
        self._definitions = settings.definitions
        self._counters = settings.counters
        self._name = settings.namer.name
        self._rates = rates.RateTable(settings.rate_expiry_seconds,
                                      settings.rate_max_series)
        self._polled_gauges = set()
        self.counts = counts.Counts()
        self._sender = delivery.make_sender(settings, self.counts)
        shutdown.watch(self._sender)

    def publish_samples(self, samples):
        """Turn samples into lines and hand them to the sender.

        Never raises: a sample that cannot be published is counted and told
        in the log, and costs nothing else. Never waits for the network, but
        shortly after SIGTERM (:mod:`~ceilometer_graphite.shutdown`).

        :param samples: a list of ``ceilometer.sample.Sample``
        """
        lines = []
        for sample in samples:
            try:
                self._add_sample(lines, sample)
            except Exception as e:
                self._skip(sample, e)
        if lines:
            self._sender.submit("".join(lines).encode("ascii"), len(lines))
            shutdown.wait_if_ending(self._sender)

    def publish_events(self, events):
        """Events are no datapoints.

        :raises ceilometer.NotImplementedError: always
        """
        raise ceilometer.NotImplementedError

    def _add_sample(self, lines, sample):
        seconds = self._seconds(sample)
        name = sample.name
        if name in self._definitions.gauge_names:
            self._polled_gauges.add(name)
        for gauge in self._definitions.gauges(name):
            self._add_gauge(lines, sample, gauge, seconds)
        if sample.type != CUMULATIVE or self._counters != "rate":
            self._add(lines, sample, name, sample.unit, sample.volume,
                      seconds)
        if sample.type == CUMULATIVE and self._counters != "raw":
            self._add_rate(lines, sample, seconds)

    def _seconds(self, sample):
        if sample.timestamp:
            return encoding.timestamp(sample.timestamp)
        self._tell(NO_TIMESTAMP, "published with the time of now", sample)
        return time.time()

    def _add_gauge(self, lines, sample, gauge, seconds):
        """What the sample's metadata hold, unless it is polled as well."""
        value = naming.metadata_value(
            naming.metadata(sample), gauge.metadata)
        if value is not None and gauge.name not in self._polled_gauges:
            self._add(lines, sample, gauge.name, gauge.unit, value, seconds)

    def _add_rate(self, lines, sample, seconds):
        rate = self._definitions.rate(sample.name, sample.unit)
        if rate is None:
            return
        value = self._rates.per_second(
            sample, encoding.number(sample.volume), seconds)
        if value is not None:
            value *= rate.factor(naming.metadata(sample))
            self._add(lines, sample, rate.name, rate.unit, value, seconds)

    def _add(self, lines, sample, meter, unit, volume, seconds):
        try:
            lines.append(encoding.line(
                self._name(sample, meter, unit), encoding.number(volume),
                seconds))
        except encoding.SkippedSample as e:
            self._skip(sample, e)

    def _skip(self, sample, error):
        known = isinstance(error, encoding.SkippedSample)
        reason = error.reason if known else FAULT
        self._tell(counts.SKIPPED + reason, _MEANINGS[reason], sample,
                   exc_info=None if known else error)

    def _tell(self, count, what, sample, exc_info=None):
        self.counts.warn(
            count, 1, "%s. It is the sample of meter %s with volume %s at "
            "%s of resource %s", what,
            *(_shown(getattr(sample, name, None)) for name in (
                "name", "volume", "timestamp", "resource_id")),
            exc_info=exc_info)


def _shown(value):
    """A value, shortened, for the log; whatever it is, this does not fail."""
    try:
        return reprlib.repr(value)
    except Exception:  # an integer of over 4300 digits, for one
        return "of " + type(value).__name__


_PUBLISHERS = weakref.WeakSet()


def _start_over_after_fork():
    # Locks may be held by threads that a child does not have, and a socket
    # and the lines that wait for it are the parent's.
    for each in list(_PUBLISHERS):
        each._start_over()


os.register_at_fork(after_in_child=_start_over_after_fork)
