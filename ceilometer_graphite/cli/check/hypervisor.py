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

"""Whether the agent finds the instances on this node."""

import logging

from ceilometer.compute import discovery
from ceilometer.compute.virt.libvirt import utils
from lxml import etree

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import hypervisor
from ceilometer_graphite.cli.check import results

LOG = logging.getLogger(__name__)
INSPECTORS = "ceilometer.compute.virt"
LIBVIRT_METADATA = "libvirt_metadata"
_ASKS_NOVA = (
    "set [service_credentials]: what Nova before 2025.2 does not write into "
    "libvirt, what Ceilometer before 25.0.0 does not read there, and what "
    "[compute] fetch_extra_metadata wants, which is on by default before "
    "27.0.0, is asked of Nova's API")
_NEEDS_NOVA = (
    "correct [service_credentials], and host in [DEFAULT] as Nova has it; or "
    "set instance_discovery_method = libvirt_metadata in [compute] of "
    "ceilometer.conf, which needs no Nova from Ceilometer 25.0.0 on, there "
    "and in 26.0.0 with fetch_extra_metadata = false")
_NOT_NOVAS = (
    "they were not made by Nova; correct libvirt_uri in [DEFAULT] of "
    "ceilometer.conf if others were")

_REPAIR = ("start it anew with Nova (openstack server reboot --hard), which "
           "writes its metadata, or undefine it")
# What Ceilometer's discover_libvirt_polling reads: elements and attributes.
_READ = (("./flavor", "name"), ("./owner/user", "uuid"),
         ("./owner/project", "uuid"), ("./name", None))


def inspector(state: results.State) -> results.Results:
    """The hypervisor's inspector can be loaded."""
    # Deprecated, so not every release will have this option.
    name = getattr(state.conf, "hypervisor_inspector", None)
    if name is None:
        yield results.ok("hypervisor_inspector", "is no option any more")
        return
    common.load_plugin(
        INSPECTORS, name, "set hypervisor_inspector = libvirt in [DEFAULT] "
        "of ceilometer.conf")
    yield results.ok("hypervisor_inspector", name)


def libvirt(state: results.State) -> results.Results:
    """libvirt answers, as Ceilometer asks it."""
    state.libvirt, domains = hypervisor.connect(state.conf, state)
    yield results.ok("libvirt", "is reached, instances: %d" % len(domains))


def instances(state: results.State) -> results.Results:
    """Ceilometer's discovery finds the instances that libvirt has."""
    method = state.conf.compute.instance_discovery_method
    try:
        found = len(_discovered(state.conf, method))
    except Exception as e:
        odd = _incomplete(state, fatal=True)
        if odd and method == LIBVIRT_METADATA:
            raise common.CommandError(
                "%s, which ends the discovery of all" % odd[0], _REPAIR) from e
        raise common.CommandError(
            "instance_discovery_method = %s finds none: %s" % (
                method, common.one_line(e)), _ASKS_NOVA
            if method == LIBVIRT_METADATA else _NEEDS_NOVA) from e
    yield from _found(state, method, found)


def _found(state, method, found):
    there = len(state.libvirt.listAllDomains())
    odd = _incomplete(state) if method == LIBVIRT_METADATA else []
    for text in odd:
        yield results.warning("instances", text + ", so it is left out",
                              _REPAIR)
    text = "%d of %d are found by instance_discovery_method = %s" % (
        found, there, method)
    if not there:
        yield results.warning(
            "instances", "there are none, so there is nothing to poll yet",
            "start one, or correct libvirt_uri in [DEFAULT] of "
            "ceilometer.conf")
    elif not found and not odd:
        yield results.error(
            "instances", text,
            _NOT_NOVAS if method == LIBVIRT_METADATA else _NEEDS_NOVA)
    elif found + len(odd) < there and method == LIBVIRT_METADATA:
        yield results.warning(
            "instances", text, "the others were not made by Nova; expect no "
            "graphs of them")
    else:
        yield results.ok("instances", text)


def _incomplete(state, fatal=False):
    """What is wrong with each domain whose metadata of Nova lack something.

    :param fatal: only those with which Ceilometer's discovery ends
    """
    found = []
    for domain in state.libvirt.listAllDomains():
        try:
            text = utils.instance_metadata(domain)
            missing, is_fatal = (None, False) if text is None else _missing(
                text)
        except Exception as e:
            LOG.debug("A domain cannot be read", exc_info=e)
            missing, is_fatal = "metadata that can be read", True
        if missing and (is_fatal or not fatal):
            found.append("the domain %s has no %s" % (
                domain.name(), missing))
    return found


def _missing(text):
    """What Ceilometer reads there and does not find, and whether it ends."""
    tree = etree.fromstring(text)
    for path, attribute in _READ:
        element = tree.find(path)
        if element is None:
            return path[2:] + " in Nova's metadata", False
        if attribute and attribute not in element.attrib:
            return "%s of %s in Nova's metadata" % (
                attribute, path[2:]), True
    return None, False


def _discovered(conf, method):
    found = discovery.InstanceDiscovery(conf)
    if method == LIBVIRT_METADATA:
        return found.discover(None)
    # Its own discovery keeps to itself what went wrong.
    return found.nova_cli.instance_get_all_by_host(conf.host)
