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

import errno
import importlib
import io
import os
import sys
import traceback
import warnings

from oslo_config import cfg

from ceilometer_graphite.cli import common
from ceilometer_graphite.cli import parser

FAILED = 2
INTERRUPTED = 130  # as a shell has it of SIGINT
PIPE_CLOSED = 141  # and of SIGPIPE
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    :param argv: its arguments; by default those of the process
    :returns: its exit status
    """
    argv = sys.argv[1:] if argv is None else argv
    debug = "--debug" in argv
    if isinstance(sys.stdout, io.TextIOWrapper):  # no test has put another
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
        except OSError as e:
            if e.errno not in _FULL:
                return _failed(e, debug)
            _leave_output()
            return _failed(common.CommandError(
                "the output cannot be written: " + os.strerror(e.errno),
                "make room there, or write elsewhere"), debug)
        except Exception as e:
            return _failed(e, debug)


def _run(argv, debug):
    try:
        common.set_up_logs(debug)
        arguments = parser.make_parser().parse_args(argv)
        # Not at the top, as it takes seconds and gives warnings.
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
    if isinstance(error, common.CommandError):
        hint = error.hint
    elif isinstance(error, cfg.Error):
        hint = "correct it; ceilometer-graphite check shows all of them"
    else:
        problem = "%s: %s" % (type(error).__name__, problem)
        hint = "this should not happen; --debug shows where it did"
    print("%s: %s" % (parser.PROGRAM, problem), file=sys.stderr)
    if hint:
        print("hint: %s" % hint, file=sys.stderr)
    return FAILED
