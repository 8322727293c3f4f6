// SPDX-License-Identifier: Apache-2.0
#include "controlplane/xmpp/xml_element.h"

#include <expat.h>

#include <memory>
#include <tuple>

namespace sallyport::xmpp {
namespace {

constexpr size_t max_depth = 16, max_elements = 1024;
constexpr char separator = ' ';  // no namespace name has one

struct Reader {
  XML_Parser parser = nullptr;
  size_t offset = 0;  // of the element within what the parser was fed
  int outside = 0;    // elements around it
  XmlElement root;
  std::vector<XmlElement*> open;
  size_t elements = 0, depth = 0;
  bool is_bad = false;

  size_t here() const { return static_cast<size_t>(XML_GetCurrentByteIndex(parser)); }
};

std::pair<std::string, std::string> split(const char* name) {
  const std::string_view text(name);
  const size_t mark = text.find(separator);
  if (mark == std::string_view::npos) return {"", std::string(text)};
  return {std::string(text.substr(0, mark)), std::string(text.substr(mark + 1))};
}

void stop(Reader& reader) {
  reader.is_bad = true;
  XML_StopParser(reader.parser, XML_FALSE);
}

void on_start(void* data, const char* name, const char** attributes) {
  Reader& reader = *static_cast<Reader*>(data);
  if (++reader.depth > max_depth || ++reader.elements > max_elements) return stop(reader);
  if (reader.outside > 0 && static_cast<int>(reader.depth) <= reader.outside) return;
  XmlElement* element = &reader.root;
  if (!reader.open.empty()) element = &reader.open.back()->children.emplace_back();
  std::tie(element->space, element->name) = split(name);
  for (; *attributes != nullptr; attributes += 2) element->attributes.emplace_back(attributes[0], attributes[1]);
  element->from = reader.here() - reader.offset;
  reader.open.push_back(element);
}

void on_end(void* data, const char*) {
  Reader& reader = *static_cast<Reader*>(data);
  --reader.depth;
  if (reader.open.empty()) return;
  // Of an empty-element tag the second event stands behind it and has no bytes.
  const auto bytes = static_cast<size_t>(XML_GetCurrentByteCount(reader.parser));
  reader.open.back()->to = reader.here() - reader.offset + bytes;
  reader.open.pop_back();
}

void on_text(void* data, const char* text, int length) {
  Reader& reader = *static_cast<Reader*>(data);
  if (!reader.open.empty()) reader.open.back()->text.append(text, static_cast<size_t>(length));
}

void on_doctype(void* data, const char*, const char*, const char*, int) { stop(*static_cast<Reader*>(data)); }

struct Parser {
  Parser() : parser(XML_ParserCreateNS("UTF-8", separator)) {}
  ~Parser() { XML_ParserFree(parser); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  XML_Parser parser;
};

bool feed(XML_Parser parser, std::string_view bytes, bool is_final) { return XML_Parse(parser, bytes.data(), static_cast<int>(bytes.size()), is_final ? 1 : 0) == XML_STATUS_OK; }

Fault malformed(XML_Parser parser, std::string_view what) {
  const XML_Error code = XML_GetErrorCode(parser);
  const std::string cause = code == XML_ERROR_NONE ? "it is not whole" : code == XML_ERROR_ABORTED ? "it has a DOCTYPE, or too many elements" : XML_ErrorString(code);
  return {FaultCode::invalid, std::string(what), "is not XML as RFC 6120 wants it: " + cause, "the sender must mend it"};
}

}  // namespace

const std::string& XmlElement::attribute(std::string_view wanted) const {
  static const std::string none;
  for (const auto& [attribute_name, value] : attributes)
    if (attribute_name == wanted) return value;
  return none;
}

const XmlElement* XmlElement::child(std::string_view in_space, std::string_view wanted) const {
  for (const XmlElement& each : children)
    if (each.is(in_space, wanted)) return &each;
  return nullptr;
}

Outcome<XmlElement> parse_element(std::string_view bytes, std::string_view header) {
  Parser parser;
  if (parser.parser == nullptr) return Fault{FaultCode::exhausted, "XML", "no memory for a parser", "add memory"};
  auto reader = std::make_unique<Reader>();
  reader->parser = parser.parser;
  XML_SetUserData(parser.parser, reader.get());
  XML_SetElementHandler(parser.parser, on_start, on_end);
  XML_SetCharacterDataHandler(parser.parser, on_text);
  XML_SetStartDoctypeDeclHandler(parser.parser, on_doctype);
  reader->outside = header.empty() ? 0 : 1;
  reader->offset = header.size();
  if (!header.empty() && !feed(parser.parser, header, false)) return malformed(parser.parser, "stream header");
  // Within a stream the root is never closed.
  const bool is_parsed = feed(parser.parser, bytes, header.empty());
  if (!is_parsed || reader->is_bad || reader->root.name.empty() || !reader->open.empty()) return malformed(parser.parser, "stanza");
  return std::move(reader->root);
}

Outcome<StreamHeader> parse_stream_header(std::string_view bytes) {
  Parser parser;
  if (parser.parser == nullptr) return Fault{FaultCode::exhausted, "XML", "no memory for a parser", "add memory"};
  struct Found {
    XML_Parser parser;
    StreamHeader header;
    std::string space, name;
    bool is_bad = false;
  } found{parser.parser, {}, {}, {}};
  XML_SetUserData(parser.parser, &found);
  XML_SetStartElementHandler(parser.parser, [](void* data, const char* name, const char** attributes) {
    Found& into = *static_cast<Found*>(data);
    std::tie(into.space, into.name) = split(name);
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view attribute = attributes[0];
      StreamHeader& header = into.header;
      if (attribute == "to") header.to = attributes[1];
      else if (attribute == "from") header.from = attributes[1];
      else if (attribute == "id") header.id = attributes[1];
      else if (attribute == "version") header.version = attributes[1];
      else if (attribute == "http://www.w3.org/XML/1998/namespace lang") header.lang = attributes[1];
    }
  });
  XML_SetStartNamespaceDeclHandler(parser.parser, [](void* data, const char* prefix, const char* uri) {
    if (prefix == nullptr && uri != nullptr) static_cast<Found*>(data)->header.content_space = uri;
  });
  XML_SetXmlDeclHandler(parser.parser, [](void* data, const char*, const char* encoding, int) {
    if (encoding != nullptr) static_cast<Found*>(data)->header.encoding = encoding;
  });
  XML_SetStartDoctypeDeclHandler(parser.parser, [](void* data, const char*, const char*, const char*, int) {
    static_cast<Found*>(data)->is_bad = true;
    XML_StopParser(static_cast<Found*>(data)->parser, XML_FALSE);
  });
  if (!feed(parser.parser, bytes, false) || found.is_bad) return malformed(parser.parser, "stream header");
  if (found.name != "stream" || found.space != ns::stream) return Fault{FaultCode::invalid, "stream header", "is no <stream:stream> of RFC 6120", "speak XMPP on this port"};
  return found.header;
}

std::string format_stream_header(const StreamHeader& header) {
  std::string text = "<?xml version='1.0'?><stream:stream xmlns='" + escape_xml(header.content_space) + "' xmlns:stream='http://etherx.jabber.org/streams'";
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += std::string(" ") + name + "='" + escape_xml(value) + "'";
  };
  add("to", header.to);
  add("from", header.from);
  add("id", header.id);
  add("version", header.version);
  add("xml:lang", header.lang);
  return text + ">";
}

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '&': escaped += "&amp;"; break;
      case '\'': escaped += "&apos;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

}  // namespace sallyport::xmpp
