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

"""Whether the agent finds the instances on this node and polls them."""

import logging
import threading
import time

from ceilometer.compute import discovery
from ceilometer.compute.virt.libvirt import utils
from lxml import etree

from ceilometer_graphite import opts
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import sampling
from ceilometer_graphite.cli.check import results
from ceilometer_graphite.cli.check import settings

LOG = logging.getLogger(__name__)
INSPECTORS = "ceilometer.compute.virt"
LIBVIRT_METADATA = "libvirt_metadata"
_ASKS_NOVA = (
    "set [service_credentials] in ceilometer.conf: Ceilometer asks Nova's API "
    "for what libvirt lacks (Nova before 2025.2, Ceilometer before 25.0.0), "
    "and for extra metadata ([compute] fetch_extra_metadata, which is on by "
    "default before 27.0.0)")
_NEEDS_NOVA = (
    "correct [service_credentials], and host in [DEFAULT] as Nova has it; or "
    "set instance_discovery_method = libvirt_metadata in [compute] of "
    "ceilometer.conf, which needs no Nova since Ceilometer 25.0.0; 25 and 26 "
    "need fetch_extra_metadata = false as well")
_NOT_NOVAS = (
    "they were not made by Nova; correct libvirt_uri in [DEFAULT] of "
    "ceilometer.conf if others were")
_REPAIR = ("restart it with Nova (openstack server reboot --hard), which "
           "writes its metadata, or undefine it")
# What Ceilometer's discover_libvirt_polling reads: elements and attributes.
_READ = (("./flavor", "name"), ("./owner/user", "uuid"),
         ("./owner/project", "uuid"), ("./name", None))


def inspector(state: results.State) -> results.Results:
    """Check that the hypervisor's inspector can be loaded."""
    # Deprecated, so not every release will have this option.
    name = getattr(state.conf, "hypervisor_inspector", None)
    if name is None:
        yield "is no option any more"
        return
    common.load_plugin(
        INSPECTORS, name, "set hypervisor_inspector = libvirt in [DEFAULT] "
        "of ceilometer.conf")
    yield name


def libvirt(state: results.State) -> results.Results:
    """Check that libvirt answers, as Ceilometer asks it."""
    state.libvirt, domains = sampling.connect(state.conf, state)
    yield "is reached, instances: %d" % len(domains)


def instances(state: results.State) -> results.Results:
    """Check that Ceilometer's discovery finds libvirt's instances."""
    method = state.conf.compute.instance_discovery_method
    by_metadata = method == LIBVIRT_METADATA
    found = _count(state, method, by_metadata)
    there = len(state.libvirt.listAllDomains())
    odd = _incomplete(state) if by_metadata else []
    for text in odd:
        yield opts.Problem(text + ", so it is left out", _REPAIR)
    text = "%d of %d are found by instance_discovery_method = %s" % (
        found, there, method)
    if not there:
        yield opts.Problem(
            "there are none, so there is nothing to poll yet",
            "start one, or correct libvirt_uri in [DEFAULT] of "
            "ceilometer.conf")
    elif not found and not odd:
        yield common.CommandError(
            text, _NOT_NOVAS if by_metadata else _NEEDS_NOVA)
    elif found + len(odd) < there and by_metadata:
        yield opts.Problem(text, "the others were not made by Nova; expect "
                           "no graphs of them")
    else:
        yield text


def _count(state, method, by_metadata):
    """How many instances Ceilometer discovers."""
    try:
        discoverer = discovery.InstanceDiscovery(state.conf)
        # Its own way to ask Nova hides what went wrong.
        return len(discoverer.discover(None) if by_metadata else
                   discoverer.nova_cli.instance_get_all_by_host(
                       state.conf.host))
    except Exception as e:
        odd = _incomplete(state, fatal=True)
        if odd and by_metadata:
            raise common.CommandError(
                "%s, which ends the discovery of all" % odd[0], _REPAIR) from e
        raise common.CommandError(
            "instance_discovery_method = %s finds none: %s" % (
                method, common.one_line(e)),
            _ASKS_NOVA if by_metadata else _NEEDS_NOVA) from e


def _incomplete(state, fatal=False):
    """What each domain's metadata of Nova lack.

    :param fatal: only of domains with which Ceilometer's discovery ends
    """
    found = []
    for domain in state.libvirt.listAllDomains():
        try:
            text = utils.instance_metadata(domain)
            missing, is_fatal = (
                (None, False) if text is None else _missing(text))
        except Exception as e:
            LOG.debug("A domain cannot be read", exc_info=e)
            missing, is_fatal = "metadata that can be read", True
        if missing and (is_fatal or not fatal):
            found.append("the domain %s has no %s" % (
                domain.name(), missing))
    return found


def _missing(text):
    """What Ceilometer misses there, and whether its discovery ends so."""
    tree = etree.fromstring(text)
    for path, attribute in _READ:
        element = tree.find(path)
        if element is None:
            return path[2:] + " in Nova's metadata", False
        if attribute and attribute not in element.attrib:
            return "%s of %s in Nova's metadata" % (
                attribute, path[2:]), True
    return None, False


def cycle(state: results.State) -> results.Results:
    """Check that all meters are polled within their shortest interval."""
    seconds = min(source.get_interval() for source in state.sources)
    # A conf of its own, because polling here overrides options.
    conf = common.load_conf(state.arguments)
    settings.correct(conf)
    polled = sampling.Hypervisor(conf)
    began = time.monotonic()
    try:
        common.within(min(seconds, threading.TIMEOUT_MAX), polled.poll)
    except TimeoutError:
        yield opts.Problem(
            "one takes longer than the interval of %d seconds, so points are "
            "missing" % seconds,
            "raise interval in polling.yaml, or poll fewer meters")
    else:
        yield "one takes %.1f seconds of %d" % (
            time.monotonic() - began, seconds)
    if polled.notes.refused:
        yield results.warning(
            "meters", "this hypervisor cannot give %s, and the agent logs an "
            "error for each at its start" % ", ".join(
                sorted(polled.notes.refused)),
            "remove them from polling.yaml, or name them there with ! before "
            "them")
