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

"""Find what keeps samples from Graphite, before the agent is restarted.

It reads the agent's configuration, connects to libvirt, and sends a blank
line to each endpoint. It changes nothing. With ``--send`` it also sends one
datapoint to each endpoint.
"""

import argparse
import collections
import json
import os
import sys

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import agent
from ceilometer_graphite.cli.check import endpoints
from ceilometer_graphite.cli.check import files
from ceilometer_graphite.cli.check import hypervisor
from ceilometer_graphite.cli.check import results as check_results
from ceilometer_graphite.cli.check import settings
from ceilometer_graphite.cli.check import spool

_COLOURS = {"ok": 32, "warning": 33, "error": 31, "skipped": 2}
# All checks, in the order in which they need each other.
_GROUPS = (
    (("user", agent.user),
     ("ceilometer", agent.ceilometer, "python"),
     ("plugin", agent.plugin, "python"),
     ("ceilometer.conf", agent.configuration, "python"),
     ("options", settings.options, "conf"),
     ("telemetry_driver", agent.telemetry_driver, "conf"),
     ("log_dir", agent.logs, "conf"),
     ("cache", agent.cache, "conf"),
     ("notifications", agent.notifications, "conf"),
     ("transport_url", agent.transport, "conf"),
     ("forward_drivers", agent.forward_drivers, "conf"),
     ("host", agent.host, "conf"),
     ("telemetry_secret", agent.secret, "conf"),
     ("threads_to_process_pollsters", agent.threads, "conf")),
    (("hypervisor_inspector", hypervisor.inspector, "conf"),
     ("libvirt", hypervisor.libvirt, "conf"),
     ("instances", hypervisor.instances, "conf", "libvirt")),
    (("polling.yaml", files.polling, "conf"),
     ("meters", files.meters, "conf", "sources"),
     ("cycle", hypervisor.cycle, "polled", "libvirt", "starts"),
     ("pipeline.yaml", files.pipeline, "conf"),
     ("publishers", files.publishers, "pipelines"),
     ("sources", files.taken, "polled", "urls")),
    (("graphite://", settings.load, "urls"),
     ("spool", spool.spools, "publishers"),
     ("endpoints", endpoints.endpoints, "publishers")),
)
_SEND = ("send", endpoints.send, "reached")
_READ = ("read", endpoints.read, "sent")


def groups(arguments: argparse.Namespace) -> list[list[check_results.Check]]:
    """The checks that the arguments ask for, in groups."""
    asked = [*_GROUPS, [_SEND] * bool(arguments.send)
             + [_READ] * bool(arguments.render_url)]
    return [[check_results.Check(name, find, tuple(needs))
             for name, find, *needs in group] for group in asked if group]


def run(arguments: argparse.Namespace) -> int:
    """Check everything.

    :returns: 2 when there is an error, 1 when there are warnings, else 0
    """
    if arguments.render_url and not arguments.send:
        raise common.CommandError("--render-url needs --send",
                                  "add --send, or leave it out")
    if arguments.render_url:
        common.library("requests", "--render-url")
    if arguments.user:
        agent.become(arguments.user)
    state = check_results.State(arguments)
    results = []
    for group in groups(arguments):
        for result in check_results.run(group, state):
            results.append(result)
            if not arguments.json:
                print(_line(result), flush=True)
        if not arguments.json:
            print()
    if arguments.json:
        print(json.dumps([result._asdict() for result in results], indent=2))
    else:
        print(_summary(results))
    return check_results.exit_status(results)


def _line(result):
    text = "%-8s" % result.status
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = "\033[%dm%s\033[0m" % (_COLOURS[result.status], text)
    return "%s %s: %s" % (text, result.name, "; ".join(
        filter(None, (result.message, result.hint))))


def _summary(results):
    counts = collections.Counter(result.status for result in results)
    if counts["error"]:
        advice = "Samples would vanish; correct the errors first."
    elif counts["warning"]:
        advice = "See whether the warnings are intended."
    else:
        advice = "Nothing was found that keeps samples from Graphite."
    return "%s. %s" % (", ".join(
        "%d %s%s" % (counts[status], status, "s" * (
            counts[status] > 1 and status in ("warning", "error")))
        for status in _COLOURS if counts[status]), advice)
