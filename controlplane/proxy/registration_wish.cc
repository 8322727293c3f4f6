// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/registration_wish.h"

#include "controlplane/sip/grammar.h"
#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

using sip::HeaderId;

RegistrationWish::RegistrationWish(const sip::Message& request, std::string_view text) {
  const auto kept = [&](std::string_view part) { return part.empty() ? std::string_view{} : text.substr(request.offset(part), part.size()); };
  if (request.to() != nullptr) aor = kept(request.to()->uri.text);
  user_agent = kept(request.value(HeaderId::user_agent));
  contacts.reserve(1);
  for (const sip::HeaderValue& value : sip::values(request, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact || contacts.size() == most_contacts) break;
    if (contact->is_star) {
      is_star = true;
      break;
    }
    const auto reg_id = contact->params.find("reg-id");
    contacts.push_back({kept(contact->uri.text), kept(contact->params.value("+sip.instance")), reg_id ? sip::parse_number(reg_id->value).value_or(0) : 0,
                        reg_id.has_value()});
  }
}

}  // namespace sallyport::proxy
