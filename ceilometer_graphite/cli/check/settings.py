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

"""Whether each graphite:// URL, with [graphite], is valid and plausible."""

import os

from ceilometer import sample
from oslo_config import cfg
from oslo_utils import netutils

from ceilometer_graphite import opts
from ceilometer_graphite import settings
from ceilometer_graphite import transports
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

_HINT = "correct it in pipeline.yaml, or in [graphite] of ceilometer.conf"
_OTHER = {"plaintext": "pickle", "pickle": "plaintext"}
# Options of Ceilometer's that the documentation names, with their sections.
_SECTIONS = {
    "telemetry_driver": "publisher_notifier", "telemetry_secret": "publisher",
    **dict.fromkeys(("instance_discovery_method", "fetch_extra_metadata"),
                    "compute"),
    **dict.fromkeys(("cfg_file", "enable_notifications", "batch_size",
                     "threads_to_process_pollsters",
                     "identity_name_discovery"), "polling"),
    **dict.fromkeys(("pipeline_cfg_file", "libvirt_uri", "log_dir",
                     "transport_url"), "DEFAULT")}
# Resources that need series of their own, in pairs.
_APART = {
    "instances": (("a-vda", "a", "vda"), ("b", "b", "vda")),
    "disks": (("a-vda", "a", "vda"), ("a-vdb", "a", "vdb"))}


def options(state: results.State) -> results.Results:
    """Check that our options, and those beside them, exist and are usable."""
    bad = correct(state.conf)
    for each in bad:
        yield common.CommandError(*each)
    doubts = opts.unknown(state.conf) + opts.misplaced(state.conf) + [
        opts.Problem("[%s] %s is not an option, and is ignored" % (
            section, name), "move it to [%s]" % _SECTIONS[name])
        for section, texts in opts.written(state.conf).items()
        for name in texts if _SECTIONS.get(name, section) != section]
    yield from doubts
    if not bad + doubts:
        yield "are all known"


def correct(conf: cfg.ConfigOpts) -> list[opts.Problem]:
    """Give options of Ceilometer's with bad values their defaults instead.

    :returns: what was wrong with each
    """
    problems = []
    for section, texts in opts.written(conf).items():
        group = None if section == "DEFAULT" else section
        if group == opts.GRAPHITE_GROUP or group and group not in conf:
            continue
        for name, text in texts.items():
            try:
                (conf[group] if group else conf)[name]
            except cfg.NoSuchOptError:
                continue
            except (cfg.Error, ValueError):
                opt = conf._get_opt_info(name, group)["opt"]
                conf.set_override(name, opt.default, group=group)
                problems.append(opts.Problem(
                    "[%s] %s has to be %s, and not %r" % (
                        section, name, settings.allowed(opt), text),
                    "correct it in ceilometer.conf, or remove it"))
    return problems


def load(state: results.State) -> results.Results:
    """Check that each URL can be used, and does what seems intended."""
    told: set[opts.Problem] = set()
    for url in state.urls:
        try:
            found = settings.load_settings(
                state.conf, netutils.urlsplit(url))
        except settings.ConfigError as e:
            # A problem of [graphite] is one of each URL.
            for each in dict.fromkeys(e.problems):
                if each not in told:
                    yield results.error(url, each.problem, each.hint or _HINT)
            told.update(e.problems)
            continue
        state.publishers.append(found)
        doubts = [doubt for find in (
            _odd_transport, _odd_names, _odd_files_and_rates)
            for doubt in find(state, found)]
        for message, hint in doubts:
            yield results.warning(url, message, hint)
        if not doubts:
            yield results.ok(url, "%s, %s over %s" % (
                found.template if found.naming == "path" else "tagged series",
                found.format, found.protocol))


def _odd_transport(state, found):
    other = _OTHER[found.format]
    for host, port in found.endpoints:
        if port == settings.PORTS[other]:
            yield ("%s:%d is usually the port for %s, and format is %s"
                   % (host, port, other, found.format),
                   "use port %d, or set format = %s" % (
                       settings.PORTS[found.format], other))
    names = [name for name in transports.TLS_OPTIONS
             if name != "tls_verify" and getattr(found, name)]
    if found.protocol == "tls" and not found.tls_verify:
        yield ("the server's certificate is not verified",
               "set tls_verify = true, and cafile")
    elif found.protocol != "tls" and names:
        yield ("%s is set, but nothing is encrypted" % " and ".join(names),
               "set protocol = tls")


def _odd_names(state, found):
    for what, pair in _APART.items():
        first, second = (_name(found, *resource) for resource in pair)
        if first == second:
            yield ("template = %s gives two %s one series, in which they "
                   "overwrite each other" % (found.template, what),
                   "add {instance} and {device} to it")
    if found.naming == "path" and "{project_name}" in found.template \
            and not getattr(state.conf.polling, "identity_name_discovery",
                            False):
        yield ("template = %s has {project_name}, which is none without "
               "identity_name_discovery" % found.template,
               "set identity_name_discovery = true in [polling] of "
               "ceilometer.conf (Ceilometer 20 or newer), or use "
               "{project_id}")


def _name(found, resource_id, instance, disk):
    return found.namer.name(sample.Sample(
        name="meter", type=sample.TYPE_GAUGE, unit="", volume=0,
        user_id="user", project_id="project", timestamp="",
        resource_id=resource_id, resource_metadata={
            "instance_id": instance, "display_name": instance,
            "disk_name": disk}), "meter", "")


def _odd_files_and_rates(state, found):
    if found.spool_dir and not os.path.isabs(found.spool_dir):
        yield ("spool_dir = %s depends on the folder that the agent is "
               "started in" % found.spool_dir, "begin it with /")
    slowest = max((source.get_interval() for source in state.sources),
                  default=0)
    if slowest >= found.rate_expiry_seconds and found.counters != "raw":
        yield ("rate_expiry_seconds = %d is not longer than the polling "
               "interval of %d seconds, so there are no rates" % (
                   found.rate_expiry_seconds, slowest),
               "set rate_expiry_seconds = %d" % (3 * slowest))
