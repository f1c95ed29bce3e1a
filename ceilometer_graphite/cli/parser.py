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

"""The command line: what can be asked of each command.

It imports nothing of the commands, which take seconds for what they import of
Ceilometer, and --help need not.
"""

import argparse
import importlib.metadata
import math
import pathlib
import typing

from ceilometer_graphite.cli import common

PROGRAM = "ceilometer-graphite"
FORMATS = ("grafana", "graphite")
ROLES = ("hypervisor", "project", "instance")
SORTS = ("cpu", "memory", "disk", "network", "name")
_EPILOG = """\
ceilometer-graphite COMMAND --help tells more of a command, with examples.
Exit status: 0; 1 when check has warnings only; 2 for any error.
"""
_CHECK_EPILOG = """\
examples:
  ceilometer-graphite check --user ceilometer
  ceilometer-graphite check --config-file /tmp/new/ceilometer.conf
  ceilometer-graphite check --send --render-url http://graphite.example.com

Each line begins with ok, warning, error or skipped, and ends in what to do.
Exit status: 0, 1 when there are warnings, 2 when there is an error.
"""
_PREVIEW_EPILOG = """\
Without FILE the hypervisor is polled twice, as rates need, in this process
and as polling.yaml says; shown is what would be sent of the second poll.

A FILE holds notifications as JSON, one a line or in one array, or what
Ceilometer's publisher file:///PATH?json wrote.

examples:
  ceilometer-graphite preview
  ceilometer-graphite preview --explain cpu
  ceilometer-graphite preview --json /var/lib/ceilometer/samples.jsonl
"""
_TOP_EPILOG = """\
keys:
  c m d n N   sort by cpu, memory, disk, network, name
  r           the other way round
  /           show those only that have a text in their name, project,
              flavor, state or id; Enter ends it, Esc takes it away
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
A set has the lines for one set of endpoints. An agent sends those of sets that
share an endpoint with its own; others wait until you send them.

examples:
  ceilometer-graphite spool
  ceilometer-graphite spool send old_2003 graphite://graphite.example.com:2003
  ceilometer-graphite spool export old_2003 | nc graphite.example.com 2003
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are those of commands.

    :ivar commands: the parsers of the commands, by their names
    """

    commands: dict[str, "Parser"]

    def __init__(self, **kwargs) -> None:
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message: str) -> typing.NoReturn:
        raise common.CommandError(message, "see %s --help" % self.prog)


class _PrintCompletion(argparse.Action):
    """Prints a script for a shell, and ends."""

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
        help="show the log on stderr, and of an error the traceback")


def make_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM, epilog=_EPILOG,
        description="Looks at what Ceilometer's compute agent sends to "
                    "Graphite, and at\nwhat keeps it from it.")
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
        help="check with the permissions of this user, which has to be the "
             "agent's, such as ceilometer; needs root")
    add("--json", action="store_true",
        help="print a list of objects with name, status, message and hint")
    add("--send", action="store_true",
        help="send one datapoint to each endpoint, to the series "
             "graphite_publisher.ENDPOINT.check")
    add("--render-url", metavar="URL",
        help="with --send: read it back from the graphite-web at this "
             "address")
    add("--timeout", metavar="SECONDS", type=float, default=30.0,
        help="how long to wait for what is read back (default: %(default)g)")


def _add_preview(add):
    add("file", metavar="FILE", nargs="?",
        help="recorded samples, instead of the hypervisor's")
    add("--seconds", metavar="N", type=_above_0(float), default=5.0,
        help="how far apart the two polls are (default: 5)")
    add("--once", action="store_true", help="poll once, which gives no rates")
    add("--explain", metavar="METER",
        help="show how the paths of a meter are made, and no lines; METER "
             "is one of Ceilometer's, or what is made of it, as cpu_util is")
    add("--json", action="store_true", help="print one JSON object")


def _add_top(add):
    add("--interval", metavar="SECONDS", type=_above_0(float), default=5.0,
        help="how far apart two polls are (default: 5)")
    add("--once", action="store_true",
        help="poll twice, as rates need, print a table and end")
    add("--json", action="store_true",
        help="with --once print one array of objects, one a machine, and "
             "without it a line with one object for each interval")
    add("--sort", choices=SORTS, default="cpu",
        help="what to sort by (default: cpu)")
    add("--filter", metavar="TEXT", default="",
        help="show those machines only that have it in their name, project, "
             "flavor, state or id")


def _add_spool(add):
    add("action", choices=("list", "send", "export"), nargs="?",
        default="list", help="list all sets (the default), send one, or "
        "print its lines")
    add("set", metavar="SET", nargs="?", help="one that list shows")
    add("url", metavar="URL", nargs="?",
        help="with send: where to, such as graphite://relay:2003")
    add("--spool-dir", metavar="DIR", help="in place of the agent's")
    add("--timeout", metavar="SECONDS", type=_above_0(float), default=60.0,
        help="with send: how long a file may take (default: %(default)g)")


def _add_dashboards(add):
    add("--format", choices=FORMATS, default="grafana",
        help="what they are for (%(default)s)")
    add("--output", metavar="DIR", type=pathlib.Path,
        help="the folder to write them to, a file each")
    add("--force", action="store_true", help="replace files that are there")
    add("--minutes", metavar="N", type=_above_0(int), default=120,
        help="how much is shown at first (%(default)s)")
    for role in ROLES:
        add("--" + role, metavar="NAME", help="the %s to show%s" % (
            role, ", as it stands in the series' names; Grafana can show "
            "others, graphite-web cannot" if role == ROLES[0] else ""))
    add("--prefix", help="in place of the agent's prefix")
    add("--template", help="in place of the agent's template")


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
        "By default the files that %s finds, such as\n"
        "/etc/ceilometer/ceilometer.conf." % common.AGENT)
    group.add_argument(
        "--config-file", metavar="FILE", action="append", default=[],
        help="a ceilometer.conf; of several, later ones win")
    group.add_argument(
        "--config-dir", metavar="DIR", action="append", default=[],
        help="a folder of *.conf files, which win over the files")


# Their modules have these names.
_COMMANDS = (
    ("check", "check.command",
     "Find what keeps samples from Graphite, before the agent is restarted",
     _CHECK_EPILOG, _add_check),
    ("preview", "preview.command",
     "Show the lines that would be sent, of a poll or of a recording",
     _PREVIEW_EPILOG, _add_preview),
    ("top", "top.command",
     "Show the machines on this hypervisor, live, as top does",
     _TOP_EPILOG, _add_top),
    ("dashboards", "dashboards",
     "Write dashboards for Grafana or for graphite-web",
     _DASHBOARDS_EPILOG, _add_dashboards),
    ("spool", "spool",
     "List, send or print the lines that wait on disk",
     _SPOOL_EPILOG, _add_spool),
)
