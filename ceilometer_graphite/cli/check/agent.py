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

import importlib
import importlib.metadata
import logging
import os
import shutil
import sys

from ceilometer import messaging

from ceilometer_graphite import driver
from ceilometer_graphite import opts
from ceilometer_graphite import sanitize
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

LOG = logging.getLogger(__name__)
OLDEST_CEILOMETER = 17
PUBLISHERS = "ceilometer.sample.publisher"
_INSTALL = ("install ceilometer-graphite into the Python that runs %s"
            % common.AGENT)
_MAKE_FOLDER = ("install -d -o %s %s, or correct log_dir in [DEFAULT] of "
                "ceilometer.conf")


def configuration(state: results.State) -> results.Results:
    """ceilometer.conf can be read."""
    state.conf = common.load_conf(state.arguments)
    yield results.ok("ceilometer.conf", ", ".join(map(
        os.path.abspath, [*state.conf.config_file, *state.conf.config_dir])))


def ceilometer(state: results.State) -> results.Results:
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


def plugin(state: results.State) -> results.Results:
    """The agent finds the plugin, and its user may read it."""
    common.load_plugin(driver.NAMESPACE, driver.NAME, _INSTALL)
    common.load_plugin(PUBLISHERS, "graphite", _INSTALL)
    folder = os.path.dirname(driver.__file__)
    unreadable = [path for path in _below(folder)
                  if not os.access(path, os.R_OK)]
    if unreadable:
        raise common.CommandError(
            "%s may not read %s" % (common.user_name(), unreadable[0]),
            "chmod -R a+rX %s" % folder)
    yield results.ok("plugin", "ceilometer-graphite is installed in %s"
                     % os.path.dirname(folder))


def _below(folder):
    yield folder
    for path, folders, files in os.walk(folder):
        yield from (os.path.join(path, name) for name in folders + files)


def telemetry_driver(state: results.State) -> results.Results:
    """The agent runs the pipeline itself."""
    found = state.conf.publisher_notifier.telemetry_driver
    if found != driver.NAME:
        points = importlib.metadata.entry_points(
            group=driver.NAMESPACE, name=found or "")
        raise common.CommandError(
            "is %s, %s" % (found or "not set", (
                "so samples leave the agent for the message bus, and it runs "
                "no pipeline") if points else
                "which no package has, so nothing is sent at all"),
            "set telemetry_driver = %s in [publisher_notifier] of "
            "ceilometer.conf" % driver.NAME)
    yield results.ok("telemetry_driver", found)


def logs(state: results.State) -> results.Results:
    """The agent ends at its start when it cannot write its log."""
    texts = opts.written(state.conf).get("DEFAULT", {})
    setup = texts.get("log_config_append", texts.get("log_config", ""))
    folder = texts.get("log_dir", texts.get("logdir", ""))
    name = texts.get("log_file", texts.get("logfile", ""))
    path = os.path.join(folder, name or common.AGENT + ".log")
    folder = os.path.dirname(os.path.abspath(path))
    problem, hint = "", "correct log_dir in [DEFAULT] of ceilometer.conf"
    if setup:
        path, hint = setup, "correct or remove log_config_append in " \
            "[DEFAULT] of ceilometer.conf"
        if not os.access(setup, os.R_OK) or os.path.isdir(setup):
            problem = "log_config_append = %s is no file that %s may read" % (
                setup, common.user_name())
    elif not texts.get("log_dir", texts.get("logdir", name)):
        path = ""
    elif os.path.exists(folder) and not os.path.isdir(folder):
        problem = "%s is no folder" % folder
    elif not os.path.isdir(folder):
        problem = "there is no folder %s" % folder
        hint = _MAKE_FOLDER % (state.arguments.user or "ceilometer", folder)
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        problem = "%s may not write %s" % (common.user_name(), path)
        hint = _MAKE_FOLDER % (state.arguments.user or "ceilometer", folder)
    if problem:
        raise common.CommandError(
            problem + ", and the agent ends at its start", hint)
    yield results.ok("log_dir", path + " can be used" if path
                     else "is not set")


def cache(state: results.State) -> results.Results:
    """The agent ends at its start when it cannot load its cache."""
    try:
        # Not every release has it.
        module = importlib.import_module("ceilometer.cache_utils")
    except ImportError:
        module = None
    try:
        found = module is None or module.get_client(state.conf)
    except Exception as e:
        LOG.debug("The cache failed", exc_info=e)
        found = None
    if not found:
        state.starts = False
        raise common.CommandError(
            "the backend %s cannot be loaded, and the agent ends at its start"
            % opts.written(state.conf).get("cache", {}).get("backend"),
            "install its library into the Python of the agent, or set "
            "enabled = false in [cache] of ceilometer.conf")
    yield results.ok("cache", "can be loaded")


def notifications(state: results.State) -> results.Results:
    """The agent gives its samples to the driver at all."""
    # Not every release has this option.
    if not getattr(state.conf.polling, "enable_notifications", True):
        raise common.CommandError(
            "are off, so no sample reaches the driver",
            "set enable_notifications = true in [polling] of "
            "ceilometer.conf")
    yield results.ok("notifications", "are on")


def transport(state: results.State) -> results.Results:
    """The agent ends at its start when it does not understand this URL."""
    try:
        messaging.get_transport(state.conf, cache=False).cleanup()
    except Exception as e:
        LOG.debug("transport_url", exc_info=e)
        raise common.CommandError(
            "the agent cannot start with this %s:// URL" % opts.written(
                state.conf).get("DEFAULT", {}).get(
                    "transport_url", "").partition("://")[0],
            "correct or remove transport_url in [DEFAULT] of "
            "ceilometer.conf; nothing is sent there") from e
    yield results.ok("transport_url", "is understood")


def forward_drivers(state: results.State) -> results.Results:
    """Those that get the samples too can be loaded."""
    names = state.conf[opts.PIPELINE_GROUP].forward_drivers
    hint = ("name drivers of oslo.messaging, such as messagingv2, in [%s] "
            "forward_drivers" % opts.PIPELINE_GROUP)
    for name in names:
        try:
            if name == driver.NAME:
                raise common.CommandError(
                    "%s would forward to itself" % name, hint)
            common.load_plugin(driver.NAMESPACE, name, hint)
        except common.CommandError as e:
            yield results.error("forward_drivers", str(e), e.hint)
        else:
            yield results.ok("forward_drivers", name)
    if not names:
        yield results.ok("forward_drivers", "none are set")


def host(state: results.State) -> results.Results:
    """The name of the node tells it from the others."""
    name = state.conf.host
    if sanitize.short_host(name) in ("localhost", sanitize.MISSING):
        yield results.warning(
            "host", "is %r, under which every node that has no other name "
            "writes the same series" % name,
            "set host in [DEFAULT] of ceilometer.conf as Nova has it")
    else:
        yield results.ok("host", name)
