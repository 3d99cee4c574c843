#include "daemon/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

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

class text_log final : public event_sink {
 public:
  explicit text_log(const config::log_settings& settings)
      : logger_("relais", std::make_shared<spdlog::sinks::stderr_sink_mt>()), pid_(::getpid()) {
    logger_.set_level(to_spdlog(settings.level));
    // journald and container runtimes stamp lines themselves.
    logger_.set_pattern(settings.timestamps ? "%Y-%m-%dT%H:%M:%S.%e%z %v" : "%v");
    logger_.flush_on(spdlog::level::trace);
  }

  void emit(const event& e) noexcept override {
    try {
      const auto level = is_warning(e) ? spdlog::level::warn : spdlog::level::info;
      if (!logger_.should_log(level)) return;
      const auto text = to_text(e);
      for (std::string_view rest = text; !rest.empty();) {
        const auto end = rest.find('\n');
        write(level, rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      }
    } catch (...) {
      // A log that cannot be written must not stop the mail.
    }
  }

 private:
  void write(spdlog::level::level_enum level, std::string_view line) {
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) return;
    logger_.log(level, "relais/{}[{}]: {}", line.substr(0, colon), pid_, line.substr(colon + 2));
  }

  spdlog::logger logger_;
  pid_t pid_;
};

}  // namespace

std::unique_ptr<event_sink> make_text_log(const config::log_settings& settings) {
  return std::make_unique<text_log>(settings);
}

}  // namespace relais::daemon
