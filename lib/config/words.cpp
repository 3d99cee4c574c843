#include "config/words.hpp"

#include <array>

namespace relais::config {
namespace {

template <class E, std::size_t n>
using table = std::array<word<E>, n>;

constexpr table<listener_role, 2> roles{
    {{"relay", listener_role::relay}, {"submission", listener_role::submission}}};
constexpr table<listener_tls, 5> listener_tls_words{{{"auto", listener_tls::automatic},
                                                     {"none", listener_tls::none},
                                                     {"may", listener_tls::may},
                                                     {"encrypt", listener_tls::encrypt},
                                                     {"implicit", listener_tls::implicit}}};
constexpr table<tls_version, 10> versions{{{"auto", tls_version::automatic},
                                           {"1.0", tls_version::v1_0},
                                           {"1.1", tls_version::v1_1},
                                           {"1.2", tls_version::v1_2},
                                           {"1.3", tls_version::v1_3},
                                           {"TLSv1", tls_version::v1_0},
                                           {"TLSv1.0", tls_version::v1_0},
                                           {"TLSv1.1", tls_version::v1_1},
                                           {"TLSv1.2", tls_version::v1_2},
                                           {"TLSv1.3", tls_version::v1_3}}};
constexpr table<tristate, 5> tristates{{{"auto", tristate::automatic},
                                        {"yes", tristate::yes},
                                        {"no", tristate::no},
                                        {"true", tristate::yes},
                                        {"false", tristate::no}}};
constexpr table<newline_choice, 3> newline_words{{{"auto", newline_choice::automatic},
                                                  {"normalize", newline_choice::normalize},
                                                  {"reject", newline_choice::reject}}};
constexpr table<access_action, 3> actions{{{"accept", access_action::accept},
                                           {"reject", access_action::reject},
                                           {"defer", access_action::defer}}};
constexpr table<rate_of, 3> counted{{{"connections", rate_of::connections},
                                     {"messages", rate_of::messages},
                                     {"recipients", rate_of::recipients}}};
constexpr table<rate_per, 4> counted_per{{{"client", rate_per::client},
                                          {"network", rate_per::network},
                                          {"user", rate_per::user},
                                          {"sender", rate_per::sender}}};
constexpr table<hello_check, 3> hello_words{{{"off", hello_check::off},
                                             {"syntax", hello_check::syntax},
                                             {"resolvable", hello_check::resolvable}}};
constexpr table<reverse_dns_check, 3> reverse_words{{{"off", reverse_dns_check::off},
                                                     {"name", reverse_dns_check::name},
                                                     {"confirmed", reverse_dns_check::confirmed}}};
constexpr table<tls_choice, 6> tls_words{{{"auto", tls_choice::automatic},
                                          {"none", tls_choice::none},
                                          {"may", tls_choice::may},
                                          {"encrypt", tls_choice::encrypt},
                                          {"verify", tls_choice::verify},
                                          {"fingerprint", tls_choice::fingerprint}}};
constexpr table<route_action, 4> route_actions{{{"relay", route_action::relay},
                                                {"discard", route_action::discard},
                                                {"error", route_action::error},
                                                {"hold", route_action::hold}}};
constexpr table<route_protocol, 2> protocols{
    {{"smtp", route_protocol::smtp}, {"lmtp", route_protocol::lmtp}}};
constexpr table<reply_action, 4> reply_actions{{{"pause", reply_action::pause},
                                                {"slow_down", reply_action::slow_down},
                                                {"defer", reply_action::defer},
                                                {"bounce", reply_action::bounce}}};
constexpr table<log_level, 4> level_words{{{"debug", log_level::debug},
                                           {"info", log_level::info},
                                           {"warning", log_level::warning},
                                           {"error", log_level::error}}};

}  // namespace

std::span<const word<listener_role>> words(listener_role) {
  return roles;
}
std::span<const word<listener_tls>> words(listener_tls) {
  return listener_tls_words;
}
std::span<const word<tls_version>> words(tls_version) {
  return versions;
}
std::span<const word<tristate>> words(tristate) {
  return tristates;
}
std::span<const word<newline_choice>> words(newline_choice) {
  return newline_words;
}
std::span<const word<access_action>> words(access_action) {
  return actions;
}
std::span<const word<rate_of>> words(rate_of) {
  return counted;
}
std::span<const word<rate_per>> words(rate_per) {
  return counted_per;
}
std::span<const word<hello_check>> words(hello_check) {
  return hello_words;
}
std::span<const word<reverse_dns_check>> words(reverse_dns_check) {
  return reverse_words;
}
std::span<const word<tls_choice>> words(tls_choice) {
  return tls_words;
}
std::span<const word<route_action>> words(route_action) {
  return route_actions;
}
std::span<const word<route_protocol>> words(route_protocol) {
  return protocols;
}
std::span<const word<reply_action>> words(reply_action) {
  return reply_actions;
}
std::span<const word<log_level>> words(log_level) {
  return level_words;
}

}  // namespace relais::config
