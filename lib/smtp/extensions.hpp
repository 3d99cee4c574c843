// The service extensions that our server offers: what EHLO announces, and the parameters that they
// add to MAIL and RCPT (RFC 5321 4.1.1.11): SIZE (RFC 1870), 8BITMIME (RFC 6152), PIPELINING (RFC
// 2920), ENHANCEDSTATUSCODES (RFC 2034). A new extension begins here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "smtp/envelope.hpp"
#include "smtp/replies.hpp"

namespace relais::smtp {

struct mail_parameters {
  std::uint64_t size = 0;  ///< 0 = not declared
  body_type body = body_type::seven_bit;
};

class offered_extensions {
 public:
  /// `message_size`: the limit of SIZE, 0 = none.
  explicit offered_extensions(std::uint64_t message_size);
  offered_extensions(const offered_extensions&) = delete;  // keywords() leads into the object
  offered_extensions& operator=(const offered_extensions&) = delete;

  std::span<const std::string_view> keywords() const noexcept { return keywords_; }
  /// The parameters of MAIL, read into `into`; or the reply that refuses them.
  std::optional<reply_id> parse_mail(std::string_view parameters, mail_parameters& into) const;
  /// No offered extension adds a parameter to RCPT.
  std::optional<reply_id> parse_rcpt(std::string_view parameters) const;

 private:
  std::uint64_t message_size_;
  std::string size_keyword_;
  std::array<std::string_view, 5> keywords_;
};

}  // namespace relais::smtp
