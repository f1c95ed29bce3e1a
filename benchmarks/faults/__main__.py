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

"""How each sender fares with each fault: lines lost, and callers held.

Run it from the checkout: ``python -m benchmarks.faults``. It prints tables
for doc/source/reliability.rst.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

from benchmarks.common import argument_types
from benchmarks.common import child
from benchmarks.common import report
from benchmarks.common import senders
from benchmarks.faults import scenarios
from benchmarks.faults import trial
from lab import certificates

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
    longest = trial.quantile_ms(result.held, 1)
    if result.is_stuck:
        return ">%d" % (1000 * result.stuck)
    return _ms(longest)


def _row(sender, result):
    account = (result.published, result.read, result.lost, result.repeated)
    if not sender.reads:
        account = (result.published, "", "", "")
    longest = _longest(result)
    return (sender.title, *map(str, account),
            *(_ms(trial.quantile_ms(result.held, share))
              for share in (0.5, 0.99)), longest,
            _ms(trial.quantile_ms(result.held_alone, 0.99)),
            longest if result.is_stuck
            else _ms(trial.quantile_ms(result.held_alone, 1)))


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


def _run_all(arguments, times):
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        authority = certificates.Authority(pathlib.Path(directory, "ca"))
        for fault_name in arguments.faults:
            fault = scenarios.FAULTS[fault_name]
            of_fault = results[fault_name] = {}
            for name in arguments.senders:
                sender = senders.SENDERS[name]
                if fault.needs_connection and sender.is_datagram:
                    continue
                begin = time.monotonic()
                result = of_fault[name] = trial.Trial(
                    sender, fault, times, arguments.rate, authority,
                    arguments.log).run()
                print(fault_name, *_row(sender, result),
                      _note(sender, fault, result), "took %.0f s" % (
                    time.monotonic() - begin), sep=" | ",
                    file=sys.stderr, flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true",
                        help="a few seconds each, to see that it works")
    parser.add_argument("--senders", default=list(senders.SENDERS),
                        type=argument_types.names_of(senders.SENDERS),
                        metavar="NAME,...")
    parser.add_argument("--faults", default=list(scenarios.FAULTS),
                        type=argument_types.names_of(scenarios.FAULTS),
                        metavar="NAME,...")
    parser.add_argument("--rate", type=int, default=5000,
                        help="lines a second")
    parser.add_argument("--log", default=os.devnull,
                        help="a file for what the senders print")
    arguments = parser.parse_args()
    child.end_with_us()
    times = scenarios.SHORT if arguments.short else scenarios.FULL
    results = _run_all(arguments, times)
    print(report.paragraph(
        "%s %d lines a second in batches of 50, %d processors." % (
            report.versions(), arguments.rate, os.cpu_count())))
    _print_overview(results, arguments.senders, times)
    print(report.paragraph(_LEGEND))
    _print_details(results, times)


if __name__ == "__main__":
    main()
