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

"""The command ``ceilometer-graphite``: its parser, and its errors.

A command is a module. Its run() returns the exit status, or raises a
CommandError. It is imported only to be run, because that takes seconds, for
which --help need not wait.
"""

import argparse
import errno
import importlib
import importlib.metadata
import io
import math
import os
import pathlib
import sys
import traceback
import typing
import warnings

from oslo_config import cfg

from ceilometer_graphite.cli import common

FAILED = 2
INTERRUPTED = 130  # as a shell reports SIGINT
PIPE_CLOSED = 141  # and SIGPIPE
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PROGRAM = "ceilometer-graphite"
FORMATS = ("grafana", "graphite")
SORTS = ("cpu", "memory", "disk", "network", "name")
_EPILOG = """\
ceilometer-graphite COMMAND --help describes a command, with examples.
Exit status: 0; 1 when check has warnings only; 2 for any error.
"""
_CHECK_EPILOG = """\
examples:
  ceilometer-graphite check --user ceilometer
  ceilometer-graphite check --config-file /tmp/new/ceilometer.conf
  ceilometer-graphite check --send --render-url http://graphite.example.com

Each line starts with ok, warning, error or skipped. A hint says what to do.
Exit status: 0, 1 when there are warnings, 2 when there is an error.
"""
_PREVIEW_EPILOG = """\
Without FILE, this process polls the hypervisor twice, as polling.yaml says,
because rates need two polls. It shows the lines of the second poll.

A FILE contains notifications as JSON, one on each line or in one array, or
the output of Ceilometer's publisher file:///PATH?json.

examples:
  ceilometer-graphite preview
  ceilometer-graphite preview --explain cpu
  ceilometer-graphite preview --json /var/lib/ceilometer/samples.jsonl
"""
_TOP_EPILOG = """\
keys:
  c m d n N   sort by cpu, memory, disk, network, name
  r           reverse the order
  /           show only instances with a text in their name, project,
              flavor, state or id; Enter keeps it, Esc removes it
  up, down    scroll
  q           quit

examples:
  ceilometer-graphite top
  ceilometer-graphite top --once --sort memory
  ceilometer-graphite top --once --json | jq '.[] | .cpu_percent'
"""
_DASHBOARDS_EPILOG = """\
examples:
  ceilometer-graphite dashboards --format grafana --output /tmp/dashboards
"""
_SPOOL_EPILOG = """\
A set contains the lines for one set of endpoints. An agent sends sets that
share an endpoint with its own. Other sets wait until you send them.

examples:
  ceilometer-graphite spool
  ceilometer-graphite spool send old_2003 graphite://graphite.example.com:2003
  ceilometer-graphite spool export old_2003 | nc graphite.example.com 2003
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    :param argv: its arguments; by default those of the process
    :returns: its exit status
    """
    argv = sys.argv[1:] if argv is None else argv
    debug = "--debug" in argv
    if isinstance(sys.stdout, io.TextIOWrapper):  # no test has replaced it
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        try:
            return _run(argv, debug)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            _leave_output()
            return PIPE_CLOSED
        except Exception as e:
            return _failed(e, debug)


def _run(argv, debug):
    try:
        common.set_up_logs(debug)
        arguments = make_parser().parse_args(argv)
        command = importlib.import_module(
            "ceilometer_graphite.cli." + arguments.module)
        return command.run(arguments)
    finally:
        sys.stdout.flush()


