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

"""How ceilometer.conf and a URL become settings."""

import dataclasses
import math
import pathlib
import re
import urllib.parse

from oslo_config import cfg
from oslo_config import types
from oslo_log import log

from ceilometer_graphite import definitions
from ceilometer_graphite import naming
from ceilometer_graphite import opts
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

PORTS = {"plaintext": 2003, "pickle": 2004}
_ENDPOINT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?\Z", re.ASCII)


class ConfigError(ValueError):
    """Configuration that cannot be used.

    The message names the option, its value and what is allowed.
    """


Settings = dataclasses.make_dataclass(
    "Settings",
    ["url", "host", "endpoints", "namer", "definitions",
     *(opt.dest for opt in opts.GRAPHITE_OPTS)],
    frozen=True)
Settings.__doc__ = """What one publisher does, checked.

``url`` as it stands in the pipeline; ``host`` of the agent; ``endpoints``, a
tuple of (host, port); ``namer``, of :mod:`~ceilometer_graphite.naming`;
``definitions``, of :mod:`~ceilometer_graphite.definitions`; and each option
of ``[graphite]``.
"""


def load_settings(conf, parsed_url):
    """What ceilometer.conf and a publisher's URL say together.

    :param conf: the agent's ``ConfigOpts``; the options are registered on it
    :param parsed_url: ``graphite://HOST[:PORT][,...][?OPTION=VALUE&...]``, as
        ``oslo_utils.netutils.urlsplit`` gives it
    :raises ConfigError: for anything in either that cannot be used
    """
    opts.register_opts(conf)
    _warn_of_unknown(conf)
    values = {opt.dest: _from_conf(conf, opt) for opt in opts.GRAPHITE_OPTS}
    values.update(_from_query(parsed_url.query))
    if parsed_url.path.strip("/") or parsed_url.fragment:
        raise ConfigError("%s: nothing but ?OPTION=VALUE may follow the "
                          "endpoints" % parsed_url.geturl())
    _check_together(values)
    return Settings(
        url=parsed_url.geturl(),
        host=conf.host,
        endpoints=_endpoints(parsed_url.netloc, PORTS[values["format"]]),
        namer=_namer(values, conf.host),
        definitions=_definitions(values["definitions_file"]),
        **values)


def _warn_of_unknown(conf):
    """Say what oslo.config ignores: options in our group that are none."""
    known = {name for opt in opts.GRAPHITE_OPTS for name in (
        opt.dest, *(old.name for old in opt.deprecated_opts))}
    paths = [*conf.config_file, *(
        path for folder in conf.config_dir
        for path in sorted(pathlib.Path(folder).glob("*.conf")))]
    for path in paths:
        sections = {}
        try:
            cfg.ConfigParser(str(path), sections).parse()
        except (cfg.ParseError, OSError):
            continue  # of which the agent itself has told
        for name in sections.get(opts.GRAPHITE_GROUP, ()):
            if name.replace("-", "_") not in known:
                LOG.warning("%s: [%s] %s is not an option, and is ignored; "
                            "those are %s", path, opts.GRAPHITE_GROUP, name,
                            ", ".join(sorted(known)))


def _allowed(opt):
    """What an option may be, in words."""
    kind = opt.type
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.Number):
        text = "a whole number" if isinstance(
            kind, types.Integer) else "a number"
        text += " of at least %s" % kind.min
        return text + (" and at most %s" % kind.max if kind.max else "")
    if kind.choices:
        return "one of " + ", ".join(kind.choices)
    return "a text"


def _usable(opt, value):
    """The value of an option, which oslo.config lets be None or NaN."""
    if value is None and opt.default is not None:
        raise ValueError("it has no value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("%s is not finite" % value)
    return value


def _from_conf(conf, opt):
    try:
        return _usable(opt, conf[opts.GRAPHITE_GROUP][opt.dest])
    except (cfg.Error, ValueError):
        raise ConfigError("[%s] %s has to be %s, and not %s" % (
            opts.GRAPHITE_GROUP, opt.name, _allowed(opt),
            _written(conf, opt))) from None


def _written(conf, opt):
    """What stands in the files for an option; oslo.config does not tell."""
    texts = cfg.ConfigOpts()
    texts.register_opt(cfg.StrOpt(opt.name, dest=opt.dest,
                                  deprecated_opts=opt.deprecated_opts),
                       group=opts.GRAPHITE_GROUP)
    try:
        texts([], default_config_files=conf.config_file,
              default_config_dirs=conf.config_dir)
        return repr(texts[opts.GRAPHITE_GROUP][opt.dest])
    except cfg.Error as e:
        return str(e)


def _from_query(query):
    by_name = {opt.dest: opt for opt in opts.GRAPHITE_OPTS}
    by_name.update((old.name, opt) for opt in opts.GRAPHITE_OPTS
                   for old in opt.deprecated_opts)
    values = {}
    for parameter in query.split("&") if query else ():
        name, equals, text = (
            urllib.parse.unquote_plus(part)
            for part in parameter.partition("="))
        if name not in by_name:
            raise ConfigError("%s is not an option of a graphite:// URL; "
                              "those are %s" % (name or repr(parameter),
                                                ", ".join(sorted(by_name))))
        opt = by_name[name]
        if not equals or opt.dest in values:
            raise ConfigError("%s has to stand in the URL once, with a value"
                              % name)
        values[opt.dest] = _parsed(opt, text)
    return values


def _parsed(opt, text):
    try:
        return _usable(opt, opt.type(text))
    except ValueError:
        raise ConfigError("%s in the URL has to be %s, and not %r" % (
            opt.name, _allowed(opt), text)) from None


def _check_together(values):
    """What no option can say alone."""
    if values["protocol"] == "udp" and values["format"] == "pickle":
        raise ConfigError("format = pickle needs protocol = tcp or tls, and "
                          "not udp")
    if values["protocol"] == "tls":
        if values["keyfile"] and not values["certfile"]:
            raise ConfigError("keyfile = %s needs the certfile that it is "
                              "the key of" % values["keyfile"])
        try:
            transports.make_context(
                **{name: values[name] for name in transports.OPTIONS})
        except transports.TransportError as e:
            raise ConfigError(str(e)) from None


def _endpoints(netloc, default_port):
    return tuple(_endpoint(text, default_port) for text in netloc.split(","))


def _endpoint(text, default_port):
    match = _ENDPOINT.match(text)
    if not match:
        raise ConfigError("an endpoint has to be HOST, HOST:PORT or "
                          "[IPV6]:PORT, and not %r" % text)
    port = int(match["port"] or default_port)
    if not 1 <= port <= 65535:
        raise ConfigError("the port of %r has to be from 1 to 65535" % text)
    return match["ipv6"] or match["host"], port


def _namer(values, default_host):
    try:
        option = "prefix"
        naming.checked_prefix(values[option])
        arguments = (values["prefix"], values["append_hostname"],
                     default_host)
        option = "template"
        namer = naming.PathNamer(values[option], *arguments)
        if values["naming"] == "tags":
            return naming.TagNamer(*arguments)
        return namer
    except naming.TemplateError as e:
        raise ConfigError("%s has to be of %s, and not %r" % (
            option, e, values[option])) from None


def _definitions(path):
    try:
        return definitions.load(path or None)
    except definitions.DefinitionsError as e:
        raise ConfigError("definitions_file: %s" % e) from None
