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

"""The publisher ``graphite://``.

It converts samples to lines and hands them to the network thread.
"""

import logging
import os
import reprlib
import time
import weakref

import ceilometer
from ceilometer import publisher
from oslo_log import log

from ceilometer_graphite import conversion
from ceilometer_graphite import outbox
from ceilometer_graphite import sender
from ceilometer_graphite import settings
from ceilometer_graphite import shutdown
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

FAULT = "fault"
_LOCK_SECONDS = 0.1
# Why a sample was left out, as a text for the log, by reason.
MEANINGS = {
    conversion.NOT_A_NUMBER: "left out, its volume is not a number",
    conversion.NOT_FINITE: "left out, its volume is not finite",
    conversion.BAD_TIMESTAMP: "left out, Graphite cannot store its "
                              "timestamp",
    conversion.LINE_TOO_LONG: "left out, its line is too long for Graphite",
    conversion.NOT_AVAILABLE: "left out, the hypervisor does not have this "
                              "counter, which is below 0",
    conversion.TABLE_FULL: "without a rate, [graphite] rate_max_series "
                           "counters are known already: raise it",
    conversion.RATE_EXPIRED: "without a rate, its last sample is older than "
                             "[graphite] rate_expiry_seconds: set that "
                             "above the polling interval",
    conversion.RATE_TOO_HIGH: "without a rate, it is above the max of its "
                              "definition, which is impossible",
    conversion.RATE_NAME_TAKEN: "without a rate, a meter with the name of "
                                "the rate is polled for its resource",
    FAULT: "left out, its conversion failed",
}