def _leave_output():
    """Let Python flush once more when it ends, without an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error, debug):
    if debug:
        traceback.print_exception(error)
    problem = common.one_line(error)
    hint = "this should not happen; --debug shows where it did"
    if isinstance(error, common.CommandError):
        hint = error.hint
    elif isinstance(error, cfg.Error):
        hint = "correct it; ceilometer-graphite check shows all of them"
    elif isinstance(error, OSError) and error.errno in _FULL:
        _leave_output()
        problem = "the output cannot be written: " + os.strerror(error.errno)
        hint = "make room there, or write elsewhere"
    else:
        problem = "%s: %s" % (type(error).__name__, problem)
    print("%s: %s" % (PROGRAM, problem), file=sys.stderr)
    if hint:
        print("hint: %s" % hint, file=sys.stderr)
    return FAILED


class Parser(argparse.ArgumentParser):
    """A parser that raises :class:`common.CommandError`.

    :ivar commands: the parsers of the commands, by name
    """

    commands: dict[str, "Parser"]

    def __init__(self, **kwargs) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> typing.NoReturn:
        raise common.CommandError(message, "see %s --help" % self.prog)


class _PrintCompletion(argparse.Action):
    """Prints a completion script for a shell, and exits."""

    def __call__(self, parser, namespace, values, option_string=None):
        shtab = common.library("shtab", "--print-completion")
        paths = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
        for command in parser.commands.values():
            for action in command._actions:
                if action.metavar in paths:
                    action.complete = paths[action.metavar]
        print(shtab.complete(parser, values))
        parser.exit()


def _add_debug(parser, default):
    parser.add_argument(
        "--debug", action="store_true", default=default,
        help="show the log on stderr, and tracebacks of errors")


def make_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM, epilog=_EPILOG,
        description="Shows what Ceilometer's compute agent sends to "
                    "Graphite, and finds\nwhat keeps it from arriving.")
    _add_debug(parser, False)
    parser.add_argument(
        "--version", action="version",
        version="%(prog)s " + importlib.metadata.version(PROGRAM))
    parser.add_argument(
        "--print-completion", choices=("bash", "zsh", "tcsh"),
        action=_PrintCompletion,
        help="print a script that completes commands and options, such as "
             "for /etc/bash_completion.d")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True)
    parser.commands = commands.choices
    for name, module, summary, epilog, add_arguments in _COMMANDS:
        command = commands.add_parser(
            name, help=summary, description=summary + ".", epilog=epilog)
        _add_debug(command, argparse.SUPPRESS)
        command.set_defaults(module=module)
        add_arguments(command.add_argument)
        _add_conf(command)
    return parser


def _add_check(add):
    add("--user", metavar="NAME",
        help="check with the permissions of the agent's user, such as "
             "ceilometer; needs root")
    add("--json", action="store_true",
        help="print a list of objects with name, status, message and hint")
    add("--send", action="store_true",
        help="send one datapoint to each endpoint, to the series "
             "graphite_publisher.ENDPOINT.check")
    add("--render-url", metavar="URL",
        help="with --send: read the datapoint back from graphite-web at "
             "this address")
    add("--timeout", metavar="SECONDS", type=_above_0(float), default=30.0,
        help="with --render-url: how long to wait for the datapoint "
             "(default: %(default)g)")


def _add_preview(add):
    add("file", metavar="FILE", nargs="?",
        help="recorded samples to use instead of the hypervisor's")
    add("--seconds", metavar="N", type=_above_0(float), default=5.0,
        help="seconds between the two polls (default: 5)")
    add("--once", action="store_true", help="poll once, which gives no rates")
    add("--explain", metavar="METER",
        help="explain the paths of a meter instead of showing lines; METER "
             "is a meter of Ceilometer's or a rate or gauge, such as cpu_util")
    add("--json", action="store_true", help="print one JSON object")


def _add_top(add):
    add("--interval", metavar="SECONDS", type=_above_0(float), default=5.0,
        help="seconds between two polls (default: 5)")
    add("--once", action="store_true",
        help="poll twice, because rates need it, print a table and exit")
    add("--json", action="store_true",
        help="with --once, print one array with an object for each "
             "instance; else print one object a line for each interval")
    add("--sort", choices=SORTS, default="cpu",
        help="what to sort by (default: cpu)")
    add("--filter", metavar="TEXT", default="",
        help="show only instances with this text in their name, project, "
             "flavor, state or id")


def _add_spool(add):
    add("action", choices=("list", "send", "export"), nargs="?",
        default="list", help="list all sets (the default), send one, or "
        "print its lines")
    add("set", metavar="SET", nargs="?", help="a set that list shows")
    add("url", metavar="URL", nargs="?",
        help="with send: the receiver, such as graphite://relay:2003")
    add("--spool-dir", metavar="DIR",
        help="use this directory instead of the agent's")
    add("--timeout", metavar="SECONDS", type=_above_0(float), default=60.0,
        help="with send: maximum seconds for a file (default: "
             "%(default)g)")


def _add_dashboards(add):
    add("--format", choices=FORMATS, default="grafana",
        help="the target (default: %(default)s)")
    add("--output", metavar="DIR", type=pathlib.Path,
        help="the directory to write the files to")
    add("--force", action="store_true", help="replace existing files")
    add("--minutes", metavar="N", type=_above_0(int), default=120,
        help="the time range to show at first (default: %(default)s)")
    for role in common.ROLES:
        add("--" + role, metavar="NAME", help="the %s to show%s" % (
            role, ", as the series' names have it; Grafana can show "
            "others, graphite-web cannot" if role == common.ROLES[0] else ""))
    add("--prefix", help="use this prefix instead of the agent's")
    add("--template", help="use this template instead of the agent's")


def _above_0(kind):
    def number(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError("it has to be above 0")
        return value
    return number


def _add_conf(parser):
    """Add the options that name the agent's configuration."""
    group = parser.add_argument_group(
        "the agent's configuration",
        "By default, the files that %s finds, such as\n"
        "/etc/ceilometer/ceilometer.conf." % common.AGENT)
    group.add_argument(
        "--config-file", metavar="FILE", action="append", default=[],
        help="a ceilometer.conf; later ones override earlier ones")
    group.add_argument(
        "--config-dir", metavar="DIR", action="append", default=[],
        help="a directory of *.conf files, which override the files")


_COMMANDS = (
    ("check", "check.command",
     "Find what keeps samples from Graphite, before the agent is restarted",
     _CHECK_EPILOG, _add_check),
    ("preview", "preview",
     "Show the lines that the agent would send, from a poll or a recording",
     _PREVIEW_EPILOG, _add_preview),
    ("top", "top",
     "Show the instances on this hypervisor, live",
     _TOP_EPILOG, _add_top),
    ("dashboards", "dashboards",
     "Write dashboards for Grafana or for graphite-web",
     _DASHBOARDS_EPILOG, _add_dashboards),
    ("spool", "spool",
     "List, send or print the lines that wait on disk",
     _SPOOL_EPILOG, _add_spool),
)
