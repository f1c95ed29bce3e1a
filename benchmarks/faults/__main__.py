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

"""What each fault does to each sender: lines lost, and callers held.

Run it from the checkout: ``python -m benchmarks.faults``. It prints tables
for doc/source/reliability.rst.
"""

import pathlib
import sys
import tempfile
import time

from benchmarks.common import arguments
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.faults import scenarios
from benchmarks.faults import trial
from lab import certificates
from lab import child

# The volumes of what they send are sequence numbers.
_SENDERS = ("nothing", "tcp", "tls", "pickle", "spool", "udp",
            "ceilometer-tcp", "ceilometer-udp", "ceilometer-http", "graphyte",
            "graphitesend", "socket", "connect")
_HEADER = ("Sender", "Sent", "Read", "Lost", "Again", "p50", "p99", "Max",
           "p99*", "Max*")
_LEGEND = (
    "Sent: lines that were published. Read: those of them that the "
    "receiver's application read. Again: how often it read one that it had "
    "read before. p50, p99, Max: for how long the caller was held by a batch "
    "of 50, in milliseconds. p99*, Max*: the same without the time in which "
    "the kernel let other threads run on its processor, by "
    "/proc/thread-self/schedstat. Back: from when the receiver was there "
    "again until it had read something.")


def _ms(value):
    return "%.2f" % value if value < 100 else "%.0f" % value


def _longest(result):
    """The longest that the caller waited, in milliseconds."""
    longest = report.quantile_ms(result.held, 1)
    if result.is_stuck:
        return ">%d" % (1000 * result.stuck)
    return _ms(longest)


def _row(sender, result):
    account = (result.published, result.read, result.lost, result.repeated)
    if not sender.reads:
        account = (result.published, "", "", "")
    longest = _longest(result)
    return (sender.title, *map(str, account),
            *(_ms(report.quantile_ms(result.held, share))
              for share in (0.5, 0.99)), longest,
            _ms(report.quantile_ms(result.held_alone, 0.99)),
            longest if result.is_stuck
            else _ms(report.quantile_ms(result.held_alone, 1)))


def _note(sender, fault, result):
    notes = [result.note] if result.note else []
    if fault.ends_with_return and result.back_after is not None:
        notes.append("back after %.2f s" % result.back_after)
    return "%s: %s" % (sender.title, ", ".join(notes)) if (
        notes and sender.reads) else ""


def _print_details(results, times):
    for fault_name, of_fault in results.items():
        fault = scenarios.FAULTS[fault_name]
        print(report.heading(fault.title.format(times=times)))
        print(report.simple_table([_HEADER, *(
            _row(senders.SENDERS[name], result)
            for name, result in of_fault.items())]))
        print(report.bullets(filter(None, (
            _note(senders.SENDERS[name], fault, result)
            for name, result in of_fault.items()))))


def _cell(sender, result):
    if result is None:
        return "--"
    if not sender.reads:
        return "-- / %s" % _longest(result)
    return "%d / %s" % (result.lost, _longest(result))


def _print_overview(results, names, times):
    print(report.list_table(
        "Lines lost / longest wait of the caller in ms",
        [("Sender", *(scenarios.FAULTS[name].title.format(times=times)
                      for name in results)),
         *((senders.SENDERS[name].title,
            *(_cell(senders.SENDERS[name], of_fault.get(name))
              for of_fault in results.values())) for name in names)]))


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
                    sender, fault, times, given.rate, authority,
                    given.log).run()
                print(fault_name, *_row(sender, result),
                      _note(sender, fault, result), "took %.0f s" % (
                    time.monotonic() - begin), sep=" | ",
                    file=sys.stderr, flush=True)
    return results


def main():
    parser = arguments.parser("faults", __doc__)
    arguments.add_short(parser)
    parser.add_argument("--senders", default=_SENDERS, metavar="NAME,...",
                        type=arguments.names_of(_SENDERS),
                        help="of " + ", ".join(_SENDERS))
    parser.add_argument("--faults", default=list(scenarios.FAULTS),
                        type=arguments.names_of(scenarios.FAULTS),
                        metavar="NAME,...",
                        help="of " + ", ".join(scenarios.FAULTS))
    parser.add_argument("--rate", type=arguments.at_least(50), default=5000,
                        help="lines a second")
    given = parser.parse_args()
    child.end_with_us()
    times = scenarios.SHORT if given.short else scenarios.FULL
    results = _run_all(given, times)
    print(report.about(
        "%d lines a second in batches of 50." % given.rate))
    _print_overview(results, given.senders, times)
    print(report.paragraph(_LEGEND))
    _print_details(results, times)


if __name__ == "__main__":
    main()