class GraphitePublisher(publisher.ConfigPublisherBase):
    """Publishes samples from this process to Graphite.

    :param conf: the agent's ``ConfigOpts``
    :param parsed_url: the publisher's URL in ``pipeline.yaml``, split by
        ``oslo_utils.netutils.urlsplit``
    :raises ceilometer_graphite.settings.ConfigError: names each bad
        option, its value and what is allowed
    :ivar counts: a :class:`~ceilometer_graphite.stats.Counts`
    """

    def __init__(self, conf, parsed_url):
        super().__init__(conf, parsed_url)
        self._settings = settings.load_settings(conf, parsed_url)
        self._start_over()
        _PUBLISHERS.add(self)

    def _start_over(self):
        loaded = self._settings
        self.counts = stats.Counts()
        self._throttle = throttle.Throttle(LOG)
        self._converter = conversion.Converter(loaded)
        self._sample_at = time.monotonic()
        # A datagram that was sent is never sent again.
        self._outbox = outbox.Outbox(
            loaded.buffer_size,
            0 if loaded.protocol == "udp" else loaded.replay_seconds,
            self._dropped)
        self._slot = transports.Slot(loaded.url)
        self._metrics = stats.SelfMetrics(stats.namer(loaded, self._slot))
        self._sender = sender.Sender(
            loaded, self._outbox,
            transports.make(loaded, lambda: self._sender.patience()),
            self.counts, self._report)
        self._spool = loaded.spool_dir and spool.Spool(
            loaded, self._outbox, self.counts, self._sender)
        self._is_started = False
        self._start()
        shutdown.watch(self)

    def _start(self):
        """Start the threads. On failure, the next samples try it again."""
        try:
            for part in filter(None, (self._sender, self._spool)):
                part.start()
            self._is_started = True
        except RuntimeError as e:
            self._throttle.log(logging.ERROR, "start", "No thread for the "
                               "publisher to Graphite, lines wait: %s", e)

    def publish_samples(self, samples):
        """Convert samples to lines and hand them to the network thread.

        Never raises: a sample that cannot be converted is counted and
        logged, and the others are published. Never waits for network or
        disk, except briefly after SIGTERM
        (:mod:`~ceilometer_graphite.shutdown`).

        :param samples: a list of ``ceilometer.sample.Sample``
        """
        lines, problems = self._converter.convert(samples)
        self._sample_at = time.monotonic()
        if lines:
            self._outbox.put("".join(lines).encode("ascii"), len(lines))
            self._wake()
            shutdown.wait_if_ending(self)
        for problem in problems:
            self._log_problem(problem)

    def close(self, timeout_seconds: float = shutdown.WAIT_SECONDS) -> int:
        """Deliver or spool all waiting lines, then end the threads.

        Publish nothing afterwards.

        :param timeout_seconds: maximum time to wait; the lines that are
            left then are lost, counted and logged
        :returns: the number of lost lines
        """
        _PUBLISHERS.discard(self)  # a child has no use for it
        until = time.monotonic() + timeout_seconds
        self.hurry(until)
        self._sender.close()
        self._sender.join(until - time.monotonic())
        if self._spool:
            self._spool.close()
            self._spool.join(until - time.monotonic())
        self._slot.close()
        return self.count_lost()

    def hurry(self, until: float) -> None:
        """Deliver waiting lines without delay, because the process ends.

        Takes no lock, so a signal handler may call it.

        :param until: when the process ends, in monotonic seconds
        """
        self._sender.hurry(until)
        if self._spool:
            self._spool.hurry()

    def is_done(self) -> bool:
        """Whether all lines are confirmed or on disk.

        Safe in a signal handler: if the handler interrupted a holder of the
        lock, the answer is no.
        """
        return self._outbox.is_done(_LOCK_SECONDS)

    def count_lost(self) -> int:
        """Count lines that are neither confirmed nor on disk as lost.

        :returns: their number
        """
        lost = self._outbox.unsaved_lines()
        if lost:
            self.counts.warn(
                stats.DROPPED + "shutdown", lost, "%d lines were not "
                "delivered to Graphite before the end of the process", lost)
        return lost

    def abandon(self) -> None:
        """In a forked child, start afresh without the parent's lines."""
        for part in filter(None, (self._sender, self._spool)):
            part.abandon()
        self._slot.close()
        self._start_over()

    def _wake(self):
        if not self._is_started:
            self._start()
        self._sender.wake()

    def _dropped(self, count):
        self.counts.warn(
            stats.DROPPED + "buffer_full", count, "the oldest %d lines were "
            "dropped: more than [graphite] buffer_size = %d bytes waited for "
            "Graphite", count, self._settings.buffer_size)

    def _report(self):
        """Put the publisher's own series into the outbox.

        :returns: seconds until the next report, or None if there is none
        """
        seconds = self._settings.self_metrics_interval
        if not seconds:
            return None
        lines = self._metrics.lines(self.counts.totals(), self._levels())
        self._outbox.put("".join(lines).encode("ascii"), len(lines))
        return seconds

    def _levels(self):
        """Current levels by name."""
        lines, size, oldest = self._outbox.waiting()
        levels = {"buffer_bytes": size, "buffer_lines": lines,
                  "connected": int(self._sender.is_connected),
                  "lag_seconds": round(oldest, 3),
                  "sample_age_seconds": round(
                      time.monotonic() - self._sample_at, 3)}
        if self._spool:
            levels["spool_bytes"] = self._spool.bytes()
        return levels

    def publish_events(self, events):
        """Refuse events, which have no volume.

        :raises ceilometer.NotImplementedError: always
        """
        raise ceilometer.NotImplementedError

    def _log_problem(self, problem):
        if problem.reason == conversion.NO_TIMESTAMP:
            count, what = problem.reason, "published with the current time"
        else:
            reason = problem.reason or FAULT
            count, what = stats.SKIPPED + reason, MEANINGS[reason]
        self.counts.warn(
            count, 1, "%s. The sample has meter %s, volume %s, timestamp "
            "%s and resource %s", what,
            *(_shown(getattr(problem.sample, name, None)) for name in (
                "name", "volume", "timestamp", "resource_id")),
            exc_info=problem.error)


def _shown(value):
    """The value as a short text for the log. Never raises."""
    try:
        return reprlib.repr(value)
    except Exception:  # an integer of over 4300 digits, for one
        return "of " + type(value).__name__


_PUBLISHERS: weakref.WeakSet = weakref.WeakSet()


def _start_over_after_fork():
    # A thread that the child lacks may hold a lock. The socket and the
    # waiting lines belong to the parent.
    for each in list(_PUBLISHERS):
        each.abandon()


os.register_at_fork(after_in_child=_start_over_after_fork)
