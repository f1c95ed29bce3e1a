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

"""Results as tables that Sphinx reads."""

import importlib.metadata
import platform
import sqlite3
import ssl
import textwrap
import time

_DISTRIBUTIONS = ("ceilometer-graphite", "ceilometer", "graphyte",
                  "graphitesend", "prometheus_client", "requests")


def _version(name):
    try:
        return "%s %s" % (name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return "%s is not installed" % name


def versions():
    """When and with what."""
    return "%s, %s %s, Python %s, SQLite %s, %s; %s." % (
        time.strftime("%Y-%m-%d", time.gmtime()), platform.system(),
        platform.release(), platform.python_version(), sqlite3.sqlite_version,
        ssl.OPENSSL_VERSION, ", ".join(map(_version, _DISTRIBUTIONS)))


def heading(title):
    """A title of the third level."""
    return "%s\n%s\n" % (title, "-" * len(title))


def list_table(title, rows):
    """A table of which each cell is a line, for wide ones.

    :param rows: texts; the first row is the header
    """
    lines = [".. list-table:: %s" % title, "   :header-rows: 1",
             "   :stub-columns: 1", ""]
    for row in rows:
        lines += ["   %s - %s" % (" " if number else "*", cell)
                  for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def simple_table(rows):
    """A table of aligned columns, for narrow ones.

    :param rows: texts, of which the first of each is not empty; the first
        row is the header
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = " ".join("=" * width for width in widths)
    header, *body = (
        " ".join(cell.ljust(width) if not number else cell.rjust(width)
                 for number, (cell, width) in enumerate(
                     zip(row, widths, strict=True))).rstrip()
        for row in rows)
    return "\n".join([rule, header, rule, *body, rule]) + "\n"


def bullets(texts):
    """A list."""
    return "".join("* %s\n" % text for text in texts)


def paragraph(text):
    """A text in lines of a width that the documentation has."""
    return textwrap.fill(text, 79) + "\n"
