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

"""Every check, in the order in which they need each other."""

from ceilometer_graphite.cmd import check_agent
from ceilometer_graphite.cmd import check_endpoints
from ceilometer_graphite.cmd import check_hypervisor
from ceilometer_graphite.cmd import check_pipeline
from ceilometer_graphite.cmd import check_polling
from ceilometer_graphite.cmd import check_results
from ceilometer_graphite.cmd import check_send
from ceilometer_graphite.cmd import check_settings
from ceilometer_graphite.cmd import check_spool
from ceilometer_graphite.cmd import check_user

_Check = check_results.Check
_AGENT = (
    _Check("user", check_user.user),
    _Check("ceilometer", check_agent.ceilometer, ("python",)),
    _Check("plugin", check_agent.plugin, ("python",)),
    _Check("ceilometer.conf", check_agent.configuration, ("python",)),
    _Check("telemetry_driver", check_agent.telemetry_driver, ("conf",)),
    _Check("notifications", check_agent.notifications, ("conf",)),
    _Check("transport_url", check_agent.transport, ("conf",)),
    _Check("forward_drivers", check_agent.forward_drivers, ("conf",)),
    _Check("host", check_agent.host, ("conf",)),
)
_HYPERVISOR = (
    _Check("hypervisor_inspector", check_hypervisor.inspector, ("conf",)),
    _Check("libvirt", check_hypervisor.libvirt, ("conf",)),
    _Check("machines", check_hypervisor.machines, ("conf", "libvirt")),
)
_FILES = (
    _Check("polling.yaml", check_polling.polling, ("conf",)),
    _Check("meters", check_polling.meters, ("conf", "sources")),
    _Check("pipeline.yaml", check_pipeline.pipeline, ("conf",)),
    _Check("publishers", check_pipeline.publishers, ("pipelines",)),
    _Check("sources", check_pipeline.taken, ("polled", "urls")),
)
_GRAPHITE = (
    _Check("graphite://", check_settings.settings, ("urls",)),
    _Check("spool", check_spool.spools, ("publishers",)),
    _Check("endpoints", check_endpoints.endpoints, ("publishers",)),
)
_SEND = _Check("send", check_send.send, ("reached",))
_READ = _Check("read", check_send.read, ("sent",))


def groups(arguments):
    """The checks that were asked for, those that belong together together.

    :param arguments: send and render_url
    """
    sending = [_SEND] * bool(arguments.send) + [_READ] * bool(
        arguments.render_url)
    return [_AGENT, _HYPERVISOR, _FILES, _GRAPHITE] + (
        [sending] if sending else [])
