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

"""What the commands share: the agent's configuration, and errors."""

from concurrent import futures
import logging
import os
import sys
import threading

from ceilometer import agent
from oslo_config import cfg
from oslo_log import log
from oslo_utils import netutils
import yaml

from ceilometer_graphite import opts
from ceilometer_graphite import settings

PROJECT = "ceilometer"
AGENT = "ceilometer-polling"
SCHEME = "graphite://"
# The agent's log is the agent's: made by another user, it would lock the
# agent out of its own file.
_WITHOUT_LOGS = {"log_config_append": None, "log_file": None,
                 "log_dir": None, "use_syslog": False, "use_journal": False,
                 "publish_errors": False}
_FILES = (("pipeline_cfg_file", None), ("cfg_file", "polling"))


class CommandError(Exception):
    """What keeps a command from its work.

    :param problem: what is wrong
    :param hint: what to do; may be empty
    """

    def __init__(self, problem, hint=""):
        super().__init__(problem)
        self.hint = hint


def one_line(error):
    """The text of an error, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def within(seconds, call):
    """Call what may wait for ever, and not even lets Ctrl-C through.

    :returns: what it returns
    :raises TimeoutError: when it does not in time; it goes on in its thread,
        which the command's end does not wait for
    """
    answer = futures.Future()

    def ask():
        try:
            answer.set_result(call())
        except Exception as e:
            answer.set_exception(e)

    threading.Thread(target=ask, daemon=True).start()
    if not futures.wait([answer], seconds).done:
        raise TimeoutError("no answer within %g seconds" % seconds)
    return answer.result()


def load_conf(arguments, needed=True):
    """The configuration that the agent would have.

    The names of its YAML files are paths, where there are such files beside
    it. Those in the folder that a command is run in are not looked at.

    :param arguments: config_file and config_dir, of
        the command line, and debug
    :param needed: whether it is an error that there is no file
    :returns: a ``ConfigOpts`` of its own, with our options registered
    :raises CommandError: when a file cannot be read or used
    """
    # Here, as it takes seconds, which --help does not have to.
    from ceilometer import service
    options = _conf_options(arguments)
    if needed and not options:
        raise CommandError("there is no ceilometer.conf",
                           "name the agent's with --config-file")
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    for option, value in _WITHOUT_LOGS.items():
        conf.set_override(option, value)
    try:
        service.prepare_service(
            [AGENT, *options], config_files=[], conf=conf)
    except (cfg.Error, OSError, ValueError) as e:
        raise CommandError(
            one_line(e), "the agent does not start with it either; repair "
            "it or its permissions, or name another with --config-file") from e
    finally:
        set_up_logs(arguments.debug)
    opts.register_opts(conf)
    _find_files(conf)
    return conf


def _conf_options(arguments):
    """The agent's options that name what was named, or what it finds."""
    return [
        *("--config-file=" + path for path in arguments.config_file
          or cfg.find_config_files(PROJECT, AGENT)),
        *("--config-dir=" + path for path in arguments.config_dir
          or cfg.find_config_dirs(PROJECT, AGENT))]


def _find_files(conf):
    for option, group in _FILES:
        name = (conf[group] if group else conf)[option]
        path = conf.find_file(name)
        if path:
            conf.set_override(option, os.path.abspath(path), group=group)


def set_up_logs(debug):
    """Keep logs apart from what a command prints: on stderr, or nowhere."""
    handler = (logging.StreamHandler(sys.stderr) if debug
               else logging.NullHandler())
    handler.setFormatter(
        logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)


def file_problem(error):
    """What is wrong with a YAML file of Ceilometer's, on one line.

    :param error: what reading it raised
    """
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return "line %d is not YAML: %s" % (
            error.problem_mark.line + 1, error.problem)
    if isinstance(error, (yaml.YAMLError, UnicodeDecodeError)):
        return "is not YAML: " + one_line(error)
    if isinstance(error, OSError):
        return "cannot be read: " + (error.strerror or one_line(error))
    if isinstance(error, agent.ConfigException):
        return one_line(error.msg)
    return "is not what Ceilometer expects: %s: %s" % (
        type(error).__name__, one_line(error))


def load_pipeline(conf):
    """What ``pipeline.yaml`` holds, and its path.

    :raises CommandError: when there is none that can be read
    """
    path = conf.pipeline_cfg_file
    if not os.path.isabs(path):
        raise CommandError(
            "there is no %s beside ceilometer.conf" % path,
            "copy share/ceilometer-graphite/pipeline.yaml there, and name "
            "your Graphite in it")
    try:
        return agent.ConfigManagerBase(conf).load_config(path), path
    except Exception as e:
        raise _unusable(path, e) from e


def graphite_urls(conf):
    """The graphite:// URLs of the agent's ``pipeline.yaml``, in its order.

    :raises CommandError: when there is no such file, or none in it
    """
    found, path = load_pipeline(conf)
    try:
        urls = [url for sink in found["sinks"] for url in sink["publishers"]
                if url.startswith(SCHEME)]
    except Exception as e:
        raise _unusable(path, e) from e
    if not urls:
        raise CommandError(
            "%s has no graphite:// publisher" % path,
            "add one, such as graphite://graphite.example.com:2003")
    return list(dict.fromkeys(urls))


def _unusable(path, error):
    return CommandError("%s: %s" % (path, file_problem(error)),
                        "repair it; ceilometer-graphite check tells more")


def load_settings(conf, url=None):
    """What one publisher of the agent does.

    :param url: its URL; by default the first of ``pipeline.yaml``
    :returns: :class:`ceilometer_graphite.settings.Settings`
    :raises CommandError: names the option, its value and what is allowed
    """
    url = url or graphite_urls(conf)[0]
    try:
        return settings.load_settings(conf, netutils.urlsplit(url))
    except settings.ConfigError as e:
        raise CommandError(str(e), "correct it in [graphite] of "
                           "ceilometer.conf or in pipeline.yaml") from e
