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

"""Command-line options that the programs share."""

import argparse
from collections import abc
import os

_OPTIONS = {
    "--log": {"metavar": "FILE", "default": os.devnull,
              "help": "file for the output of the senders' processes"},
    "--short": {"action": "store_true",
                "help": "only check that the program works; the figures mean "
                        "nothing"},
}


def parser(program: str, doc: str, *options: str) -> argparse.ArgumentParser:
    """Return a parser with some of the shared options.

    :param program: name of its package or module, below ``benchmarks``
    :param doc: docstring of the program; its first line is the description
    """
    made = argparse.ArgumentParser(prog="python -m benchmarks." + program,
                                   description=doc.splitlines()[0])
    for option in options:
        made.add_argument(option, **_OPTIONS[option])
    return made


def add_names(made: argparse.ArgumentParser, option: str,
              known: abc.Iterable,
              default: abc.Sequence | None) -> None:
    """Add an option that takes some of the known names."""
    made.add_argument(option, nargs="+", choices=list(known), default=default,
                      metavar="NAME", help="one or more of "
                      + ", ".join(known))
