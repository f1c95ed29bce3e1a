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
import weakref

import ceilometer
from ceilometer import publisher

from ceilometer_graphite import conversion
from ceilometer_graphite import delivery
from ceilometer_graphite import rates
from ceilometer_graphite import settings
from ceilometer_graphite import shutdown
from ceilometer_graphite import stats
from ceilometer_graphite import wire

FAULT = "fault"
# What is said of a sample by the reason that it was left out for.
MEANINGS = {
    wire.NOT_A_NUMBER: "left out, its volume is not a number",
    wire.NOT_FINITE: "left out, its volume is not finite",
    wire.BAD_TIMESTAMP: "left out, its timestamp is no time that "
                            "Graphite can store",
    wire.LINE_TOO_LONG: "left out, its line is too long for Graphite",
    rates.TABLE_FULL: "published without a rate, [graphite] "
                      "rate_max_series counters are known already",
    FAULT: "left out, it could not be understood",
}


class GraphitePublisher(publisher.ConfigPublisherBase):
    """Publishes samples to Graphite, from the process that it lives in.

    :param conf: the agent's ``ConfigOpts``
    :param parsed_url: the publisher's URL in ``pipeline.yaml``, split by
        ``oslo_utils.netutils.urlsplit``
    :raises ceilometer_graphite.settings.ConfigError: names the option, its
        value and what is allowed
    :ivar counts: a :class:`~ceilometer_graphite.stats.Counts`
    """

    def __init__(self, conf, parsed_url):
        super().__init__(conf, parsed_url)
        self._settings = settings.load_settings(conf, parsed_url)
        self._start_over()
        _PUBLISHERS.add(self)

    def _start_over(self):
        self.counts = stats.Counts()
        self._converter = conversion.Converter(self._settings)
        self._sender = delivery.make_sender(self._settings, self.counts)
        shutdown.watch(self._sender)

    def publish_samples(self, samples):
        """Turn samples into lines and hand them to the sender.

        Never raises: a sample that cannot be published is counted and told
        in the log, and costs nothing else. Never waits for the network, but
        shortly after SIGTERM (:mod:`~ceilometer_graphite.shutdown`).

        :param samples: a list of ``ceilometer.sample.Sample``
        """
        lines, problems = self._converter.convert(samples)
        if lines:
            self._sender.submit("".join(lines).encode("ascii"), len(lines))
            shutdown.wait_if_ending(self._sender)
        for problem in problems:
            self._tell(problem)

    def publish_events(self, events):
        """Events are no datapoints.

        :raises ceilometer.NotImplementedError: always
        """
        raise ceilometer.NotImplementedError

    def _tell(self, problem):
        if problem.reason == conversion.NO_TIMESTAMP:
            count, what = problem.reason, "published with the time of now"
        else:
            reason = problem.reason or FAULT
            count, what = stats.SKIPPED + reason, MEANINGS[reason]
        self.counts.warn(
            count, 1, "%s. It is the sample of meter %s with volume %s at "
            "%s of resource %s", what,
            *(_shown(getattr(problem.sample, name, None)) for name in (
                "name", "volume", "timestamp", "resource_id")),
            exc_info=problem.error)


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
