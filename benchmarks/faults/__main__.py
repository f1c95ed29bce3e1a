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

"""Lines that senders lose in faults, and the tests of delivery promises.

Run it in the checkout: ``python -m benchmarks.faults``. The part senders
prints a table for doc/source/reliability.rst. The part promises prints
doc/source/tables/promises.inc with new results. The exit status is 1 if the
test of a promise fails.
"""

import pathlib
import sys
import tempfile

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.faults import promises
from benchmarks.faults import scenarios
from benchmarks.faults import trial
from lab import certificates
from lab import child

# Those whose receivers see volumes, which are sequence numbers.
_SENDERS = ("nothing", "tcp", "tls", "pickle", "spool", "udp",
            "ceilometer-tcp", "ceilometer-udp", "ceilometer-http", "graphyte",
            "graphitesend", "socket", "connect")
_OURS = ("tcp", "tls", "pickle", "spool")
_MAX_CPU_MS = 1
# Lines per second.
_RATE = 5000
# For --short.
_SHORT_PROMISES = 3
_SHORT_FAULTS = ("kill", "refuse", "reset")
_LEGEND = (
    "Published lines that the receiver's application did not read / the "
    "longest time that publishing a batch of 50 blocked the caller, in "
    "milliseconds. In brackets: repetitions per line that was read, if more "
    "than 0.005.")


def _longest(result):
    """Return the longest time that the caller waited, in milliseconds."""
    if result.is_stuck:
        return ">%d" % (1000 * result.stuck)
    longest = report.quantile_ms(result.held, 1)
    return ("%.2f" if longest < 100 else "%.0f") % longest


def _cell(sender, result):
    if result is None:
        return "--"
    if not sender.reads:
        return "-- / %s" % _longest(result)
    again = result.repeated / result.read if result.read else 0
    return "%d / %s" % (result.lost, _longest(result)) + (
        " (%.2f)" % again if again > 0.005 else "")


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
                with report.timed("%s, %s" % (fault_name, sender.title)):
                    result = of_fault[name] = trial.Trial(
                        sender, fault, times, _RATE, authority,
                        given.log).run()
                report.progress(
                    _cell(sender, result), "%d published" % result.published,
                    "p99 of CPU %.2f ms" % (
                        report.quantile_ms(result.cpu, 0.99)), result.note)
    return results


def _targets(results):
    """Yield targets for the caller's CPU in the worst fault."""
    for name in _OURS:
        worst = [report.quantile_ms(of_fault[name].cpu, 0.99)
                 for of_fault in results.values() if name in of_fault]
        if worst:
            yield report.Target("ms of CPU per batch, p99, %s" % (
                senders.SENDERS[name].title), max(worst), _MAX_CPU_MS)


def _compare(given):
    """Run each sender with each fault."""
    times = scenarios.SHORT if given.short else scenarios.FULL
    results = _run_all(given, times)
    print(report.list_table("Lines lost / longest call in ms", [
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
        report.progress(*outcomes[-1].row(), outcomes[-1].output)
    print(promises.table(outcomes))
    return all(outcome.is_kept for outcome in outcomes)


# The senders run first: a fork copies whatever a test leaves behind.
_PARTS = {"senders": _compare, "promises": _keep}


def _arguments():
    parser = arguments.parser("faults", __doc__, "--log", "--short")
    arguments.add_names(parser, "--parts", _PARTS, list(_PARTS))
    arguments.add_names(parser, "--senders", _SENDERS, _SENDERS)
    arguments.add_names(parser, "--faults", scenarios.FAULTS, None)
    given = parser.parse_args()
    given.parts = [name for name in _PARTS if name in given.parts]
    given.faults = given.faults or (
        _SHORT_FAULTS if given.short else list(scenarios.FAULTS))
    return given


def main():
    given = _arguments()
    child.end_with_us()
    print(report.about(
        "%d lines per second in batches of 50." % _RATE))
    kept = [_PARTS[name](given) for name in given.parts]
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
