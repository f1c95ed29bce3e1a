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

"""What is kept of the promises about delivery, and what others lose.

Run it from the checkout: ``python -m benchmarks.faults``. The part senders
prints a table for doc/source/reliability.rst, the part promises prints
doc/source/tables/promises.inc anew. It fails if a promise is not kept.
"""

import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.faults import promises
from benchmarks.faults import scenarios
from benchmarks.faults import trial
from lab import certificates
from lab import child

# The volumes of what they send are sequence numbers.
_SENDERS = ("nothing", "tcp", "tls", "pickle", "spool", "udp",
            "ceilometer-tcp", "ceilometer-udp", "ceilometer-http", "graphyte",
            "graphitesend", "socket", "connect")
_OURS = ("tcp", "tls", "pickle", "spool")
_MAX_CPU_MS = 1
# Lines a second.
_RATE = 5000
# What --short does of each part.
_SHORT_PROMISES = 3
_SHORT_FAULTS = ("kill", "refuse", "reset")
_LEGEND = (
    "Lines that were published and that the receiver's application did not "
    "read / the longest that the caller was held by a batch of 50, in "
    "milliseconds. In brackets: for each line that was read, how often it was "
    "read again, where that is more than 0.005.")


def _longest(result):
    """The longest that the caller waited, in milliseconds."""
    longest = report.quantile_ms(result.held, 1)
    if result.is_stuck:
        return ">%d" % (1000 * result.stuck)
    return ("%.2f" if longest < 100 else "%.0f") % longest


def _cell(sender, result):
    if result is None:
        return "--"
    if not sender.reads:
        return "-- / %s" % _longest(result)
    again = result.repeated / result.read if result.read else 0
    return "%d / %s" % (result.lost, _longest(result)) + (
        " (%.2f)" % again if again > 0.005 else "")


def _tell(fault_name, sender, result, seconds):
    print(fault_name, sender.title, _cell(sender, result),
          "%d published" % result.published, "p99 of CPU %.2f ms" % (
              report.quantile_ms(result.cpu, 0.99)), result.note,
          "took %.0f s" % seconds, sep=" | ", file=sys.stderr, flush=True)


def _run_all(given, times):
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        authority = certificates.Authority(pathlib.Path(directory))
        for fault_name in given.faults:
            fault = scenarios.FAULTS[fault_name]
            of_fault = results[fault_name] = {}
            for name in given.senders:
                sender = senders.SENDERS[name]
                if fault.needs_connection and sender.is_datagram:
                    continue
                begin = time.monotonic()
                result = of_fault[name] = trial.Trial(
                    sender, fault, times, _RATE, authority,
                    given.log).run()
                _tell(fault_name, sender, result, time.monotonic() - begin)
    return results


def _targets(results):
    """Yield what is promised of our caller's CPU, in the worst fault."""
    for name in _OURS:
        worst = [report.quantile_ms(of_fault[name].cpu, 0.99)
                 for of_fault in results.values() if name in of_fault]
        if worst:
            yield report.Target("ms of CPU for a batch, p99, %s" % (
                senders.SENDERS[name].title), max(worst), _MAX_CPU_MS)


def _compare(given):
    """Run every sender into every fault."""
    times = scenarios.SHORT if given.short else scenarios.FULL
    results = _run_all(given, times)
    print(report.list_table("Lines lost / longest wait of the caller in ms", [
        ("Sender", *(scenarios.FAULTS[name].title.format(times=times)
                     for name in results)),
        *((senders.SENDERS[name].title,
           *(_cell(senders.SENDERS[name], of_fault.get(name))
             for of_fault in results.values())) for name in given.senders)]))
    print(report.paragraph(_LEGEND))
    print(report.bullets(_targets(results)))
    return True


def _keep(given):
    """Run the test of each promise."""
    tests, outcomes = promises.tests(), []
    for promise in promises.read()[:_SHORT_PROMISES if given.short else None]:
        outcomes.append(promises.run(promise, tests[promise.test]))
        print(*outcomes[-1].row(), outcomes[-1].output, sep=" | ",
              file=sys.stderr, flush=True)
    print(promises.table(outcomes))
    return all(outcome.is_kept for outcome in outcomes)


# What a test leaves behind is not in the processes of the senders.
_PARTS = {"senders": _compare, "promises": _keep}


def _arguments():
    parser = arguments.parser("faults", __doc__)
    arguments.add_short(parser)
    parser.add_argument("--parts", default=list(_PARTS), metavar="NAME,...",
                        type=arguments.names_of(_PARTS),
                        help="of " + ", ".join(_PARTS))
    parser.add_argument("--senders", default=_SENDERS, metavar="NAME,...",
                        type=arguments.names_of(_SENDERS),
                        help="of " + ", ".join(_SENDERS))
    parser.add_argument("--faults", type=arguments.names_of(scenarios.FAULTS),
                        metavar="NAME,...",
                        help="of " + ", ".join(scenarios.FAULTS))
    given = parser.parse_args()
    given.parts = [name for name in _PARTS if name in given.parts]
    given.faults = given.faults or (
        _SHORT_FAULTS if given.short else list(scenarios.FAULTS))
    return given


def main():
    given = _arguments()
    child.end_with_us()
    print(report.about(
        "%d lines a second in batches of 50." % _RATE))
    kept = [_PARTS[name](given) for name in given.parts]
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
