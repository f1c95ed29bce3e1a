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

"""Whether the agent finds the machines on this node."""

from ceilometer.compute import discovery

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import hypervisor
from ceilometer_graphite.cli.check import results

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


def inspector(state: results.State) -> results.Results:
    """The hypervisor's inspector can be loaded."""
    name = state.conf.hypervisor_inspector
    common.load_plugin(
        INSPECTORS, name, "set hypervisor_inspector = libvirt in [DEFAULT] "
        "of ceilometer.conf")
    yield results.ok("hypervisor_inspector", name)


def libvirt(state: results.State) -> results.Results:
    """libvirt answers, as Ceilometer asks it."""
    state.libvirt, domains = hypervisor.connect(state.conf, state)
    yield results.ok("libvirt", "is reached, machines: %d" % len(domains))


def machines(state: results.State) -> results.Results:
    """Ceilometer's discovery finds the machines that libvirt has."""
    method = state.conf.compute.instance_discovery_method
    try:
        found = len(_discovered(state.conf, method))
    except Exception as e:
        raise common.CommandError(
            "instance_discovery_method = %s finds none: %s" % (
                method, common.one_line(e)), _ASKS_NOVA
            if method == LIBVIRT_METADATA else _NEEDS_NOVA) from e
    there = len(state.libvirt.listAllDomains())
    text = "%d of %d are found by instance_discovery_method = %s" % (
        found, there, method)
    if not there:
        yield results.warning(
            "machines", "there are none, so there is nothing to poll yet",
            "start one, or correct libvirt_uri in [DEFAULT] of "
            "ceilometer.conf")
    elif not found:
        yield results.error(
            "machines", text,
            _NOT_NOVAS if method == LIBVIRT_METADATA else _NEEDS_NOVA)
    elif found < there and method == LIBVIRT_METADATA:
        yield results.warning(
            "machines", text, "the others were not made by Nova; expect no "
            "graphs of them")
    else:
        yield results.ok("machines", text)


def _discovered(conf, method):
    found = discovery.InstanceDiscovery(conf)
    if method == LIBVIRT_METADATA:
        return found.discover(None)
    # Its own discovery keeps to itself what went wrong.
    return found.nova_cli.instance_get_all_by_host(conf.host)
