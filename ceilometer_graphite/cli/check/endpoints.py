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

"""Whether each endpoint is reached, and whether Graphite stores its lines."""

import contextlib
import email.utils
import errno
import itertools
import re
import socket
import ssl
import time
import typing

from ceilometer_graphite import naming
from ceilometer_graphite import stats
from ceilometer_graphite import transports
from ceilometer_graphite import wire
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

# In which a load balancer without a server, or a peer that refuses a
# certificate, ends a connection that it took.
_SETTLE_SECONDS = 0.3
_POLL_SECONDS = 0.05
_NETWORK = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM)
# OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h)
_BY_VERIFY_CODE = {
    9: "compare the clocks of this node and of its issuer",
    10: "renew it",
    **dict.fromkeys((62, 64), "use a name that the certificate has, or "
                    "have one issued for this name"),
}
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING",
           "RECORD_LAYER_FAILURE")
# Kinds of errors, what each means, with {0} for its text, and what to do.
_WHYS = (
    ((socket.gaierror, UnicodeError), "its name cannot be resolved: {0}",
     "correct the name, this node's DNS or its /etc/hosts"),
    (ConnectionRefusedError, "the connection is refused",
     "start what listens there, or correct the port; a firewall may refuse "
     "too"),
    (TimeoutError, "no answer within {1:g} seconds",
     "check routes, and firewalls, which drop packets silently"),
)
# By whether TLS is spoken.
_WRONG_PORT = (
    "set protocol = tls if that port speaks TLS, or format = pickle if it "
    "reads pickle; look for a load balancer with no server behind it",
    "use its port for TLS, or set protocol = tcp; set certfile if it wants "
    "one; look for a load balancer with no server behind it")
# Receivers of lines ignore it; Carbon, carbon-c-relay, VictoriaMetrics and
# InfluxDB read on. To TLS and to Carbon's pickle receiver, five bytes are a
# bad header, after which they close the connection.
_BLANK_LINE = b"    \n"
SERIES = "check"
_READ_SECONDS = 0.5
_AROUND_SECONDS = 3600
_CLOCKS_SECONDS = 30
# Each step divides the next, without which Carbon refuses the line.
_RETENTION = """\
put these lines above all others of /etc/carbon/storage-schemas.conf, restart \
Carbon, and resize the files that are there with whisper-resize.py:
    [ceilometer]
    pattern = ^%s
    retentions = %ds:30d,%ds:90d,%ds:2y"""


def endpoints(state: results.State) -> results.Results:
    """Check a connection to each endpoint of each publisher."""
    for settings in state.publishers:
        problems = {endpoint: _try(settings, endpoint)
                    for endpoint in settings.endpoints}
        # The publisher goes on to the next, so one that works is enough.
        make = (results.error if all(problems.values()) else results.warning)
        for endpoint, problem in problems.items():
            name = transports.endpoint_text(endpoint)
            if problem:
                yield make(name, str(problem), problem.hint)
            else:
                state.reached.append((settings, endpoint))
                yield results.ok(name, _shown(settings))


def _try(settings, endpoint):
    """None when it is reached, else the error."""
    try:
        with _connected(settings, endpoint) as transport:
            if settings.protocol != "udp":
                if settings.format == "plaintext":
                    transport.send(_BLANK_LINE)
                _settle(transport)
    except common.CommandError as e:
        return e
    return None


def _shown(settings):
    """What a connection has shown of an endpoint."""
    if settings.protocol == "udp":
        return ("its name resolves; UDP confirms nothing, but --send with "
                "--render-url does")
    return "accepts connections%s%s; --send with --render-url shows %s" % (
        " and blank lines" * (settings.format == "plaintext"),
        "" if settings.protocol != "tls" else ", its certificate is " + (
            "verified" if settings.tls_verify else "not verified"),
        "whether datapoints arrive")


@contextlib.contextmanager
def _connected(settings, endpoint):
    """A context with a connected transport; errors say what to do."""
    transport = transports.make(
        settings, lambda: settings.send_timeout_seconds)
    try:
        transport.connect(endpoint, settings.connect_timeout_seconds)
        yield transport
    except transports.TransportError as e:
        raise common.CommandError(*_why(e, settings)) from e
    finally:
        transport.close()


def _settle(transport):
    """Wait until a connection seems to last."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until:
        transport.check()
        time.sleep(_POLL_SECONDS)


def _why(error, settings):
    """What kept a transport from an endpoint, and what to do."""
    cause = error.__cause__
    text = str(getattr(cause, "strerror", None) or cause)
    for kind, problem, hint in _WHYS:
        if isinstance(cause, kind):
            return (problem.format(
                text, settings.connect_timeout_seconds), hint)
    if isinstance(error, (transports.PeerClosedError,
                          transports.PeerResetError)):
        # What it answered may have said which.
        return ("it accepts the connection and closes it",
                error.hint if error.hint.startswith("it ")
                else _WRONG_PORT[settings.protocol == "tls"])
    if isinstance(cause, ssl.SSLError):
        return _why_not_tls(cause, settings)
    if cause is None:
        return str(error), error.hint
    return text, ("check routes and firewalls" if getattr(
        cause, "errno", None) in _NETWORK else
        "correct the endpoint in pipeline.yaml")


def _why_not_tls(cause, settings):
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ("its certificate is refused: " + cause.verify_message,
                _BY_VERIFY_CODE.get(cause.verify_code) or (
                    "set cafile to the certificate of the authority that "
                    "signed it, in place of %s" % (
                        settings.cafile or "the system's authorities")))
    if cause.reason in _NO_TLS:
        return ("it does not speak TLS",
                "use its port for TLS, or set protocol = tcp in "
                "[graphite] of ceilometer.conf")
    return ("TLS fails: " + (
        cause.reason or str(cause)).replace("_", " ").lower(),
        "look at the log of the receiver; it may want another certfile")


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
            with _connected(settings, endpoint) as transport:
                transport.send(line.encode("ascii"))
                _settle(transport)
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
                    arguments.render_url, _why_no_answer(requests, e)),
                "give the address of graphite-web as --render-url")
        else:
            yield _read(name, sent, answer, arguments.timeout)
            if answer:
                yield from _retention(state, name, sent, answer)


def _why_no_answer(requests, error):
    """What went wrong with a request, in words."""
    if getattr(error, "response", None) is not None:
        return "%d %s" % (error.response.status_code, error.response.reason)
    for kind, words in (
            (requests.Timeout, "it took too long"),
            (requests.exceptions.SSLError, "its certificate is refused, or "
             "it does not speak TLS"),
            (requests.exceptions.JSONDecodeError, "its answer is not JSON"),
            (requests.ConnectionError, "it cannot be connected to")):
        if isinstance(error, kind):
            return words
    return "the address has to be like http://graphite.example.com"


def _read(name, sent, answer, timeout):
    if answer is None:
        return results.error(
            name, "Graphite does not have it after %g seconds" % timeout,
            "look into Carbon's logs, among them creates.log; raise "
            "MAX_CREATES_PER_MINUTE; use the graphite-web of this Carbon")
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
    """The answer that has the datapoint; None when none has it in time."""
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
        time.sleep(_READ_SECONDS)


def _target(series):
    """A series as the render API takes it; a tagged one by its tags."""
    if ";" not in series:
        return series
    return "seriesByTag(%s)" % ",".join(
        "'%s'" % tag for tag in ("name=" + series).split(";"))
