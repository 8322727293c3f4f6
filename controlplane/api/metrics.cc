// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace sallyport::api {
namespace {

bool is_metric_name(const std::string& name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

bool ends_with_total(const std::string& name) { return name.size() > 6 && name.compare(name.size() - 6, 6, "_total") == 0; }

[[noreturn]] void broken_declaration(const std::string& name, const char* why) {
  std::fprintf(stderr, "metric %s: %s\n", name.c_str(), why);
  std::abort();
}

// Backslash, quote and newline (text format 0.0.4).
std::string escaped(const std::string& text, bool is_label) {
  std::string result;
  for (char c : text) {
    if (c == '\\') result += "\\\\";
    else if (c == '\n') result += "\\n";
    else if (c == '"' && is_label) result += "\\\"";
    else result += c;
  }
  return result;
}

std::string number(double value) {
  char text[40];
  bool whole = std::nearbyint(value) == value && std::fabs(value) < 9e15;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", value);
  return text;
}

}  // namespace

CounterFamily::CounterFamily(std::string label, std::vector<std::string> values) : label_(std::move(label)), values_(std::move(values)), counters_(values_.size()) {}

Counter& CounterFamily::of(std::string_view value) {
  auto found = std::find(values_.begin(), values_.end(), value);
  return found == values_.end() ? counters_.back() : counters_[static_cast<std::size_t>(found - values_.begin())];
}

void MetricRegistry::declare(const std::string& name, const std::string& help, MetricType type, std::function<std::vector<Sample>()> read) {
  std::string full = "sallyport_" + name;
  if (!is_metric_name(full)) broken_declaration(full, "is not a metric name");
  if ((type == MetricType::counter) != ends_with_total(full)) broken_declaration(full, "a counter ends in _total, a gauge does not");
  if (std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.name == full; })) broken_declaration(full, "is declared twice");
  entries_.push_back({full, help, type, std::move(read)});
}

Counter& MetricRegistry::counter(const std::string& name, const std::string& help) {
  Counter& counter = counters_.emplace_back();
  declare(name, help, MetricType::counter, [&counter] { return std::vector<Sample>{{{}, static_cast<double>(counter.value())}}; });
  return counter;
}

Gauge& MetricRegistry::gauge(const std::string& name, const std::string& help) {
  Gauge& gauge = gauges_.emplace_back();
  declare(name, help, MetricType::gauge, [&gauge] { return std::vector<Sample>{{{}, static_cast<double>(gauge.value())}}; });
  return gauge;
}

CounterFamily& MetricRegistry::counters(const std::string& name, const std::string& help, std::string label, std::vector<std::string> values) {
  if (values.empty()) broken_declaration(name, "has no label values");
  CounterFamily& family = families_.emplace_back(std::move(label), std::move(values));
  declare(name, help, MetricType::counter, [&family] {
    std::vector<Sample> samples;
    for (std::size_t i = 0; i < family.values().size(); ++i) samples.push_back({{{family.label(), family.values()[i]}}, static_cast<double>(family.at(i).value())});
    return samples;
  });
  return family;
}

void MetricRegistry::collect(const std::string& name, const std::string& help, MetricType type, std::function<std::vector<Sample>()> read) {
  declare(name, help, type, std::move(read));
}

std::vector<Metric> MetricRegistry::read() const {
  std::vector<Metric> metrics;
  for (const Entry& entry : entries_) metrics.push_back({entry.name, entry.help, entry.type, entry.read()});
  return metrics;
}

std::string MetricRegistry::prometheus_text() const { return prometheus_text(read()); }

std::string MetricRegistry::prometheus_text(const std::vector<Metric>& metrics) {
  std::string text;
  for (const Metric& metric : metrics) {
    text += "# HELP " + metric.name + " " + escaped(metric.help, false) + "\n";
    text += "# TYPE " + metric.name + (metric.type == MetricType::counter ? " counter\n" : " gauge\n");
    for (const Sample& sample : metric.samples) {
      text += metric.name;
      for (std::size_t i = 0; i < sample.labels.size(); ++i) {
        text += (i == 0 ? "{" : ",") + sample.labels[i].first + "=\"" + escaped(sample.labels[i].second, true) + "\"";
      }
      text += (sample.labels.empty() ? " " : "} ") + number(sample.value) + "\n";
    }
  }
  return text;
}

}  // namespace sallyport::api
