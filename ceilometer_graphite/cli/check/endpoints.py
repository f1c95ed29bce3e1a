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

"""Whether each endpoint can be reached, and if not, why."""

import contextlib
import errno
import socket
import ssl
import time
import typing

from ceilometer_graphite import settings as publisher_settings
from ceilometer_graphite import transports
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

# In which a load balancer without a server, or a peer that refuses a
# certificate, ends a connection that it took.
SETTLE_SECONDS = 0.3
_POLL_SECONDS = 0.05
_NETWORK = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM)
# OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h)
_BY_VERIFY_CODE = {
    9: "compare the clocks of this node and of its signer",
    10: "renew it",
    **dict.fromkeys((62, 64), "take the name that the certificate has, or "
                    "have one for this name"),
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
     "look at routes and firewalls, which drop packets in silence"),
)
# By whether TLS is spoken.
_WRONG_PORT = (
    "set protocol = tls if that port speaks TLS, or format = pickle if it "
    "reads pickle; look for a load balancer with no server behind it",
    "take its port for TLS, or set protocol = tcp; set certfile if it wants "
    "one; look for a load balancer with no server behind it")
# Receivers of lines ignore it. As five bytes it is a header to TLS and to
# Carbon's pickle receiver, which end the connection because it is a bad one.
_BLANK_LINE = b"    \n"


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
        with connected(settings, endpoint) as transport:
            if settings.protocol != "udp":
                if settings.format == "plaintext":
                    transport.send(_BLANK_LINE)
                settle(transport)
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
def connected(settings: publisher_settings.Settings,
              endpoint: tuple[str, int]) -> typing.Iterator[typing.Any]:
    """A context with a transport that is connected to one endpoint.

    :raises common.CommandError: for what fails in it, with what to do
    """
    transport = transports.make(
        settings, lambda: settings.send_timeout_seconds)
    try:
        transport.connect(endpoint, settings.connect_timeout_seconds)
        yield transport
    except transports.TransportError as e:
        raise common.CommandError(*_why(e, settings)) from e
    finally:
        transport.close()


def settle(transport: typing.Any) -> None:
    """Wait until a connection seems to last.

    :raises transports.TransportError: when it does not
    """
    until = time.monotonic() + SETTLE_SECONDS
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
        return ("it takes the connection and ends it",
                error.hint if error.hint.startswith("it ")
                else _WRONG_PORT[settings.protocol == "tls"])
    if isinstance(cause, ssl.SSLError):
        return _why_not_tls(cause, settings)
    if cause is None:
        return str(error), error.hint
    return text, ("look at routes and firewalls" if getattr(
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
                "take its port for TLS, or set protocol = tcp in "
                "[graphite] of ceilometer.conf")
    return ("TLS fails: " + (
        cause.reason or str(cause)).replace("_", " ").lower(),
        "look at the log of the receiver; it may want another certfile")
