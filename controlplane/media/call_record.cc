// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/call_record.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "controlplane/media/sdp_anchor.h"

namespace sallyport::media {
namespace {

namespace json = boost::json;

json::value to_json(const abi::Address& address) {
  if (!address.is_set()) return nullptr;
  return json::array{address_text(address), address.port};
}

abi::Address to_address(const json::value& value) {
  if (value.is_null()) return {};
  const json::array& parts = value.as_array();
  return parse_address(parts.at(0).as_string(), parts.at(1).to_number<uint16_t>()).value_or(abi::Address{});
}

json::object to_json(const StreamRecord& stream) {
  json::array flows;
  for (const FlowHandle& flow : stream.flows) flows.push_back(json::array{flow.index, flow.generation});
  return {{"line", stream.line},
          {"serial", stream.serial},
          {"kind", stream.kind},
          {"codec", stream.codec},
          {"face_protocol", stream.face_protocol},
          {"link_protocol", stream.link_protocol},
          {"port", stream.relay_port},
          {"mux", stream.multiplex_id},
          {"clock", stream.clock_rate_hz},
          {"rtcp_mux", stream.rtcp_mux},
          {"link_tag", stream.link_crypto_tag},
          {"face_tag", stream.face_crypto_tag},
          {"rtp", to_json(stream.face_rtp)},
          {"rtcp", to_json(stream.face_rtcp)},
          {"signalled", stream.face_matches_signalling},
          {"held_by_face", stream.held_by_face},
          {"held_by_link", stream.held_by_link},
          {"flows", std::move(flows)}};
}

std::string text_of(const json::object& object, const char* name) { return std::string(object.at(name).as_string()); }

StreamRecord to_stream(const json::object& object) {
  StreamRecord stream;
  stream.line = object.at("line").to_number<uint32_t>();
  stream.serial = object.at("serial").to_number<uint32_t>();
  stream.kind = text_of(object, "kind");
  stream.codec = text_of(object, "codec");
  stream.face_protocol = text_of(object, "face_protocol");
  stream.link_protocol = text_of(object, "link_protocol");
  stream.relay_port = object.at("port").to_number<uint16_t>();
  stream.multiplex_id = object.at("mux").to_number<uint32_t>();
  stream.clock_rate_hz = object.at("clock").to_number<uint32_t>();
  stream.rtcp_mux = object.at("rtcp_mux").as_bool();
  stream.link_crypto_tag = object.at("link_tag").to_number<uint32_t>();
  stream.face_crypto_tag = object.at("face_tag").to_number<uint32_t>();
  stream.face_rtp = to_address(object.at("rtp"));
  stream.face_rtcp = to_address(object.at("rtcp"));
  stream.face_matches_signalling = object.at("signalled").as_bool();
  stream.held_by_face = object.at("held_by_face").as_bool();
  stream.held_by_link = object.at("held_by_link").as_bool();
  const json::array& flows = object.at("flows").as_array();
  for (size_t i = 0; i < flows_per_stream; ++i) {
    stream.flows[i].index = flows.at(i).as_array().at(0).to_number<uint32_t>();
    stream.flows[i].generation = flows.at(i).as_array().at(1).to_number<uint32_t>();
  }
  return stream;
}

CallRecord to_record(const json::object& object) {
  CallRecord record;
  record.call_tag = object.at("tag").to_number<uint64_t>();
  record.call_id = text_of(object, "call_id");
  record.from_tag = text_of(object, "from_tag");
  record.branch = text_of(object, "branch");
  record.peer = text_of(object, "peer");
  record.link = object.at("link").to_number<uint16_t>();
  record.face = text_of(object, "face");
  record.correlation = text_of(object, "correlation");
  record.began_at_face = object.at("began_at_face").as_bool();
  record.from = text_of(object, "from");
  record.to = text_of(object, "to");
  record.started_unix_s = object.at("started").to_number<uint64_t>();
  record.lines = object.at("lines").to_number<uint32_t>();
  for (const json::value& stream : object.at("streams").as_array()) {
    record.streams.push_back(to_stream(stream.as_object()));
  }
  return record;
}

}  // namespace

std::string format_record(const CallRecord& record) {
  json::array streams;
  for (const StreamRecord& stream : record.streams) streams.push_back(to_json(stream));
  return json::serialize(json::object{{"tag", record.call_tag},
                                      {"call_id", record.call_id},
                                      {"from_tag", record.from_tag},
                                      {"branch", record.branch},
                                      {"peer", record.peer},
                                      {"link", record.link},
                                      {"face", record.face},
                                      {"correlation", record.correlation},
                                      {"began_at_face", record.began_at_face},
                                      {"from", record.from},
                                      {"to", record.to},
                                      {"started", record.started_unix_s},
                                      {"lines", record.lines},
                                      {"streams", std::move(streams)}});
}

std::optional<CallRecord> parse_record(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  // Boost.JSON reports a missing or ill-typed member by throwing; a line of ours that is damaged is just skipped.
  try {
    return to_record(value.get_object());
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace sallyport::media
