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

"""Every option, and what stands in its place by mistake."""

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
                    "trailing dot; may be empty."),
    cfg.BoolOpt("append_hostname",
                default=True,
                deprecated_name="hypervisor_in_prefix",
                help="Whether {hostname}, the short name of the compute "
                     "host, has a place in the names."),
    cfg.StrOpt("naming",
               default="path",
               choices=[("path", "dotted paths, made by the template"),
                        ("tags", "tagged series of Graphite 1.1, METER;host=;"
                                 "project=;instance=;instance_name=;"
                                 "device=")],
               help="How series are named."),
    cfg.StrOpt("template",
               default=naming.DEFAULT_TEMPLATE,
               help="How a path is made of fields: prefix, hostname, host, "
                    "project_id, project_name, user_id, instance, "
                    "instance_id, instance_name, resource_id, flavor, meter, "
                    "device, unit and metadata.KEY. instance is the name and "
                    "the id, as in web-01_ID. A component that is nothing but "
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
               help="Seconds after which a counter is forgotten that does "
                    "not come. There are no rates unless this is longer than "
                    "the polling interval."),
    cfg.IntOpt("rate_max_series",
               default=500000,
               min=1,
               help="Counters that are remembered for their rates at most. "
                    "A counter beyond them gets no rate. Each takes about "
                    "300 bytes of memory. An instance with three disks and "
                    "three NICs has 45 with the shipped polling.yaml, so the "
                    "default is enough for 10000 instances."),
    cfg.StrOpt("protocol",
               default="tcp",
               choices=[("tcp", "connections, whose end confirms the lines"),
                        ("tls", "the same, encrypted"),
                        ("udp", "datagrams, which the network may lose")],
               help="How lines travel to Graphite."),
    cfg.StrOpt("format",
               default="plaintext",
               choices=[("plaintext", "lines, to port 2003 by default"),
                        ("pickle", "Carbon's pickle protocol, to port 2004 "
                                   "by default; not over UDP")],
               help="How datapoints are written."),
    cfg.StrOpt("cafile",
               help="For tls: the CA bundle to verify the receiver with. "
                    "Default: the system's."),
    cfg.StrOpt("certfile",
               help="For tls: a client certificate, with its key unless "
                    "keyfile is set."),
    cfg.StrOpt("keyfile",
               help="For tls: the key of certfile."),
    cfg.BoolOpt("tls_verify",
                default=True,
                help="For tls: whether to verify the receiver's certificate "
                     "and name."),
    cfg.IntOpt("datagram_size",
               default=1400,
               min=256,
               max=wire.MAX_DATAGRAM_BYTES,
               help="Bytes of a UDP datagram at most. A datagram holds "
                    "whole lines; a longer line is one datagram."),
    cfg.FloatOpt("connect_timeout_seconds",
                 default=3.0,
                 min=0.1,
                 help="Seconds in which an endpoint has to accept a "
                      "connection, on any of its addresses."),
    cfg.FloatOpt("send_timeout_seconds",
                 default=10.0,
                 min=0.1,
                 help="Seconds without progress before the connection is "
                      "closed."),
    cfg.FloatOpt("reconnect_delay_max_seconds",
                 default=1.5,
                 min=0.1,
                 help="Seconds between two rounds over all endpoints at "
                      "most. The delay doubles up to it, with jitter."),
    cfg.IntOpt("buffer_size",
               default=32 * 1024 * 1024,
               min=65536,
               help="Bytes of memory for lines that wait, are in flight, or "
                    "were confirmed within replay_seconds. When full, drop "
                    "confirmed lines first, then the oldest waiting ones."),
    cfg.FloatOpt("replay_seconds",
                 default=10.0,
                 min=0,
                 help="Seconds for which confirmed lines are kept, to be "
                      "sent again if the receiver dies within them. Graphite "
                      "keeps one value for a second, so a repeated line "
                      "changes nothing there. 0 never sends a confirmed line "
                      "again, for a relay that aggregates."),
    cfg.BoolOpt("confirm",
                default=True,
                help="Whether lines are confirmed by the receiver, which "
                     "closes the connection when it has read them all. Set "
                     "it to false for a receiver that never closes a "
                     "connection: one connection is kept then, and a line "
                     "counts as delivered when the receiver's kernel has it "
                     "and the connection has lived for another "
                     "replay_seconds."),
    cfg.StrOpt("spool_dir",
               help="A folder for lines that no endpoint takes. They stay "
                    "there when the agent ends. Without it they wait in "
                    "memory only."),
    cfg.IntOpt("spool_size",
               default=1024 * 1024 * 1024,
               min=1024 * 1024,
               help="Bytes of all files in spool_dir at most. When full, "
                    "drop the oldest file first."),
    cfg.FloatOpt("catch_up_rate",
                 default=1000.0,
                 min=1,
                 help="Lines a second of the backlog, from memory and from "
                      "spool_dir, when an endpoint is back. Live lines are "
                      "sent first, without a limit."),
    cfg.FloatOpt("self_metrics_interval",
                 default=60.0,
                 min=0,
                 help="Seconds between two reports of the publisher on "
                      "itself. 0 turns them off."),
]

