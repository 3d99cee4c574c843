#include "daemon/log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

namespace relais::daemon {
namespace {

spdlog::level::level_enum to_spdlog(config::log_level level) {
  switch (level) {
    case config::log_level::debug: return spdlog::level::debug;
    case config::log_level::info: return spdlog::level::info;
    case config::log_level::warning: return spdlog::level::warn;
    case config::log_level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Lines that belong together go out in one write: a message to fifty recipients has fifty.
class lines_sink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t all;
    auto one = message;
    std::string_view rest(message.payload.data(), message.payload.size());
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      const auto line = rest.substr(0, end);
      one.payload = spdlog::string_view_t(line.data(), line.size());
      formatter_->format(one, all);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    std::fwrite(all.data(), 1, all.size(), stderr);
    std::fflush(stderr);
  }
  void flush_() override {}
};

class text_log final : public event_sink {
 public:
  explicit text_log(const config::log_settings& settings)
      : logger_("relais", std::make_shared<lines_sink>()), ident_(fmt::format("[{}]", ::getpid())) {
    logger_.set_level(to_spdlog(settings.level));
    // journald and container runtimes stamp lines themselves.
    logger_.set_pattern(settings.timestamps ? "%Y-%m-%dT%H:%M:%S.%e%z %v" : "%v");
  }

  void emit(const event& e) noexcept override { emit_all({&e, 1}); }

  void emit_all(std::span<const event> together) noexcept override {
    try {
      std::string lines;
      for (const auto& e : together) {
        const auto level = is_warning(e) ? spdlog::level::warn : spdlog::level::info;
        if (logger_.should_log(level)) append(lines, to_text(e));
      }
      // The levels have been looked at.
      if (!lines.empty()) logger_.log(spdlog::level::critical, lines);
    } catch (...) {
      // A log that cannot be written must not stop the mail.
    }
  }

 private:
  /// "component: text" becomes "relais/component[pid]: text".
  void append(std::string& lines, std::string_view text) const {
    while (!text.empty()) {
      const auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(text.size(), line.size() + 1));
      const auto colon = line.find(": ");
      if (colon == std::string_view::npos) continue;
      lines += "relais/";
      lines += line.substr(0, colon);
      lines += ident_;
      lines += line.substr(colon);
      lines += '\n';
    }
  }

  spdlog::logger logger_;
  std::string ident_;
};

}  // namespace

std::unique_ptr<event_sink> make_text_log(const config::log_settings& settings) {
  return std::make_unique<text_log>(settings);
}

}  // namespace relais::daemon
