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

"""The command ``ceilometer-graphite``."""

import argparse
import importlib.metadata
import os
import sys
import traceback
import warnings

import shtab

from ceilometer_graphite.cmd import common

PROGRAM = "ceilometer-graphite"
FAILED = 2
INTERRUPTED = 130  # as a shell has it of SIGINT
PIPE_CLOSED = 141  # and of SIGPIPE
_EPILOG = """\
examples:
  ceilometer-graphite check --user ceilometer
  ceilometer-graphite check --send --render-url http://graphite.example.com
  ceilometer-graphite preview --explain cpu_util
  ceilometer-graphite top --once
  ceilometer-graphite dashboards --format grafana --output /tmp/dashboards

ceilometer-graphite COMMAND --help tells more of a command.
Exit status: 0; 1 when check has warnings only; 2 for any error.
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **kwargs):
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def error(self, message):
        raise common.CommandError(message, "see %s --help" % self.prog)


def _commands():
    """The modules of the commands, in the order of the help."""
    # Not at the top, as what Ceilometer imports gives warnings.
    from ceilometer_graphite.cmd import check
    from ceilometer_graphite.cmd import dashboards
    from ceilometer_graphite.cmd import preview
    from ceilometer_graphite.cmd import top
    return check, preview, top, dashboards


def _add_debug(parser, default):
    parser.add_argument(
        "--debug", action="store_true", default=default,
        help="show the log on stderr, and of an error the traceback")


def make_parser():
    """The parser of the whole command line."""
    parser = _Parser(
        prog=PROGRAM, epilog=_EPILOG,
        description="Looks at what Ceilometer's compute agent sends to "
                    "Graphite, and at\nwhat keeps it from it.")
    _add_debug(parser, False)
    parser.add_argument(
        "--version", action="version",
        version="%(prog)s " + importlib.metadata.version(PROGRAM))
    shtab.add_argument_to(
        parser, "--print-completion",
        help="print a script that completes commands and options, such as "
             "for /etc/bash_completion.d")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True)
    for module in _commands():
        summary = module.__doc__.splitlines()[0]
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=summary.rstrip("."), description=summary)
        _add_debug(command, argparse.SUPPRESS)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv=None):
    """Run a command.

    :param argv: its arguments; by default those of the process
    :returns: its exit status
    """
    argv = sys.argv[1:] if argv is None else argv
    debug = "--debug" in argv
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        try:
            return _run(argv, debug)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:
            # Python flushes once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except Exception as e:
            return _failed(e, debug)


def _run(argv, debug):
    try:
        common.set_up_logs(debug)
        arguments = make_parser().parse_args(argv)
        return arguments.run(arguments)
    finally:
        sys.stdout.flush()


def _failed(error, debug):
    if debug:
        traceback.print_exception(error)
    problem = common.one_line(error)
    if isinstance(error, common.CommandError):
        hint = error.hint
    else:
        problem = "%s: %s" % (type(error).__name__, problem)
        hint = "this should not happen; --debug shows where it did"
    print("%s: %s" % (PROGRAM, problem), file=sys.stderr)
    if hint:
        print("hint: %s" % hint, file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
