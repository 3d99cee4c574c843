// Fields of JSON objects that came from elsewhere: what is missing or of another kind counts as
// nothing, so that an older or newer daemon is no reason to fail.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace relais::ctl {

inline std::string text_of(const boost::json::object& o, std::string_view name) {
  const auto* v = o.if_contains(boost::json::string_view(name.data(), name.size()));
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

inline std::uint64_t number_of(const boost::json::object& o, std::string_view name) {
  const auto* v = o.if_contains(boost::json::string_view(name.data(), name.size()));
  if (v == nullptr) return 0;
  if (v->is_uint64()) return v->get_uint64();
  return v->is_int64() && v->get_int64() > 0 ? static_cast<std::uint64_t>(v->get_int64()) : 0;
}

inline bool flag_of(const boost::json::object& o, std::string_view name) {
  const auto* v = o.if_contains(boost::json::string_view(name.data(), name.size()));
  return v != nullptr && v->is_bool() && v->get_bool();
}

inline const boost::json::object& object_of(const boost::json::object& o, std::string_view name) {
  static const boost::json::object none;
  const auto* v = o.if_contains(boost::json::string_view(name.data(), name.size()));
  return v != nullptr && v->is_object() ? v->get_object() : none;
}

inline const boost::json::array& array_of(const boost::json::object& o, std::string_view name) {
  static const boost::json::array none;
  const auto* v = o.if_contains(boost::json::string_view(name.data(), name.size()));
  return v != nullptr && v->is_array() ? v->get_array() : none;
}

}  // namespace relais::ctl
