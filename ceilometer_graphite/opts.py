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

"""All options, and the checks for misspelt or misplaced ones."""

import copy
import difflib
import typing

from oslo_config import cfg
from oslo_log import log

from ceilometer_graphite import naming
from ceilometer_graphite import wire

LOG = log.getLogger(__name__)

GRAPHITE_GROUP = "graphite"
PIPELINE_GROUP = "ceilometer_pipeline"

GRAPHITE_OPTS = [
    cfg.StrOpt("prefix",
               default="ceilometer.",
               help="First components of each path, with or without the "
                    "trailing dot. May be empty."),
    cfg.BoolOpt("append_hostname",
                default=True,
                deprecated_name="hypervisor_in_prefix",
                help="Whether names contain {hostname}, the short name of "
                     "the compute host."),
    cfg.StrOpt("naming",
               default="path",
               choices=[("path", "dotted paths, made by the template"),
                        ("tags", "tagged series of Graphite 1.1, METER;host=;"
                                 "project=;instance=;instance_name=;"
                                 "device=")],
               help="How series are named."),
    cfg.StrOpt("template",
               default=naming.DEFAULT_TEMPLATE,
               help="Template of a path. Fields: prefix, hostname, host, "
                    "project_id, project_name, user_id, instance, "
                    "instance_id, instance_name, resource_id, flavor, meter, "
                    "device, unit and metadata.KEY. instance is the name and "
                    "the id, as in web-01_ID. A component that is only "
                    "{device} is left out of samples without a device."),
    cfg.StrOpt("counters",
               default="rate",
               choices=[("rate", "rates per second, and cpu_util"),
                        ("raw", "the counters themselves"),
                        ("both", "the rates and the counters")],
               help="What to publish of samples of type cumulative."),
    cfg.StrOpt("definitions_file",
               help="Path of a file that replaces the packaged definitions "
                    "of rates and of gauges from metadata."),
    cfg.IntOpt("rate_expiry_seconds",
               default=86400,
               min=1,
               help="Seconds without a sample after which a counter is "
                    "forgotten. Must be longer than the polling interval, "
                    "or there are no rates."),
    cfg.IntOpt("rate_max_series",
               default=500000,
               min=1,
               help="Maximum number of counters to remember for rates. "
                    "Further counters get no rate. Each counter takes about "
                    "300 bytes of memory. An instance with three disks and "
                    "three NICs has 45 counters with the packaged "
                    "polling.yaml, so the default is enough for 10000 such "
                    "instances."),
    cfg.StrOpt("protocol",
               default="tcp",
               choices=[("tcp", "plain TCP connections"),
                        ("tls", "TCP connections with TLS"),
                        ("udp", "datagrams, which the network may lose")],
               help="Transport to Graphite."),
    cfg.StrOpt("format",
               default="plaintext",
               choices=[("plaintext", "lines, to port 2003 by default"),
                        ("pickle", "Carbon's pickle protocol, to port 2004 "
                                   "by default; not over UDP")],
               help="Encoding of datapoints."),
    cfg.StrOpt("cafile",
               help="For tls: CA bundle to verify the receiver's certificate "
                    "with. Default: the system's."),
    cfg.StrOpt("certfile",
               help="For tls: client certificate to present to the receiver. "
                    "It contains the key too, unless keyfile is set."),
    cfg.StrOpt("keyfile",
               help="For tls: private key of certfile."),
    cfg.BoolOpt("tls_verify",
                default=True,
                help="For tls: whether to verify the receiver's certificate "
                     "and name."),
    cfg.IntOpt("datagram_size",
               default=1400,
               min=256,
               max=wire.MAX_DATAGRAM_BYTES,
               help="Maximum bytes of a UDP datagram. A datagram contains "
                    "whole lines. A longer line is sent as a datagram of "
                    "its own."),
    cfg.FloatOpt("connect_timeout_seconds",
                 default=3.0,
                 min=0.1,
                 help="Maximum seconds to connect to one endpoint, on any of "
                      "its addresses."),
    cfg.FloatOpt("send_timeout_seconds",
                 default=10.0,
                 min=0.1,
                 help="Seconds without progress, or without the receiver's "
                      "confirmation, before the connection is closed."),
    cfg.FloatOpt("reconnect_delay_max_seconds",
                 default=1.5,
                 min=0.1,
                 help="Maximum seconds between two rounds over all "
                      "endpoints. Delays grow up to this maximum, and are "
                      "jittered."),
    cfg.IntOpt("buffer_size",
               default=32 * 1024 * 1024,
               min=65536,
               help="Maximum bytes of lines in memory that wait, are in "
                    "flight or were confirmed within replay_seconds. When "
                    "full, drop confirmed lines first, then the oldest "
                    "waiting ones."),
    cfg.FloatOpt("replay_seconds",
                 default=10.0,
                 min=0,
                 help="Seconds for which confirmed lines are kept in memory. "
                      "If the receiver dies within this time, they are sent "
                      "again. A repeated line changes nothing in Graphite, "
                      "which keeps one value for each second. Set it to 0 "
                      "for a relay that aggregates: lines are then never "
                      "sent again after they are confirmed."),
    cfg.BoolOpt("confirm",
                default=True,
                help="Whether the receiver confirms lines by closing the "
                     "connection after it has read all of them. Set it to "
                     "false for a receiver that never closes a connection: "
                     "the connection is then kept, and a line counts as "
                     "confirmed when the receiver's kernel has acknowledged "
                     "it and the connection has stayed open for another "
                     "replay_seconds."),
    cfg.StrOpt("spool_dir",
               help="Directory for lines that no endpoint accepts. They "
                    "survive a restart of the agent there. Without it, lines "
                    "wait in memory only."),
    cfg.IntOpt("spool_size",
               default=1024 * 1024 * 1024,
               min=1024 * 1024,
               help="Maximum bytes of a publisher's files in spool_dir. When "
                    "full, drop the oldest file first."),
    cfg.FloatOpt("catch_up_rate",
                 default=1000.0,
                 min=1,
                 help="Maximum lines of the backlog, from memory or "
                      "spool_dir, to send each second once an endpoint is "
                      "back. Live lines are sent first, without a limit."),
    cfg.FloatOpt("self_metrics_interval",
                 default=60.0,
                 min=0,
                 help="Seconds between two reports of the publisher on "
                      "itself. 0 turns them off."),
]