PIPELINE_OPTS = [
    cfg.ListOpt("forward_drivers",
                default=[],
                help="Notification drivers, such as messagingv2, that get "
                     "each notification too."),
]

_GROUPS: dict[str, typing.Sequence[cfg.Opt]] = {
    GRAPHITE_GROUP: GRAPHITE_OPTS, PIPELINE_GROUP: PIPELINE_OPTS}


class Problem(typing.NamedTuple):
    """What is wrong in the configuration.

    :ivar problem: names the option, its value and what is allowed
    :ivar hint: what to do about it; may be empty
    """

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return "; ".join(filter(None, self))


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register all options on the ``conf`` of the agent, once or again.

    The first time, log a warning for each unknown option in our groups.
    """
    if GRAPHITE_GROUP in conf:
        return
    for group, opts in _GROUPS.items():
        conf.register_opts(opts, group=group)
    for problem in unknown(conf):
        LOG.warning("%s", problem)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """All options, as ``oslo-config-generator`` asks for them."""
    return [(group, copy.deepcopy(list(opts)))
            for group, opts in _GROUPS.items()]


def by_name(group: str) -> dict[str, cfg.Opt]:
    """The options of one of our groups, by their names, old ones too."""
    return {name: opt for opt in _GROUPS[group] for name in (
        opt.dest, *(old.name for old in opt.deprecated_opts)) if name}


def written(conf: cfg.ConfigOpts) -> dict[str, dict[str, str]]:
    """What the agent's files say: texts by section and option.

    As for oslo.config, a later file wins, and the sections graphite and
    Graphite are one. It has no public function that tells of options that
    nobody registered.
    """
    found: dict[str, dict[str, str]] = {}
    files = conf._namespace._normalized if conf._namespace else ()
    for sections in reversed(files):
        for section, options in sections.items():
            found.setdefault(section, {}).update(
                (name, texts[-1]) for name, texts in options.items())
    return found


def unknown(conf: cfg.ConfigOpts) -> list[Problem]:
    """Options in our groups that do not exist. oslo.config ignores them."""
    sections = written(conf)
    return [Problem("[%s] %s is not an option, and is ignored" % (group, name),
                    suggestion(name, group))
            for group in _GROUPS for name in sections.get(group, ())
            if name not in by_name(group)]


def misplaced(conf: cfg.ConfigOpts) -> list[Problem]:
    """Options of ours in sections of others, and sections almost ours."""
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
    """What has the names of a section's options; None if none has."""
    if section == "DEFAULT":
        return conf
    found = conf[section] if section in conf else None
    return found if isinstance(found, cfg.ConfigOpts.GroupAttr) else None


def suggestion(name: str, group: str) -> str:
    """What may have been meant by an option that does not exist."""
    for other in _GROUPS:
        if name in by_name(other):
            return "move it to [%s]" % other
    near = difflib.get_close_matches(name, by_name(group), 1)
    if near:
        return "did you mean %s?" % near[0]
    return "the options are " + ", ".join(sorted(by_name(group)))
