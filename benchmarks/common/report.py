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

"""Results as reStructuredText, targets, and messages about progress."""

import contextlib
import dataclasses
import importlib.metadata
import math
import os
import platform
import ssl
import sys
import textwrap
import time

_DISTRIBUTIONS = ("ceilometer-graphite", "ceilometer", "graphyte",
                  "graphitesend", "prometheus_client", "requests")


def _version(name):
    try:
        return "%s %s" % (name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return "%s is not installed" % name


def about(*sentences: str) -> str:
    """Return a paragraph: the date, the versions, and more sentences."""
    return paragraph(" ".join((
        "%s, %s %s, %d processors, Python %s, %s; %s." % (
            time.strftime("%Y-%m-%d", time.gmtime()), platform.system(),
            platform.release(), os.cpu_count(), platform.python_version(),
            ssl.OPENSSL_VERSION, ", ".join(map(_version, _DISTRIBUTIONS))),
        *sentences)))


def heading(title: str) -> str:
    """Return a third-level title."""
    return "%s\n%s\n" % (title, "-" * len(title))


def list_table(title: str, rows) -> str:
    """Return a table for wide rows: each cell has its own line.

    :param rows: lists of texts; the first row is the header
    """
    lines = [(".. list-table:: %s" % title).rstrip(), "   :header-rows: 1",
             "   :stub-columns: 1", ""]
    for row in rows:
        lines += [("   %s - %s" % (" " if number else "*", cell)).rstrip()
                  for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def simple_table(rows) -> str:
    """Return a table of aligned columns, for narrow rows.

    :param rows: lists of texts, each with a first text that is not empty;
        the first row is the header
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = " ".join("=" * width for width in widths)
    header, *body = (
        " ".join(cell.ljust(width) if not number else cell.rjust(width)
                 for number, (cell, width) in enumerate(
                     zip(row, widths, strict=True))).rstrip()
        for row in rows)
    return "\n".join([rule, header, rule, *body, rule]) + "\n"


def bullets(items) -> str:
    """Return a bulleted list of the items' texts."""
    return "".join("* %s\n" % item for item in items)


def paragraph(text: str) -> str:
    """Wrap a text like the documentation."""
    return textwrap.fill(text, 79) + "\n"


def quantile_ms(seconds: list, share: float) -> float:
    """Return a quantile of sorted seconds in milliseconds, NaN if empty."""
    if not seconds:
        return math.nan
    return 1000 * seconds[min(len(seconds) - 1, int(len(seconds) * share))]


def progress(*texts) -> None:
    """Print a line to stderr."""
    print(*texts, sep=" | ", file=sys.stderr, flush=True)


@contextlib.contextmanager
def timed(what: str):
    """Print to stderr how many seconds a block took."""
    begin = time.monotonic()
    yield
    progress("%s took %.0f s" % (what, time.monotonic() - begin))


@dataclasses.dataclass(frozen=True)
class Target:
    """A measured figure and its limit.

    :ivar limit: a maximum; with ``is_least`` a minimum
    """

    what: str
    figure: float
    limit: float
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        return (self.figure >= self.limit if self.is_least
                else self.figure <= self.limit)

    def __str__(self):
        return "%s: %s: %.3g (at %s %g)" % (
            "met" if self.is_met else "missed", self.what, self.figure,
            "least" if self.is_least else "most", self.limit)
