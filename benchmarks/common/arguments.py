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

"""The command lines of the programs."""

import argparse
import os
import typing


def parser(program: str, doc: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all programs have.

    :param program: name of its package or module, below ``benchmarks``
    :param doc: docstring of the program; its first line is the description
    """
    made = argparse.ArgumentParser(
        prog="python -m benchmarks." + program,
        description=doc.splitlines()[0])
    made.add_argument("--log", default=os.devnull, metavar="FILE",
                      help="gets what the processes of the senders print")
    return made


def add_short(made: argparse.ArgumentParser) -> None:
    """Add ``--short``."""
    made.add_argument("--short", action="store_true",
                      help="take a minute at most, to see that all works; "
                           "no figure holds")


def names_of(known: typing.Iterable) -> typing.Callable:
    """Return an argparse type: names of ``known``, separated by commas."""
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    "%s is none of %s" % (name, ", ".join(known)))
        return names
    return parse


def at_least(smallest: int) -> typing.Callable:
    """Return an argparse type: a whole number."""
    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < smallest:
            raise argparse.ArgumentTypeError(
                "%s is no whole number of at least %d" % (text, smallest))
        return number
    return parse


def sizes(text: str) -> list:
    """Parse whole numbers above 0, separated by commas."""
    return [at_least(1)(size) for size in text.split(",")]
