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


"""What is not the same here and in Ceilometer, but for names.

Every piece is one that stands here or there; one that is missing ends the
run. So whoever changes such a piece sees where else it matters.
"""

_PIPELINE_OPTS = '''\
PIPELINE_OPTS = [
    cfg.ListOpt("forward_drivers",
                default=[],
                help="Notification drivers, such as messagingv2, that get "
                     "each notification too."),
]
'''

# A service registers the options of ceilometer/opts.py itself.
MODULES = {
    "opts": (
        ('"""Every option."""\n\nimport copy\n',
         '"""Options of the graphite publisher."""\n'),
        ('PIPELINE_GROUP = "ceilometer_pipeline"\n', ''),
        ('\n' + _PIPELINE_OPTS + '''
_GROUPS = ((GRAPHITE_GROUP, GRAPHITE_OPTS), (PIPELINE_GROUP, PIPELINE_OPTS))


def register_opts(conf):
    """Register all options on the ``conf`` of the agent, once or again."""
    for group, opts in _GROUPS:
        conf.register_opts(opts, group=group)


def list_opts():
    """All options, as ``oslo-config-generator`` asks for them."""
    return [(group, copy.deepcopy(opts)) for group, opts in _GROUPS]
''', ''),
    ),
    "config": (
        ('    :param conf: the agent\'s ``ConfigOpts``; the options are '
         'registered on it\n', '    :param conf: the agent\'s '
         '``ConfigOpts``\n'),
        ('    opts.register_opts(conf)\n', ''),
    ),
    "definitions": (
        ('Read from YAML; the packaged ``data/definitions.yaml`` says what '
         'each key\nmeans.', 'Read from YAML; the packaged '
         '``graphite_definitions.yaml`` says what each key\nmeans.'),
        ('importlib.resources.files(__package__).joinpath(\n'
         '            "data/definitions.yaml")',
         'importlib.resources.files("ceilometer.publisher").joinpath(\n'
         '            "data/graphite_definitions.yaml")'),
    ),
    "driver": (
        ('from ceilometer_graphite import config\n'
         'from ceilometer_graphite import opts\n',
         'from oslo_config import cfg\n'),
        ('config.ConfigError', 'ValueError'),
        ('        opts.register_opts(conf)\n', ''),
        ('opts.PIPELINE_GROUP', 'GROUP'),
        ('_METERS = 4096\n', '_METERS = 4096\n\nGROUP = '
         '"ceilometer_pipeline"\n' + _PIPELINE_OPTS.removeprefix("PIPELINE_")),
    ),
    "publisher": (
        (':raises ceilometer_graphite.config.ConfigError: names the option, '
         'its\n        value and', ':raises ConfigError: names the option, '
         'its value and'),
    ),
}

# Ceilometer's codespell takes nam for a typing error.
_NAM = (("nam: x", "key: x"), ("'nam'", "'key'"))
# Ceilometer's own base class sets up a mock of the SDK, for half a second. So
# it is for tests with a whole service only.
TESTS = {
    "base": (
        ('from oslotest import base\n',
         'from ceilometer.tests import base\n'),
        ('"""What tests of the whole plugin share."""',
         '"""What tests of the whole publisher share."""'),
        ('.parent.parent / "fixtures"', '.parent / "fixtures"'),
    ),
    "test_definitions": (
        ('pathlib.Path(definitions.__file__).parent.joinpath(\n'
         '            "data", "definitions.yaml")',
         'pathlib.Path(definitions.__file__).parents[1].joinpath(\n'
         '            "data", "graphite_definitions.yaml")'),
        *_NAM,
    ),
    "test_driver": (
        ('        driver.opts.register_opts(self.conf)\n', ''),
        ('from tests import releases\n', ''),
        ('sample, *NO_SAMPLES, *(\n'
         '                        [{**sample, "counter_type": "x"}]\n'
         '                        if releases.CHECKS_TYPES else []))]',
         'sample, *NO_SAMPLES, {**sample, "counter_type": "x"})]'),
    ),
    "test_opts": (
        ('        conf.register_opt(cfg.StrOpt("host", '
         'default="agent.example.org"))\n',
         '        conf.register_opt(cfg.StrOpt("host", '
         'default="agent.example.org"))\n'
         '        conf.register_opts(opts.GRAPHITE_OPTS, '
         'group=opts.GRAPHITE_GROUP)\n'),
        *_NAM,
    ),
}

# Of releases before this one, and of how this project lists its options.
UNWANTED_TESTS = {
    "test_fixtures": {"Release19Test", "PausedAndStoppedTest"},
    "test_opts": {
        "ListOptsTest",
        "self.test_no_driver_is_forwarded_to",
        "self.test_options_are_registered_once_however_often_one_asks",
        "self.test_two_agents_in_one_process_do_not_share_options",
    },
}

DEFINITIONS = (
    ("# What ceilometer-graphite makes of Ceilometer's samples.\n",
     "# What the graphite publisher makes of samples.\n"),
)

# (line that stands there, lines that come after it, or before it)
SETUP_CFG = (
    ("opentelemetryhttp = ceilometer.publisher.opentelemetry_http:"
     "OpentelemetryHttpPublisher",
     "graphite = ceilometer.publisher.graphite.publisher:"
     "GraphitePublisher\n", False),
    ("oslo.config.opts =",
     "oslo.messaging.notify.drivers =\n"
     "    ceilometer_pipeline = ceilometer.pipeline.driver:"
     "PipelineDriver\n\n", True),
)
OPTS = (
    ("import ceilometer.pipeline.base",
     "import ceilometer.pipeline.driver\n", False),
    ("import ceilometer.publisher.messaging",
     "import ceilometer.publisher.graphite.opts\n", True),
    ("('compute', ceilometer.compute.discovery.OPTS),",
     "('ceilometer_pipeline', ceilometer.pipeline.driver.OPTS),\n", True),
    ("('ipmi', ceilometer.ipmi.pollsters.OPTS),",
     "('graphite', ceilometer.publisher.graphite.opts.GRAPHITE_OPTS),\n",
     True),
)
DOCUMENT = ("The default publisher is ``gnocchi``, without any additional "
            "options")