PIPELINE_OPTS = [
    cfg.ListOpt("forward_drivers",
                default=[],
                help="Notification drivers, such as messagingv2, that also "
                     "get each notification."),
]

_GROUPS: dict[str, typing.Sequence[cfg.Opt]] = {
    GRAPHITE_GROUP: GRAPHITE_OPTS, PIPELINE_GROUP: PIPELINE_OPTS}


class Problem(typing.NamedTuple):
    """One problem of the configuration.

    :ivar problem: names the option, its value and what is allowed
    :ivar hint: a command or setting that solves it; may be empty
    """

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return "; ".join(filter(None, self))


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register all options on the agent's ``conf``.

    The first call also logs a warning for each unknown option in our
    groups. Further calls do nothing.
    """
    if GRAPHITE_GROUP in conf:
        return
    for group, opts in _GROUPS.items():
        conf.register_opts(opts, group=group)
    for problem in unknown(conf):
        LOG.warning("%s", problem)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """All options by group, for ``oslo-config-generator``."""
    return [(group, copy.deepcopy(list(opts)))
            for group, opts in _GROUPS.items()]


def by_name(group: str) -> dict[str, cfg.Opt]:
    """Options of one of our groups by name, deprecated names included."""
    return {name: opt for opt in _GROUPS[group] for name in (
        opt.dest, *(old.name for old in opt.deprecated_opts)) if name}


def written(conf: cfg.ConfigOpts) -> dict[str, dict[str, str]]:
    """Texts in the agent's configuration files, by section and option.

    A later file overrides an earlier one, and section names ignore case, as
    in oslo.config. Reads a private attribute, because oslo.config has no
    public function that returns unregistered options.
    """
    found: dict[str, dict[str, str]] = {}
    files = conf._namespace._normalized if conf._namespace else ()
    for sections in reversed(files):
        for section, options in sections.items():
            found.setdefault(section, {}).update(
                (name, texts[-1]) for name, texts in options.items())
    return found


def unknown(conf: cfg.ConfigOpts) -> list[Problem]:
    """Unknown options in our groups, which oslo.config ignores."""
    sections = written(conf)
    return [Problem("[%s] %s is not an option, and is ignored" % (group, name),
                    suggestion(name, group))
            for group in _GROUPS for name in sections.get(group, ())
            if name not in by_name(group)]


def misplaced(conf: cfg.ConfigOpts) -> list[Problem]:
    """Our options in other sections, and sections spelt almost like ours."""
    problems = []
    for section, options in written(conf).items():
        if section in _GROUPS:
            continue
        known = _registered(conf, section)
        if known is None:
            near = sorted(
                difflib.get_close_matches(section, _GROUPS), key=lambda group:
                not any(name in by_name(group) for name in options))
            problems += [
                Problem("nothing reads the section [%s]" % section,
                        "did you mean [%s]?" % group) for group in near[:1]]
            continue
        problems += [
            Problem("[%s] %s is not an option, and is ignored" % (
                section, name), "move it to [%s]" % group)
            for group in _GROUPS for name in options
            if name in by_name(group) and name not in known]
    return problems


def _registered(conf, section):
    """The registered options of a section, or None."""
    if section == "DEFAULT":
        return conf
    found = conf[section] if section in conf else None
    return found if isinstance(found, cfg.ConfigOpts.GroupAttr) else None


def suggestion(name: str, group: str) -> str:
    """A hint that names the option that was probably meant."""
    for other in _GROUPS:
        if name in by_name(other):
            return "move it to [%s]" % other
    near = difflib.get_close_matches(name, by_name(group), 1)
    if near:
        return "did you mean %s?" % near[0]
    return "the options are " + ", ".join(sorted(by_name(group)))
