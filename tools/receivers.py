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


"""Prints the table of ``doc/source/receivers.rst``.

Starts each receiver, publishes recorded samples to it in each way that it has
a port for, reads them back, and measures how fast it confirms 1,000 lines.
Needs the packages of ``bindep.txt``::

    python -W ignore -m tools.receivers > doc/source/tables/receivers.inc
"""

import logging
import statistics
import tempfile

from lab import deliveries
from lab import receivers

_COLUMNS = {"tcp": "TCP", "udp": "UDP", "pickle": "Pickle", "tags": "Tags",
            "names": "Odd names"}
_CONFIRMATIONS = 9
_HEAD = """\
.. list-table::
   :header-rows: 1

"""


def cell(outcome):
    """Return the result of a delivery, or of None if there was no port."""
    if outcome is None or not outcome.arrived:
        return "no"
    text = "%d of %d" % (outcome.arrived, outcome.sent)
    return text + (", and %d other series" % len(outcome.strangers)
                   if outcome.strangers else "")


def confirms(receiver):
    """Return how fast it confirms. At first it also creates the series."""
    took = [1000 * deliveries.confirmation_seconds(receiver)
            for _ in range(_CONFIRMATIONS)]
    return "%.1f ms (%.1f)" % (statistics.median(took), max(took))


def row(receiver, outcomes):
    """Return the row of a receiver.

    :param outcomes: result of :func:`lab.deliveries.run`
    """
    change = max(outcome.largest_change for outcome in outcomes.values())
    return [receiver.title, receiver.version(),
            *(cell(outcomes.get(way)) for way in _COLUMNS),
            "%.0e" % change if change else "none", confirms(receiver)]


def table(rows):
    """Return a table in reStructuredText; the first row is the header."""
    return _HEAD + "".join(
        "   %s - %s\n" % (" " if number else "*", text)
        for each in rows for number, text in enumerate(each))


def main():
    logging.disable()
    rows = [["Receiver", "Version", *_COLUMNS.values(), "Change of a value",
             "Confirms"]]
    for kind in receivers.ALL:
        with tempfile.TemporaryDirectory() as directory:
            with receivers.make(kind, directory) as receiver:
                rows.append(row(receiver, deliveries.run(receiver)))
    print(table(rows), end="")


if __name__ == "__main__":
    main()
