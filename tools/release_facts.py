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


"""Prints facts about the installed Ceilometer as JSON, for tools.matrix."""

import importlib
import importlib.metadata
import importlib.util
import json
import sys

from oslo_config import cfg

from lab import agent

NAMESPACE = "ceilometer.poll.compute"
# Groups of options for a compute agent.
GROUPS = ("compute", "polling")
NEVER, FOR_METADATA, ALWAYS = "never", "for metadata", "always"


def pollsters():
    """Return the meters for which the compute agent has pollsters."""
    return sorted(point.name for point in importlib.metadata.entry_points(
        group=NAMESPACE))


def options():
    """Return the options of a compute agent, with their groups."""
    found = importlib.import_module("ceilometer.opts").list_opts()
    return sorted({"[%s] %s" % (group, option.dest)
                   for group, listed in found if group in GROUPS
                   for option in listed})


def asks_nova():
    """Return when libvirt_metadata finds no instance without Nova."""
    service = importlib.import_module("ceilometer.service")
    conf = service.prepare_service(
        ["facts"], config_files=[], conf=cfg.ConfigOpts())
    conf.set_override("instance_discovery_method", "libvirt_metadata",
                      group="compute")
    if _finds_instances(conf):
        return NEVER
    if "fetch_extra_metadata" in conf.compute:
        conf.set_override("fetch_extra_metadata", False, group="compute")
        if _finds_instances(conf):
            return FOR_METADATA
    return ALWAYS


def _finds_instances(conf):
    discovery = importlib.import_module("ceilometer.compute.discovery")
    try:
        return bool(discovery.InstanceDiscovery(conf).discover(None))
    except Exception:
        return False


def _imports(module, name):
    """Whether a module exists and has imported a name."""
    return (importlib.util.find_spec(module) is not None
            and hasattr(importlib.import_module(module), name))


def facts():
    """Return all facts as a dict for JSON."""
    # The simulated hypervisor replaces libvirt's module.
    sys.path.insert(0, str(agent.SIMULATOR))
    return {
        "version": importlib.metadata.version("ceilometer"),
        "meters": pollsters(), "options": options(),
        "asks_nova": asks_nova(),
        # Without these modules it does not start.
        "pkg_resources": _imports("ceilometer.agent", "pkg_resources"),
        "md5": _imports("ceilometer.cache_utils", "md5")}


if __name__ == "__main__":
    print(json.dumps(facts()))
