// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/metrics.h"

#include <gtest/gtest.h>

namespace sallyport::api {
namespace {

TEST(Metrics, PrintCountersGaugesAndFamiliesAsPrometheusReadsThem) {
  MetricRegistry registry;
  registry.counter("requests_total", "Requests.").add(3);
  registry.gauge("calls", "Calls\nnow \\ here.").set(-2);
  CounterFamily& drops = registry.counters("drops_total", "Drops.", "reason", {"replay", "bad \"quote\"", "other"});
  drops[1].add(7);
  drops.of("replay").add(1);
  drops.of("not declared").add(2);
  registry.collect("load", "Load.", MetricType::gauge, [] { return std::vector<Sample>{{{}, 0.5}}; });
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP sallyport_requests_total Requests.\n# TYPE sallyport_requests_total counter\nsallyport_requests_total 3\n"
            "# HELP sallyport_calls Calls\\nnow \\\\ here.\n# TYPE sallyport_calls gauge\nsallyport_calls -2\n"
            "# HELP sallyport_drops_total Drops.\n# TYPE sallyport_drops_total counter\n"
            "sallyport_drops_total{reason=\"replay\"} 1\nsallyport_drops_total{reason=\"bad \\\"quote\\\"\"} 7\nsallyport_drops_total{reason=\"other\"} 2\n"
            "# HELP sallyport_load Load.\n# TYPE sallyport_load gauge\nsallyport_load 0.5\n");
}

TEST(Metrics, LargeCountersKeepEveryDigit) {
  MetricRegistry registry;
  registry.counter("bytes_total", "B.").add(8'999'999'999'999'999);
  EXPECT_NE(registry.prometheus_text().find("sallyport_bytes_total 8999999999999999\n"), std::string::npos);
}

TEST(MetricsDeathTest, AWrongDeclarationAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MetricRegistry registry;
  registry.counter("a_total", "A.");
  EXPECT_DEATH(registry.counter("a_total", "A."), "is declared twice");
  EXPECT_DEATH(registry.counter("b", "B."), "a counter ends in _total");
  EXPECT_DEATH(registry.gauge("c_total", "C."), "a counter ends in _total");
  EXPECT_DEATH(registry.gauge("no good", "D."), "is not a metric name");
}

}  // namespace
}  // namespace sallyport::api
