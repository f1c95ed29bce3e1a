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

"""One datapoint, sent to Graphite and read back from it."""

import email.utils
import itertools
import re
import time
import typing

from ceilometer_graphite import naming
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from ceilometer_graphite import wire
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import endpoints
from ceilometer_graphite.cli.check import results

SERIES = "check"
_POLL_SECONDS = 0.5
_AROUND_SECONDS = 3600
_CLOCKS_SECONDS = 30
# Each step divides the next, without which Carbon refuses the line.
_RETENTION = """\
put these lines above all others of /etc/carbon/storage-schemas.conf, restart \
Carbon, and resize the files that are there with whisper-resize.py:
    [ceilometer]
    pattern = ^%s
    retentions = %ds:30d,%ds:90d,%ds:2y"""


class Datapoint(typing.NamedTuple):
    """A datapoint that an endpoint took.

    :ivar pattern: matches the names of the publisher's series
    :ivar at: monotonic seconds at which it did
    """

    series: str
    value: int
    pattern: str
    at: float


def send(state: results.State) -> results.Results:
    """Send a datapoint to each endpoint, as the publisher would.

    Each has a series of its own, beside those of the publisher on itself.
    """
    for settings, endpoint in state.reached:
        text = transports.endpoint_text(endpoint)
        series = stats.namer(settings, endpoints=text)(SERIES)
        # The value tells it from those of other runs.
        value = int(time.time())
        line = wire.line(series, value, value)
        try:
            with endpoints.connected(settings, endpoint) as transport:
                transport.send(line.encode("ascii"))
                endpoints.settle(transport)
                if settings.confirm:
                    transport.commit()
        except common.CommandError as e:
            yield results.error("send to " + text, str(e), e.hint)
        else:
            prefix = naming.checked_prefix(settings.prefix)
            state.sent.append(Datapoint(
                series, value, re.escape(prefix + "." * bool(prefix)),
                time.monotonic()))
            yield results.ok("send to " + text, line.strip())


def read(state: results.State) -> results.Results:
    """Check that Graphite's render API returns each datapoint."""
    arguments = state.arguments
    requests = common.library("requests", "--render-url")
    for sent in state.sent:
        name = "read of " + sent.series
        try:
            answer = _wait_for(requests, sent, arguments)
        except requests.RequestException as e:
            yield results.error(
                name, "%s does not answer: %s" % (
                    arguments.render_url, _why(requests, e)),
                "give the address of graphite-web as --render-url")
        else:
            yield _read(name, sent, answer, arguments.timeout)
            if answer:
                yield from _retention(state, name, sent, answer)


def _why(requests, error):
    """What went wrong with a request, in words."""
    if getattr(error, "response", None) is not None:
        return "%d %s" % (error.response.status_code, error.response.reason)
    for kind, words in (
            (requests.Timeout, "nothing came in time"),
            (requests.exceptions.SSLError, "its certificate is refused, or "
             "it does not speak TLS"),
            (requests.exceptions.JSONDecodeError, "what it says is no JSON"),
            (requests.ConnectionError, "it cannot be connected to")):
        if isinstance(error, kind):
            return words
    return "it is no address such as http://graphite.example.com"


def _read(name, sent, answer, timeout):
    if answer is None:
        return results.error(
            name, "Graphite does not have it after %g seconds" % timeout,
            "look into Carbon's logs, among them creates.log; raise "
            "MAX_CREATES_PER_MINUTE; take the graphite-web of this Carbon")
    date = email.utils.parsedate_tz(answer.headers.get("Date"))
    ahead = time.time() - email.utils.mktime_tz(date) if date else 0
    if abs(ahead) > _CLOCKS_SECONDS:
        return results.warning(
            name, "is there, but this node's clock is %d seconds %s "
            "Graphite's" % (abs(ahead), "ahead of" if ahead > 0 else
                            "behind"), "set both clocks by NTP")
    return results.ok(name, "is back after %.1f seconds" % (
        time.monotonic() - sent.at))


def _retention(state, name, sent, answer):
    """A warning when Graphite's step is not the polling interval."""
    seconds = sorted({second for row in answer.json()
                      for _, second in row["datapoints"]})
    step = min((later - one for one, later in itertools.pairwise(seconds)),
               default=None)
    wanted = min((source.get_interval() for source in state.sources),
                 default=step)
    if step != wanted:
        yield results.warning(
            name, "Graphite keeps a point for each %d seconds, and the "
            "interval of polling.yaml is %d" % (step, wanted),
            _RETENTION % (sent.pattern, wanted, 5 * wanted, 60 * wanted))


def _wait_for(requests, sent, arguments):
    """The answer that has the datapoint; None when none has it in time.

    :raises requests.RequestException: when there is no proper answer
    """
    while True:
        answer = requests.get(arguments.render_url.rstrip("/") + "/render",
                              timeout=arguments.timeout, params={
            "target": _target(sent.series), "format": "json",
            "from": sent.value - _AROUND_SECONDS,
            "until": sent.value + _AROUND_SECONDS,
            "noCache": "true"})
        answer.raise_for_status()
        if any(value == sent.value for row in answer.json()
               for value, _ in row["datapoints"]):
            return answer
        if time.monotonic() - sent.at > arguments.timeout:
            return None
        time.sleep(_POLL_SECONDS)


def _target(series):
    """A series as the render API takes it; a tagged one by its tags."""
    name, *tags = series.split(";")
    if not tags:
        return name
    return "seriesByTag(%s)" % ",".join(
        "'%s'" % tag for tag in ("name=" + name, *tags))
