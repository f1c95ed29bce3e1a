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

"""Shared by the commands: the agent's configuration, and errors."""

import argparse
from concurrent import futures
import importlib
import logging
import os
import pwd
import re
import sys
import threading
import types
import typing

from oslo_config import cfg
from oslo_log import log
from oslo_utils import netutils
from stevedore import driver as stevedore_driver

from ceilometer_graphite import opts
from ceilometer_graphite import settings

PROJECT = "ceilometer"
AGENT = "ceilometer-polling"
# What a dashboard can show one of.
ROLES = ("hypervisor", "project", "instance")
SCHEME = "graphite://"
# A log that another user makes would lock the agent out of its own file.
_WITHOUT_LOGS = {"log_config_append": None, "log_file": None,
                 "log_dir": None, "use_syslog": False, "use_journal": False,
                 "publish_errors": False}
_SHOWN_NAMES = 5
_PYTHONS_WORDS = [(re.compile(pattern), words) for pattern, words in (
    (r" from LocationInfo\(.*detail='([^']*)'\)", r" in \1"),
    (r"(?:invalid literal|could not convert string)[^:]*: (.*)",
     r"\1 is not a number"),
    (r"No '[\w.]+' driver found, looking for (.*)", r"there is no driver \1"),
    (r"No ':' or '=' found in assignment: '\\ufeff.*",
     "it begins with a byte order mark; remove it"))]
_FILES = (("pipeline_cfg_file", None), ("cfg_file", "polling"))
_T = typing.TypeVar("_T")


class CommandError(Exception):
    """A command cannot do its work.

    :param problem: what is wrong
    :param hint: what to do; may be empty
    :ivar others: what else is wrong
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.hint = hint
        self.others: list[CommandError] = []


def one_line(error: Exception) -> str:
    """An error on one plain line, without Python's own words."""
    if isinstance(error, UnicodeDecodeError):
        return "line %d is not UTF-8" % (
            error.object[:error.start].count(b"\n") + 1)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return "%s: %s" % (error.filename, error.strerror)
    if isinstance(error, ImportError) and error.name:
        return "the Python module %s is missing" % error.name
    text = " ".join(str(error).split()) or type(error).__name__
    for pattern, words in _PYTHONS_WORDS:
        text = pattern.sub(words, text)
    return text


def some(names: list[str]) -> str:
    """The first names of a list, and the number of the others."""
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (
        " and %d more" % more if more > 0 else "")


def note(text: str) -> None:
    """Print a note to the user on stderr."""
    print("note: " + text, file=sys.stderr)


def library(name: str, option: str) -> types.ModuleType:
    """Import a library of the extra ``[cli]``, which an option needs."""
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise CommandError("%s needs the library %s: pip install "
                           "'ceilometer-graphite[cli]'" % (option, name)
                           ) from e


def load_plugin(namespace: str, name: str, hint: str) -> None:
    """Load an entry point as the agent does, or raise a CommandError."""
    try:
        stevedore_driver.DriverManager(namespace, name)
    except Exception as e:
        raise CommandError("%s of %s cannot be loaded: %s" % (
            name, namespace, one_line(e)), hint) from e


def user_name() -> str:
    """The name of the user that runs this process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "uid %d" % os.geteuid()


def within(seconds: float, call: typing.Callable[[], _T]) -> _T:
    """Call a function that may hang and may block Ctrl-C.

    :returns: what it returns
    :raises TimeoutError: when it does not in time; it goes on in a thread
        that does not keep the process alive
    """
    answer: futures.Future[_T] = futures.Future()

    def ask():
        try:
            answer.set_result(call())
        except Exception as e:
            answer.set_exception(e)

    threading.Thread(target=ask, daemon=True).start()
    if not futures.wait([answer], seconds).done:
        raise TimeoutError("no answer within %g seconds" % seconds)
    return answer.result()


def load_conf(arguments: argparse.Namespace,
              needed: bool = True) -> cfg.ConfigOpts:
    """Load the configuration as the agent does.

    The names of YAML files become paths if such files exist beside it, and
    only there: files in the current folder do not count.

    :param needed: whether it is an error that there is no file
    :raises CommandError: when a file cannot be read or used
    """
    files = [
        *("--config-file=" + path for path in arguments.config_file
          or cfg.find_config_files(PROJECT, AGENT)),
        *("--config-dir=" + path for path in arguments.config_dir
          or cfg.find_config_dirs(PROJECT, AGENT))]
    if needed and not files:
        raise CommandError("there is no ceilometer.conf",
                           "name the agent's with --config-file")
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    for option, value in _WITHOUT_LOGS.items():
        conf.set_override(option, value)
    try:
        _prepare(conf, files)
    finally:
        set_up_logs(arguments.debug)
    opts.register_opts(conf)
    return conf


def default_conf(arguments: argparse.Namespace) -> cfg.ConfigOpts:
    """The configuration of an agent without any file."""
    return load_conf(argparse.Namespace(
        config_file=[os.devnull], config_dir=[], debug=arguments.debug))


def _prepare(conf, files):
    """Read configuration files, and find the YAML files that they name."""
    # Imported here because it takes seconds, which --help need not wait.
    from ceilometer import service
    try:
        service.prepare_service([AGENT, *files], config_files=[], conf=conf)
    except (cfg.Error, OSError, ValueError) as e:
        problem = one_line(e)
        if isinstance(e, UnicodeDecodeError):
            problem = "%s of %s" % (problem, " or ".join(
                name.partition("=")[2] for name in files))
        raise CommandError(
            problem, "the agent does not start with it either; repair "
            "it or its permissions, or name another with --config-file") from e
    for option, group in _FILES:
        path = conf.find_file((conf[group] if group else conf)[option])
        if path:
            conf.set_override(option, os.path.abspath(path), group=group)


def set_up_logs(debug: bool) -> None:
    """Send logs to stderr or nowhere, apart from a command's output."""
    handler = (logging.StreamHandler(sys.stderr) if debug
               else logging.NullHandler())
    handler.setFormatter(
        logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)


def load_settings(conf: cfg.ConfigOpts, url: str) -> settings.Settings:
    """The settings of one of the agent's publishers, or a CommandError."""
    try:
        return settings.load_settings(conf, netutils.urlsplit(url))
    except settings.ConfigError as e:
        raise CommandError(str(e), "correct it in [graphite] of "
                           "ceilometer.conf or in pipeline.yaml") from e
