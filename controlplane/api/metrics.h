// SPDX-License-Identifier: Apache-2.0
#pragma once
// MetricRegistry: the control plane's counters and gauges. Declare at start, keep the reference, add for about a nanosecond; label
// values come from a list fixed at the declaration, so no user, call or SSRC can ever become one. Counting is relaxed-atomic and
// works from any thread; declaring is for one thread, before others run. References live as long as the registry.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::api {

class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t change) { value_.fetch_add(change, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Counters of one name that differ in one label. Index it with an enum or by the value's text (unknown text: the last value).
class CounterFamily {
 public:
  CounterFamily(std::string label, std::vector<std::string> values);
  template <class Index>
  Counter& operator[](Index index) { return counters_.at(static_cast<std::size_t>(index)); }
  Counter& of(std::string_view value);
  const std::string& label() const { return label_; }
  const std::vector<std::string>& values() const { return values_; }
  const Counter& at(std::size_t index) const { return counters_.at(index); }

 private:
  std::string label_;
  std::vector<std::string> values_;
  std::deque<Counter> counters_;
};

struct Sample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

enum class MetricType : std::uint8_t { counter, gauge };

struct Metric {
  std::string name, help;
  MetricType type = MetricType::counter;
  std::vector<Sample> samples;
};

class MetricRegistry {
 public:
  // Names get the prefix "sallyport_"; a counter's must end in "_total". A wrong or repeated declaration aborts.
  Counter& counter(const std::string& name, const std::string& help);
  Gauge& gauge(const std::string& name, const std::string& help);
  CounterFamily& counters(const std::string& name, const std::string& help, std::string label, std::vector<std::string> values);
  // Values read at the time of the scrape: gauges over containers, counters of the shared region.
  void collect(const std::string& name, const std::string& help, MetricType type, std::function<std::vector<Sample>()> read);

  std::vector<Metric> read() const;
  std::string prometheus_text() const;  // text format 0.0.4
  static std::string prometheus_text(const std::vector<Metric>& metrics);

 private:
  struct Entry {
    std::string name, help;
    MetricType type;
    std::function<std::vector<Sample>()> read;
  };
  void declare(const std::string& name, const std::string& help, MetricType type, std::function<std::vector<Sample>()> read);
  std::vector<Entry> entries_;
  std::deque<Counter> counters_;
  std::deque<Gauge> gauges_;
  std::deque<CounterFamily> families_;
};

}  // namespace sallyport::api
