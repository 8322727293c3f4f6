// SPDX-License-Identifier: Apache-2.0
#pragma once
// HttpReader: reads one HTTP/1.1 message from bytes as they arrive, within limits. Hides Beast, which is compiled in http_message.cc
// and nowhere else in this folder. What it is fed is hostile; a Fault is final. One thread, no socket of its own.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::http {

struct HttpLimits {
  uint32_t header_bytes = 16 << 10;
  uint64_t body_bytes = 1 << 20;
};

struct HttpMessage {
  unsigned status = 0;         // of an answer
  std::string method, target;  // of a request
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case, in order
  std::string body;

  // The first of that name (lower case); nullptr: none.
  const std::string* find(std::string_view name) const;
  // "application/json", without parameters, lower case; empty: none.
  std::string media_type() const;
};

class HttpReader {
 public:
  enum class Kind : uint8_t { request, answer, answer_without_body };
  HttpReader(Kind kind, HttpLimits limits);
  ~HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  // True: the message is complete; what came behind it is ignored.
  Outcome<bool> put(std::string_view bytes);
  // The peer ended: complete if the message was to last until then.
  Outcome<> put_end();
  HttpMessage take();

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace sallyport::http
