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

import signal

from lab import process
from tests.functional import base
from tests.functional import truth


class AgentTest(base.GraphiteTestCase):
    """Runs the real agent, a simulated hypervisor and the real Carbon."""

    def test_every_sample_arrives_over_tcp(self):
        self.check_everything_arrives(self.start_agent())

    def test_every_sample_arrives_over_udp(self):
        self.check_everything_arrives(self.start_agent(
            "graphite://127.0.0.1:%d?protocol=udp" % self.carbon.udp_port))

    def test_every_sample_arrives_from_many_threads_and_two_intervals(self):
        self.check_everything_arrives(self.start_agent(
            options={"polling": {"threads_to_process_pollsters": 8}},
            polling="""\
sources:
  - {name: fast, interval: 1, meters: [cpu, "network.*"]}
  - {name: slow, interval: 3, meters: ["disk.*", "memory.*", power.state]}
"""))

    def test_a_carbon_that_was_away_gets_what_it_missed(self):
        polling_agent = self.start_agent()
        self.wait_for_cycles(polling_agent, 2)
        self.carbon.terminate()
        self.wait_for_cycles(polling_agent, 3)
        self.carbon.start()
        self.wait_for_cycles(polling_agent, 2)
        polling_agent.terminate()
        self.assert_graphite_has_the_truth(truth.load(self.truth_path))
        log = polling_agent.log_text()
        self.assertEqual(1, log.count("Graphite cannot be reached"), log)

    def test_an_agent_that_starts_before_carbon_loses_nothing(self):
        self.carbon.terminate()
        polling_agent = self.start_agent()
        self.wait_for_cycles(polling_agent, 2)
        self.carbon.start()
        polling_agent.wait_for_log("Connected to Graphite")
        self.wait_for_cycles(polling_agent, 1)
        polling_agent.terminate()
        self.assert_graphite_has_the_truth(truth.load(self.truth_path))

    def test_sighup_starts_a_worker_that_goes_on(self):
        polling_agent = self.start_agent()
        self.wait_for_cycles(polling_agent, 2)
        worker, = polling_agent.worker_pids()
        polling_agent.send_signal(signal.SIGHUP)
        process.wait_for(
            lambda: polling_agent.worker_pids() not in ([worker], []), 30,
            "another worker")
        before = len(truth.load(self.truth_path))
        self.wait_for_cycles(polling_agent, 2)
        polling_agent.terminate()
        samples = truth.load(self.truth_path)
        self.assert_graphite_has_the_truth(samples[:before],
                                           samples[before:])


class MistakesTest(base.GraphiteTestCase):
    """An operator's mistake is in the agent's log once."""

    def log_of(self, pipeline=None, url=None, options=None):
        polling_agent = self.start_agent(url, options=options)
        if pipeline is not None:
            polling_agent.terminate()
            polling_agent.write(pipeline=pipeline)
            polling_agent.start()
        polling_agent.wait_for_log("(?s)(Finished polling.*){9}")
        polling_agent.terminate()
        return polling_agent.log_text()

    def test_a_broken_pipeline_is_logged_once_with_a_hint(self):
        log = self.log_of(pipeline="sources: [")
        self.assertEqual(1, log.count("the pipeline cannot be used"), log)
        self.assertIn("Repair the file and restart the agent", log)

    def test_a_bad_url_is_logged_once_and_other_publishers_work(self):
        log = self.log_of(url=self.url + "?colour=red")
        self.assertEqual(1, log.count("Unable to load publisher"), log)
        self.assertIn("colour is not an option of a graphite:// URL", log)
        self.assertTrue(self.samples())

    def test_a_bad_option_is_logged_once_with_the_allowed_values(self):
        log = self.log_of(options={"graphite": {"counters": "sometimes"}})
        self.assertEqual(1, log.count("Unable to load publisher"), log)
        self.assertIn("[graphite] counters has to be one of rate, raw, both",
                      log)
        self.assertTrue(self.samples())
