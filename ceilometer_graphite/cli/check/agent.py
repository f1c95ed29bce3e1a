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
import pwd
import shutil
import sys

from ceilometer import messaging

from ceilometer_graphite import driver
from ceilometer_graphite import opts
from ceilometer_graphite import sanitize
from ceilometer_graphite.cli import common
from ceilometer_graphite.cli.check import results

LOG = logging.getLogger(__name__)
AGENT_USER = "ceilometer"
OLDEST_CEILOMETER = 17
PUBLISHERS = "ceilometer.sample.publisher"
_INSTALL = ("install ceilometer-graphite into the Python that runs %s"
            % common.AGENT)


def become(name: str) -> None:
    """Become another user for good, so that all checks have its permissions.

    :raises common.CommandError: when there is no such user, or this one may
        not become it
    """
    entry = _find(name)
    if entry is None:
        raise common.CommandError(
            "there is no user %s" % name,
            "--user takes the name of the user that the agent runs as")
    if entry.pw_uid == os.geteuid():
        return
    try:
        os.initgroups(name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except PermissionError:
        raise common.CommandError(
            "only root can check as %s" % name,
            "run it with sudo, or as that user without --user") from None
    os.environ.update(HOME=entry.pw_dir, USER=name, LOGNAME=name)


def _find(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def user(state: results.State) -> results.Results:
    """Check who runs this, and whether that user may read Python."""
    state.python = os.access(os.__file__, os.R_OK)
    if not state.python:
        raise common.CommandError(
            "%s may not read the Python of this command, %s" % (
                common.user_name(), os.path.dirname(os.__file__)),
            "install Ceilometer and ceilometer-graphite where the agent's "
            "user may read them")
    if (os.geteuid() == 0 and not state.arguments.user
            and _find(AGENT_USER)):
        yield opts.Problem(
            "checked as root, who may do what the agent's user may not",
            "add --user " + AGENT_USER)
    else:
        yield "checked as " + common.user_name()


def ceilometer(state: results.State) -> results.Results:
    """Check Ceilometer's release, and that the agent has the same one."""
    version = importlib.metadata.version("ceilometer")
    interpreter = _agents_interpreter()
    if int(version.partition(".")[0]) < OLDEST_CEILOMETER:
        yield opts.Problem(
            "%s is older than any that was tested" % version,
            "upgrade to %d.0.0 or newer" % OLDEST_CEILOMETER)
    elif interpreter and _folder(interpreter) != _folder(sys.executable):
        yield opts.Problem(
            "%s runs in %s, and this command in %s" % (
                shutil.which(common.AGENT), interpreter, sys.executable),
            _INSTALL + ", and run the command from there")
    else:
        yield version


def _agents_interpreter():
    """The Python of the agent on PATH; None where that is not known."""
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
    """Check that the agent finds the plugin, and that its user may read it."""
    common.load_plugin(driver.NAMESPACE, driver.NAME, _INSTALL)
    common.load_plugin(PUBLISHERS, "graphite", _INSTALL)
    folder = os.path.dirname(driver.__file__)
    for path, folders, files in os.walk(folder):
        for name in (path, *folders, *files):
            if not os.access(os.path.join(path, name), os.R_OK):
                raise common.CommandError(
                    "%s may not read %s" % (
                        common.user_name(), os.path.join(path, name)),
                    "chmod -R a+rX %s" % folder)
    yield "ceilometer-graphite is installed in " + os.path.dirname(folder)


def configuration(state: results.State) -> results.Results:
    """Check that ceilometer.conf can be read."""
    state.conf = common.load_conf(state.arguments)
    yield ", ".join(map(os.path.abspath, [
        *state.conf.config_file, *state.conf.config_dir]))


def telemetry_driver(state: results.State) -> results.Results:
    """Check that the agent runs the pipeline itself."""
    found = state.conf.publisher_notifier.telemetry_driver
    if found != driver.NAME:
        points = importlib.metadata.entry_points(
            group=driver.NAMESPACE, name=found or "")
        raise common.CommandError(
            "is %s, %s" % (found or "not set", (
                "so samples leave the agent for the message bus, and it runs "
                "no pipeline") if points else
                "which no package provides, so nothing is sent at all"),
            "set telemetry_driver = %s in [publisher_notifier] of "
            "ceilometer.conf" % driver.NAME)
    yield found


def logs(state: results.State) -> results.Results:
    """Check the agent's log, without which it does not start."""
    texts = opts.written(state.conf).get("DEFAULT", {})
    setup, folder, name = (
        texts.get(option, texts.get(old, "")) for option, old in (
            ("log_config_append", "log_config"), ("log_dir", "logdir"),
            ("log_file", "logfile")))
    if not (setup or folder or name):
        yield "is not set"
        return
    path = setup or os.path.abspath(
        os.path.join(folder, name or common.AGENT + ".log"))
    folder, user_name = os.path.dirname(path), common.user_name()
    hint = "install -d -o %s %s, or correct log_dir" % (
        state.arguments.user or AGENT_USER, folder)
    if setup and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        problem = "log_config_append = %s is no file that %s may read" % (
            path, user_name)
        hint = "correct or remove log_config_append"
    elif setup or os.path.isdir(folder) and os.access(
            path if os.path.exists(path) else folder, os.W_OK):
        yield path + " can be used"
        return
    elif os.path.isdir(folder):
        problem = "%s may not write %s" % (user_name, path)
    elif os.path.exists(folder):
        problem, hint = "%s is no folder" % folder, "correct log_dir"
    else:
        problem = "there is no folder %s" % folder
    raise common.CommandError(problem + ", and the agent does not start",
                              hint + " in [DEFAULT] of ceilometer.conf")


def cache(state: results.State) -> results.Results:
    """Check the cache, without which the agent does not start."""
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
            "the backend %s cannot be loaded, and the agent does not start"
            % opts.written(state.conf).get("cache", {}).get("backend"),
            "install its library into the Python of the agent, or set "
            "enabled = false in [cache] of ceilometer.conf")
    yield "can be loaded"


def notifications(state: results.State) -> results.Results:
    """Check that the agent passes its samples to the driver at all."""
    # Not every release has this option.
    if not getattr(state.conf.polling, "enable_notifications", True):
        raise common.CommandError(
            "are off, so no sample reaches the driver",
            "set enable_notifications = true in [polling] of "
            "ceilometer.conf")
    yield "are on"


def transport(state: results.State) -> results.Results:
    """Check transport_url; with a bad one the agent does not start."""
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
    yield "can be used"


def forward_drivers(state: results.State) -> results.Results:
    """Check that the drivers that also get the samples can be loaded."""
    names = state.conf[opts.PIPELINE_GROUP].forward_drivers
    hint = ("name drivers of oslo.messaging, such as messagingv2, in [%s] "
            "forward_drivers" % opts.PIPELINE_GROUP)
    for name in names:
        if name == driver.NAME:
            yield common.CommandError(
                "%s would forward to itself" % name, hint)
            continue
        try:
            common.load_plugin(driver.NAMESPACE, name, hint)
            yield name
        except common.CommandError as e:
            yield e
    if not names:
        yield "none are set"


def host(state: results.State) -> results.Results:
    """Check that this node has a name of its own."""
    name = state.conf.host
    if sanitize.short_host(name) in ("localhost", sanitize.MISSING):
        yield opts.Problem(
            "is %r, so all nodes of that name write the same series" % name,
            "set host in [DEFAULT] of ceilometer.conf as Nova has it")
    else:
        yield name


def secret(state: results.State) -> results.Results:
    """Check that nothing is signed that nobody verifies."""
    if (state.conf.publisher.telemetry_secret
            and not state.conf[opts.PIPELINE_GROUP].forward_drivers):
        yield opts.Problem(
            "signs each sample, which about doubles the agent's CPU, although "
            "none leaves the agent", "set telemetry_secret = (nothing) in "
            "[publisher] of ceilometer.conf")
    else:
        yield "signs nothing needlessly"


def threads(state: results.State) -> results.Results:
    """Check that pollsters run one after the other."""
    # Not every release has this option.
    count = getattr(state.conf.polling, "threads_to_process_pollsters", 1)
    if count > 1:
        yield opts.Problem(
            "is %d, which makes polling 35 to 70 %% dearer and no faster"
            % count, "set threads_to_process_pollsters = 1 in [polling] of "
            "ceilometer.conf")
    else:
        yield "is %d" % count
