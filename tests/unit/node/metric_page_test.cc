// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/metric_page.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>
#include <set>

#include "controlplane/api/metric_table.h"
#include "controlplane/media/media_counters.h"
#include "dataplane/abi/drop_reason.h"

namespace sallyport::node {
namespace {

std::string source_file(const std::string& name) {
  std::ifstream file(std::string(SALLYPORT_SOURCE_DIR) + "/" + name);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(MetricPage, PageInDocsIsCurrent) {
  EXPECT_EQ(source_file("docs/metrics.md"), metric_page()) << "run: sallyport-controlplane --print-metrics > docs/metrics.md";
}

TEST(MetricPage, NamesEveryMetricOnceAndEveryDropReason) {
  const std::string page = metric_page();
  std::set<std::string_view> names;
  for (const api::MetricInfo& row : api::metric_table) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_THAT(page, testing::HasSubstr("| `sallyport_" + std::string(row.name) + "` |"));
    EXPECT_THAT(row.help, testing::EndsWith(".")) << row.name;
  }
  for (const media::MediaCounterInfo& info : media::media_counter_info) EXPECT_THAT(page, testing::HasSubstr(std::string(info.name).substr(info.name[0] == 'r' && info.name[2] == 'f' ? 8 : 0)));
  for (const abi::DropReasonInfo& info : abi::drop_reason_info) EXPECT_THAT(page, testing::HasSubstr("| `" + std::string(info.name) + "` | `" + info.stage + "` |"));
}

}  // namespace
}  // namespace sallyport::node
