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

"""Every option, and how ceilometer.conf and a URL become settings."""

import copy
import dataclasses
import math
import re
import urllib.parse

from oslo_config import cfg
from oslo_config import types

from ceilometer_graphite import definitions
from ceilometer_graphite import encoding
from ceilometer_graphite import naming

GRAPHITE_GROUP = "graphite"
PIPELINE_GROUP = "ceilometer_pipeline"
DEFAULT_PORT = 2003
_ENDPOINT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{1,5}))?\Z", re.ASCII)


class ConfigError(ValueError):
    """Configuration that cannot be used.

    The message names the option, its value and what is allowed.
    """


GRAPHITE_OPTS = [
    cfg.StrOpt("prefix",
               default="ceilometer.",
               help="First components of each path, with or without the "
                    "trailing dot; may be empty."),
    cfg.BoolOpt("append_hostname",
                default=True,
                deprecated_name="hypervisor_in_prefix",
                help="Whether {hostname}, the short name of the compute "
                     "host, has a place in the names."),
    cfg.StrOpt("naming",
               default="path",
               choices=[("path", "dotted paths, made by the template"),
                        ("tags", "tagged series of Graphite 1.1, "
                                 "METER;host=;project=;instance=;device=")],
               help="How series are named."),
    cfg.StrOpt("template",
               default=naming.DEFAULT_TEMPLATE,
               help="How a path is made of fields: prefix, hostname, host, "
                    "project_id, project_name, user_id, instance_id, "
                    "instance_name, resource_id, flavor, meter, device, "
                    "unit and metadata.KEY. A component that is nothing but "
                    "{device} is left out where there is no device."),
    cfg.StrOpt("counters",
               default="rate",
               choices=[("rate", "their rates per second, and cpu_util"),
                        ("raw", "the counters themselves"),
                        ("both", "the rates and the counters")],
               help="What is published of samples of type cumulative."),
    cfg.StrOpt("definitions_file",
               help="A file that replaces the packaged definitions of rates "
                    "and of gauges from metadata."),
    cfg.IntOpt("rate_expiry_seconds",
               default=86400,
               min=1,
               help="A counter that was not seen for so long is forgotten, "
                    "in seconds."),
    cfg.IntOpt("rate_max_series",
               default=200000,
               min=1,
               help="How many counters are remembered for their rates at "
                    "most; a counter beyond them gets no rate."),
    cfg.StrOpt("protocol",
               default="tcp",
               choices=[("tcp", "a connection that is kept"),
                        ("udp", "datagrams, which the network may lose")],
               help="How lines travel to Graphite."),
    cfg.IntOpt("datagram_size",
               default=1400,
               min=256,
               max=encoding.MAX_DATAGRAM_BYTES,
               help="Bytes of a UDP datagram at most, of whole lines. A "
                    "single longer line still goes as one datagram."),
    cfg.FloatOpt("connect_timeout_seconds",
                 default=3.0,
                 min=0.1,
                 help="How long one attempt to connect to one address may "
                      "take, in seconds."),
    cfg.FloatOpt("send_timeout_seconds",
                 default=10.0,
                 min=0.1,
                 help="How long the far end may take nothing, or confirm "
                      "nothing, before the connection is given up, in "
                      "seconds."),
    cfg.FloatOpt("reconnect_delay_max_seconds",
                 default=1.5,
                 min=0.1,
                 help="The longest wait between two rounds over all "
                      "endpoints, in seconds. The waits grow up to it, and "
                      "are jittered."),
    cfg.IntOpt("buffer_size",
               default=32 * 1024 * 1024,
               min=65536,
               help="Bytes of lines that are kept in memory at most while "
                    "no endpoint takes them. The oldest go first when it "
                    "is full."),
]

PIPELINE_OPTS = [
    cfg.ListOpt("forward_drivers",
                default=[],
                help="Notification drivers, such as messagingv2, that get "
                     "each notification too."),
]

_GROUPS = ((GRAPHITE_GROUP, GRAPHITE_OPTS), (PIPELINE_GROUP, PIPELINE_OPTS))


def register_opts(conf):
    """Register all options on the ``conf`` of the agent, once or again."""
    for group, opts in _GROUPS:
        conf.register_opts(opts, group=group)


def list_opts():
    """All options, as ``oslo-config-generator`` asks for them."""
    return [(group, copy.deepcopy(opts)) for group, opts in _GROUPS]


Settings = dataclasses.make_dataclass(
    "Settings",
    ["url", "endpoints", "namer", "definitions",
     *(opt.dest for opt in GRAPHITE_OPTS)],
    frozen=True)
Settings.__doc__ = """What one publisher does, checked.

``url`` as it stands in the pipeline; ``endpoints``, a tuple of (host, port);
``namer``, of :mod:`~ceilometer_graphite.naming`; ``definitions``, of
:mod:`~ceilometer_graphite.definitions`; and each option of ``[graphite]``.
"""


def load_settings(conf, parsed_url):
    """What ceilometer.conf and a publisher's URL say together.

    :param conf: the agent's ``ConfigOpts``; the options are registered on it
    :param parsed_url: ``graphite://HOST[:PORT][,...][?OPTION=VALUE&...]``, as
        ``oslo_utils.netutils.urlsplit`` gives it
    :raises ConfigError: for anything in either that cannot be used
    """
    register_opts(conf)
    values = {opt.dest: _from_conf(conf, opt) for opt in GRAPHITE_OPTS}
    values.update(_from_query(parsed_url.query))
    if parsed_url.path.strip("/") or parsed_url.fragment:
        raise ConfigError("%s: nothing but ?OPTION=VALUE may follow the "
                          "endpoints" % parsed_url.geturl())
    return Settings(
        url=parsed_url.geturl(),
        endpoints=_endpoints(parsed_url.netloc),
        namer=_namer(values, conf.host),
        definitions=_definitions(values["definitions_file"]),
        **values)


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
        return _usable(opt, conf[GRAPHITE_GROUP][opt.dest])
    except (cfg.Error, ValueError):
        raise ConfigError("[%s] %s has to be %s, and not %s" % (
            GRAPHITE_GROUP, opt.name, _allowed(opt),
            _written(conf, opt))) from None


def _written(conf, opt):
    """What stands in the files for an option; oslo.config does not tell."""
    texts = cfg.ConfigOpts()
    texts.register_opt(cfg.StrOpt(opt.name, dest=opt.dest,
                                  deprecated_opts=opt.deprecated_opts),
                       group=GRAPHITE_GROUP)
    try:
        texts([], default_config_files=conf.config_file,
              default_config_dirs=conf.config_dir)
        return repr(texts[GRAPHITE_GROUP][opt.dest])
    except cfg.Error as e:
        return str(e)


def _from_query(query):
    by_name = {opt.dest: opt for opt in GRAPHITE_OPTS}
    by_name.update((old.name, opt) for opt in GRAPHITE_OPTS
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


def _endpoints(netloc):
    return tuple(_endpoint(text) for text in netloc.split(","))


def _endpoint(text):
    match = _ENDPOINT.match(text)
    if not match:
        raise ConfigError("an endpoint has to be HOST, HOST:PORT or "
                          "[IPV6]:PORT, and not %r" % text)
    port = int(match["port"] or DEFAULT_PORT)
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
