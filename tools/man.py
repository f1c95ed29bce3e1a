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

"""Writes the man page from the help texts of the commands.

Usage: python -m tools.man > doc/ceilometer-graphite.1
"""

import os
import re
import sys

from ceilometer_graphite.cli import main

_SUMMARY = "look at what Ceilometer's compute agent sends to Graphite"


def page():
    """Return the man page as roff."""
    os.environ["COLUMNS"] = "73"  # 80 with the indent of man
    parser = main.make_parser()
    return "\n".join([
        ".TH %s 1" % _roff(parser.prog.upper()),
        ".SH NAME", _roff("%s - %s" % (parser.prog, _SUMMARY)),
        *_section("DESCRIPTION", parser),
        *(line for name, command in parser.commands.items()
          for line in _section(name.upper(), command))]) + "\n"


def _section(title, parser):
    """Return the lines of a section with the help of a command."""
    return [".SH " + title, ".nf", _roff(parser.format_help().rstrip()),
            ".fi"]


def _roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.stdout.write(page())
