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

"""Types of what stands on the command line, for argparse."""

import argparse


def names_of(known):
    """Some of the names in ``known``, with commas between them."""
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    "%s is none of %s" % (name, ", ".join(known)))
        return names
    return parse


def at_least(smallest):
    """A whole number."""
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
