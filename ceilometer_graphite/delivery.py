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

"""The parts that deliver lines, put together as settings say."""

from ceilometer_graphite import backlog
from ceilometer_graphite import connection
from ceilometer_graphite import sanitize
from ceilometer_graphite import sender
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from ceilometer_graphite import wire


def make_transport(settings):
    """What carries lines as settings say, not connected yet."""
    timeouts = (settings.connect_timeout_seconds,
                settings.send_timeout_seconds)
    if settings.protocol == "udp":
        return transports.UdpTransport(*timeouts, settings.datagram_size)
    encode = {} if settings.format == "plaintext" else {
        "encode": wire.pickle_frames}
    if settings.protocol == "tls":
        return transports.TlsTransport(*timeouts, **encode, files={
            name: getattr(settings, name) for name in transports.OPTIONS})
    return transports.TcpTransport(*timeouts, **encode)


def make_sender(settings, tally):
    """All that is behind a publisher, put together.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param tally: a :class:`~ceilometer_graphite.stats.Counts`
    """
    endpoints = sanitize.component(",".join(
        map(transports.endpoint_text, settings.endpoints)))

    def make_backlog(waiting, lock):
        store = spool.Spool(settings.spool_dir, endpoints,
                            settings.spool_size)
        return backlog.Backlog(store, waiting, lock, settings.catch_up_rate,
                               tally)

    return sender.Sender(
        connection.Connection(settings, make_transport(settings)),
        settings.buffer_size, settings.replay_seconds, tally,
        make_backlog if settings.spool_dir else None,
        stats.SelfMetrics(
            stats.namer(settings, endpoints),
            settings.self_metrics_interval))
