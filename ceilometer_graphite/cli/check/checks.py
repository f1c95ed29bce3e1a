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

from ceilometer_graphite.cli.check import agent
from ceilometer_graphite.cli.check import endpoints
from ceilometer_graphite.cli.check import hypervisor
from ceilometer_graphite.cli.check import pipeline
from ceilometer_graphite.cli.check import polling
from ceilometer_graphite.cli.check import results
from ceilometer_graphite.cli.check import send
from ceilometer_graphite.cli.check import settings
from ceilometer_graphite.cli.check import spool
from ceilometer_graphite.cli.check import user

_Check = results.Check
_AGENT = (
    _Check("user", user.user),
    _Check("ceilometer", agent.ceilometer, ("python",)),
    _Check("plugin", agent.plugin, ("python",)),
    _Check("ceilometer.conf", agent.configuration, ("python",)),
    _Check("options", settings.options, ("conf",)),
    _Check("telemetry_driver", agent.telemetry_driver, ("conf",)),
    _Check("notifications", agent.notifications, ("conf",)),
    _Check("transport_url", agent.transport, ("conf",)),
    _Check("forward_drivers", agent.forward_drivers, ("conf",)),
    _Check("host", agent.host, ("conf",)),
)
_HYPERVISOR = (
    _Check("hypervisor_inspector", hypervisor.inspector, ("conf",)),
    _Check("libvirt", hypervisor.libvirt, ("conf",)),
    _Check("machines", hypervisor.machines, ("conf", "libvirt")),
)
_FILES = (
    _Check("polling.yaml", polling.polling, ("conf",)),
    _Check("meters", polling.meters, ("conf", "sources")),
    _Check("pipeline.yaml", pipeline.pipeline, ("conf",)),
    _Check("publishers", pipeline.publishers, ("pipelines",)),
    _Check("sources", pipeline.taken, ("polled", "urls")),
)
_GRAPHITE = (
    _Check("graphite://", settings.load, ("urls",)),
    _Check("spool", spool.spools, ("publishers",)),
    _Check("endpoints", endpoints.endpoints, ("publishers",)),
)
_SEND = _Check("send", send.send, ("reached",))
_READ = _Check("read", send.read, ("sent",))


def groups(arguments):
    """The checks that were asked for, those that belong together together.

    :param arguments: send and render_url
    """
    sending = [_SEND] * bool(arguments.send) + [_READ] * bool(
        arguments.render_url)
    return [_AGENT, _HYPERVISOR, _FILES, _GRAPHITE] + (
        [sending] if sending else [])
