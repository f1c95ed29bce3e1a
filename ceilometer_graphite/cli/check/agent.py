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

"""Whether the agent runs the pipeline itself, with this plugin."""

import importlib.metadata
import os
import shutil
import sys

from ceilometer import messaging
from stevedore import driver as stevedore_driver

from ceilometer_graphite import driver
from ceilometer_graphite import opts
from ceilometer_graphite import sanitize
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results
from ceilometer_graphite.cli.check import user

OLDEST_CEILOMETER = 17
PUBLISHERS = "ceilometer.sample.publisher"
_PLUGIN = ((driver.NAMESPACE, driver.NAME), (PUBLISHERS, "graphite"))
_INSTALL = ("install ceilometer-graphite into the Python that runs %s"
            % common.AGENT)


def configuration(state):
    """ceilometer.conf can be read."""
    try:
        state.conf = common.load_conf(state.arguments)
    except common.CommandError as e:
        yield results.error("ceilometer.conf", str(e), e.hint)
    else:
        yield results.ok("ceilometer.conf", ", ".join(map(
            os.path.abspath, [*state.conf.config_file,
                              *state.conf.config_dir])))


def ceilometer(state):
    """Ceilometer's release is known, and is the one that the agent is."""
    version = importlib.metadata.version("ceilometer")
    interpreter = _agents_interpreter()
    if int(version.partition(".")[0]) < OLDEST_CEILOMETER:
        yield results.warning(
            "ceilometer", "%s is older than any that this was run with"
            % version, "upgrade to %d.0.0 or newer" % OLDEST_CEILOMETER)
    elif interpreter and _folder(interpreter) != _folder(sys.executable):
        yield results.warning(
            "ceilometer", "%s runs in %s, and this command in %s" % (
                shutil.which(common.AGENT), interpreter, sys.executable),
            _INSTALL + ", and run the command from there")
    else:
        yield results.ok("ceilometer", version)


def _agents_interpreter():
    """The Python of the agent that PATH has, as far as one can see."""
    try:
        with open(shutil.which(common.AGENT) or "", "rb") as script:
            first = script.readline(256).decode(errors="replace")
    except OSError:
        return None
    name = first[2:].strip() if first.startswith("#!") else ""
    return name if "python" in os.path.basename(name) else None


def _folder(interpreter):
    return os.path.realpath(os.path.dirname(interpreter))


def plugin(state):
    """The agent finds the plugin, and its user may read it."""
    for namespace, name in _PLUGIN:
        try:
            stevedore_driver.DriverManager(namespace, name)
        except Exception as e:
            yield results.error(
                "plugin", "%s of %s cannot be loaded: %s" % (
                    name, namespace, common.one_line(e)), _INSTALL)
            return
    folder = os.path.dirname(driver.__file__)
    unreadable = [path for path in _below(folder)
                  if not os.access(path, os.R_OK)]
    if unreadable:
        yield results.error(
            "plugin", "%s may not read %s" % (
                user.current(), unreadable[0]),
            "chmod -R a+rX %s" % folder)
    else:
        yield results.ok("plugin", "%s is installed in %s" % (
            "ceilometer-graphite", os.path.dirname(folder)))


def _below(folder):
    yield folder
    for path, folders, files in os.walk(folder):
        yield from (os.path.join(path, name) for name in folders + files)


def telemetry_driver(state):
    """The agent runs the pipeline itself."""
    found = state.conf.publisher_notifier.telemetry_driver
    if found == driver.NAME:
        yield results.ok("telemetry_driver", found)
    else:
        yield results.error(
            "telemetry_driver", "is %s, so samples leave the agent for the "
            "message bus, and it runs no pipeline" % (found or "not set"),
            "set telemetry_driver = %s in [publisher_notifier] of "
            "ceilometer.conf" % driver.NAME)


def notifications(state):
    """The agent gives its samples to the driver at all."""
    # Not every release has this option.
    if getattr(state.conf.polling, "enable_notifications", True):
        yield results.ok("notifications", "are on")
    else:
        yield results.error(
            "notifications", "are off, so no sample reaches the driver",
            "set enable_notifications = true in [polling] of "
            "ceilometer.conf")


def transport(state):
    """The agent ends at its start when it does not understand this URL."""
    try:
        messaging.get_transport(state.conf, cache=False).cleanup()
    except Exception as e:
        yield results.error(
            "transport_url", "the agent cannot start with it: "
            + common.one_line(e), "correct or remove transport_url in "
            "[DEFAULT] of ceilometer.conf; nothing is sent there")
    else:
        yield results.ok("transport_url", "is understood")


def forward_drivers(state):
    """Those that get the samples too can be loaded."""
    names = state.conf[opts.PIPELINE_GROUP].forward_drivers
    for name in names:
        problem = _not_loadable(name)
        if problem:
            yield results.error(
                "forward_drivers", "%s %s" % (name, problem),
                "name drivers of oslo.messaging, such as messagingv2, in "
                "[%s] forward_drivers" % opts.PIPELINE_GROUP)
        else:
            yield results.ok("forward_drivers", name)
    if not names:
        yield results.ok("forward_drivers", "none are set")


def _not_loadable(name):
    if name == driver.NAME:
        return "would forward to itself"
    try:
        stevedore_driver.DriverManager(driver.NAMESPACE, name)
    except Exception as e:
        return "cannot be loaded: " + common.one_line(e)
    return None


def host(state):
    """The name of the node tells it from the others."""
    name = state.conf.host
    if sanitize.short_host(name) in ("localhost", sanitize.MISSING):
        yield results.warning(
            "host", "is %r, under which every node that has no other name "
            "writes the same series" % name,
            "set host in [DEFAULT] of ceilometer.conf as Nova has it")
    else:
        yield results.ok("host", name)
