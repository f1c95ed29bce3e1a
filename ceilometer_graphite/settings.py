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

"""Turns ceilometer.conf and a publisher's URL into settings."""

import dataclasses
import math
import os
import re
import typing
from urllib import parse

from oslo_config import cfg
from oslo_config import types

from ceilometer_graphite import definitions
from ceilometer_graphite import naming
from ceilometer_graphite import opts
from ceilometer_graphite import transports

PORTS = {"plaintext": 2003, "pickle": 2004}
_ENDPOINT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?\Z", re.ASCII)
_SIZE = re.compile(r"\s*(\d+)\s*([KMGT])(?:i?B)?\s*\Z", re.IGNORECASE)


class ConfigError(ValueError):
    """The configuration has problems.

    :ivar problems: a list of :class:`opts.Problem`, one for each
    """

    def __init__(self, *problems: opts.Problem | str) -> None:
        super().__init__(". ".join(map(str, problems)))
        self.problems = [
            each if isinstance(each, opts.Problem) else opts.Problem(each)
            for each in problems]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Checked settings of one publisher.

    The first five fields come from the URL and the options together. All
    other fields are options of ``[graphite]``, which
    :mod:`~ceilometer_graphite.opts` explains.

    :ivar url: the publisher's URL in the pipeline
    :ivar host: name of the agent's host
    :ivar endpoints: pairs of host and port
    """

    url: str
    host: str
    endpoints: tuple[tuple[str, int], ...]
    namer: naming.PathNamer | naming.TagNamer
    definitions: definitions.Definitions

    prefix: str
    append_hostname: bool
    naming: str
    template: str
    counters: str
    definitions_file: str | None
    rate_expiry_seconds: int
    rate_max_series: int
    protocol: str
    format: str
    cafile: str | None
    certfile: str | None
    keyfile: str | None
    tls_verify: bool
    datagram_size: int
    connect_timeout_seconds: float
    send_timeout_seconds: float
    reconnect_delay_max_seconds: float
    buffer_size: int
    replay_seconds: float
    confirm: bool
    spool_dir: str | None
    spool_size: int
    catch_up_rate: float
    self_metrics_interval: float


def load_settings(conf: cfg.ConfigOpts,
                  parsed_url: parse.SplitResult) -> Settings:
    """Load the settings of one publisher; its URL overrides ceilometer.conf.

    :param conf: the agent's ``ConfigOpts``; registers our options on it
    :param parsed_url: ``graphite://HOST[:PORT][,...][?OPTION=VALUE&...]``,
        split by ``oslo_utils.netutils.urlsplit``
    :raises ConfigError: lists all problems of both
    """
    opts.register_opts(conf)
    in_conf, problems = _from_conf(conf)
    in_url, url_problems = _from_query(parsed_url.query)
    values = {**in_conf, **in_url}
    problems += url_problems + _check_together(values)
    parts: dict[str, typing.Any] = {}
    for name, make in (
            ("endpoints", lambda: _endpoints(parsed_url, values["format"])),
            ("namer", lambda: make_namer(values)),
            ("definitions", lambda: _definitions(values))):
        try:
            parts[name] = make()
        except ConfigError as e:
            problems += e.problems
    if problems:
        raise ConfigError(*problems)
    return Settings(url=parsed_url.geturl(), host=conf.host, **parts,
                    **values)


def allowed(opt: cfg.Opt) -> str:
    """Describe the values that an option accepts."""
    kind = opt.type
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.Number):
        text = "a whole number" if isinstance(
            kind, types.Integer) else "a number"
        if kind.min is not None:
            text += " of at least %s" % kind.min
        return text + (" and at most %s" % kind.max if kind.max else "")
    choices = getattr(kind, "choices", None)
    if choices:
        return "one of " + ", ".join(choices)
    return "a text"


def _usable(opt, value):
    """Return the value, or raise if it is NaN, infinite or missing.

    oslo.config accepts all three.
    """
    if value is None and opt.default is not None:
        raise ValueError("it has no value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("%s is not finite" % value)
    return value


def _bad_value(name, opt, text):
    """The problem of an option whose text is not an allowed value."""
    hint = ""
    size = _SIZE.match(text)
    if size and opt.dest.endswith("_size"):
        number = int(size[1]) * 1024 ** (1 + "KMGT".index(size[2].upper()))
        hint = "%s = %d is %s %siB" % (
            opt.name, number, size[1], size[2].upper())
    return opts.Problem("%s has to be %s, and not %r" % (
        name, allowed(opt), text), hint)


def _from_conf(conf):
    """Read ``[graphite]``.

    :returns: values by option, and a list of problems; an option with a
        problem gets its default
    """
    values, problems = {}, []
    for opt in opts.GRAPHITE_OPTS:
        try:
            values[opt.dest] = _usable(opt, conf.graphite[opt.dest])
        except (cfg.Error, ValueError):
            values[opt.dest] = opt.default
            problems.append(_bad_value("[%s] %s" % (
                opts.GRAPHITE_GROUP, opt.name), opt, _written(conf, opt)))
    return values, problems


def _written(conf, opt):
    """The text of an option in the environment or the files."""
    variable = "OS_%s__%s" % (opts.GRAPHITE_GROUP, opt.dest)
    texts = opts.written(conf).get(opts.GRAPHITE_GROUP, {})
    return os.environ.get(variable.upper()) or next((
        text for name, text in texts.items()
        if opts.by_name(opts.GRAPHITE_GROUP).get(name) is opt), "")


def _from_query(query):
    """Read the query of a URL; returns the same as :func:`_from_conf`."""
    by_name = opts.by_name(opts.GRAPHITE_GROUP)
    values: dict[str, typing.Any] = {}
    problems = []
    for parameter in query.split("&") if query else ():
        name, equals, text = (
            parse.unquote_plus(part) for part in parameter.partition("="))
        opt = by_name.get(name)
        if opt is None:
            problems.append(opts.Problem(
                "%s is not an option of a graphite:// URL"
                % (name or repr(parameter)),
                opts.suggestion(name, opts.GRAPHITE_GROUP)))
        elif not equals or opt.dest in values:
            problems.append(opts.Problem(
                "%s has to stand in the URL once, with a value" % name))
        else:
            try:
                values[opt.dest] = _usable(opt, opt.type(text))
            except ValueError:
                values[opt.dest] = opt.default
                problems.append(_bad_value(
                    opt.name + " in the URL", opt, text))
    return values, problems


def _check_together(values):
    """Problems of options that do not fit together."""
    problems = []
    if values["protocol"] == "udp" and values["format"] == "pickle":
        problems.append(opts.Problem(
            "format = pickle needs protocol = tcp or tls, and not udp"))
    if values["protocol"] == "tls":
        if values["keyfile"] and not values["certfile"]:
            problems.append(opts.Problem(
                "keyfile = %s needs the certfile that it is the key of"
                % values["keyfile"]))
        try:
            transports.make_context(
                **{name: values[name] for name in transports.TLS_OPTIONS})
        except transports.TransportError as e:
            problems.append(opts.Problem(str(e)))
    return problems


def _endpoints(parsed_url, line_format):
    found, problems = [], []
    if parsed_url.path.strip("/") or parsed_url.fragment:
        problems.append("%s: nothing but ?OPTION=VALUE may follow the "
                        "endpoints" % parsed_url.geturl())
    for text in parsed_url.netloc.split(","):
        match = _ENDPOINT.match(text)
        port = int(match and match["port"] or PORTS[line_format])
        if not match:
            problems.append("an endpoint has to be HOST, HOST:PORT or "
                            "[IPV6]:PORT, and not %r" % text)
        elif not 1 <= port <= 65535:
            problems.append("the port of %r has to be from 1 to 65535" % text)
        else:
            found.append((match["ipv6"] or match["host"], port))
    if problems:
        raise ConfigError(*problems)
    return tuple(found)


def make_namer(values: typing.Mapping[str, typing.Any]
               ) -> naming.PathNamer | naming.TagNamer:
    """Make a namer from prefix, append_hostname, naming and template.

    :raises ConfigError: when prefix or template cannot be used
    """
    prefix, problems = values["prefix"], []
    try:
        naming.checked_prefix(prefix)
    except naming.TemplateError as e:
        problems.append(_not_of(e, "prefix", values))
        prefix = ""
    arguments = prefix, values["append_hostname"]
    try:
        namer = naming.PathNamer(values["template"], *arguments)
    except naming.TemplateError as e:
        problems.append(_not_of(e, "template", values))
    if problems:
        raise ConfigError(*problems)
    if values["naming"] == "tags":
        return naming.TagNamer(*arguments)
    return namer


def _not_of(error, option, values):
    return opts.Problem("%s has to be of %s, and not %r" % (
        option, error, values[option]))


def _definitions(values):
    try:
        return definitions.load(values["definitions_file"] or None)
    except definitions.DefinitionsError as e:
        raise ConfigError("definitions_file: %s" % e) from None
