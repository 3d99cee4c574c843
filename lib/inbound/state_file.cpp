#include "inbound/state_file.hpp"

#include <array>
#include <utility>

#include "base/error.hpp"

namespace relais::inbound {
namespace {

// Far above what the bounds of a greylist allow.
constexpr std::uint64_t largest = 256u << 20;

class disk_state_file final : public state_file {
 public:
  disk_state_file(spool::disk& disk, spool::runner& writer, std::string name,
                  std::function<void(const std::string&)> report)
      : writer_(writer), state_(std::make_shared<state>(disk)) {
    state_->name = std::move(name);
    state_->report = std::move(report);
  }

  result<std::string> read() override {
    auto opened = state_->disk.open(state_->name, spool::open_mode::read);
    if (!opened) {
      if (opened.error() == errc::not_found) return std::string();
      return opened.error();
    }
    const auto size = (*opened)->size();
    if (!size) return size.error();
    if (*size > largest) return make_error_code(errc::out_of_memory_budget);
    auto content = (*opened)->read_at(0, static_cast<std::size_t>(*size));
    if (content) state_->end = content->size();
    return content;
  }

  void append(std::string lines) override {
    writer_.run([s = state_, octets = std::move(lines)] { s->settle(s->append(octets)); });
  }
  void replace(std::string content) override {
    writer_.run([s = state_, octets = std::move(content)] { s->settle(s->replace(octets)); });
  }

 private:
  // Belongs to the writer's thread from the first job on.
  struct state {
    explicit state(spool::disk& d) : disk(d) {}

    error_code append(const std::string& octets) {
      if (!file) {
        auto opened = disk.open(name, spool::open_mode::read_write);
        if (!opened && opened.error() == errc::not_found)
          opened = disk.open(name, spool::open_mode::create_new);
        if (!opened) return opened.error();
        file = std::move(*opened);
      }
      const std::array<std::string_view, 1> parts{octets};
      // Behind a failure the next lines take the place of what was written in part.
      if (const auto failure = file->write_at(end, parts)) return failure;
      end += octets.size();
      return {};
    }

    error_code replace(const std::string& octets) {
      const auto fresh = name + ".new";
      if (const auto failure = disk.remove(fresh); failure && failure != errc::not_found)
        return failure;
      auto opened = disk.open(fresh, spool::open_mode::create_new);
      if (!opened) return opened.error();
      const std::array<std::string_view, 1> parts{octets};
      if (const auto failure = (*opened)->write_at(0, parts)) return failure;
      if (const auto failure = (*opened)->sync()) return failure;
      if (const auto failure = disk.rename(fresh, name)) return failure;
      file = std::move(*opened);
      end = octets.size();
      return disk.sync_directory(".");
    }

    void settle(error_code failure) {
      if (failure && !std::exchange(failing, true))
        report("the file " + name + " cannot be written: " + failure.message());
      if (!failure) failing = false;
    }

    spool::disk& disk;
    std::string name;
    std::function<void(const std::string&)> report;
    std::unique_ptr<spool::file> file;
    std::uint64_t end = 0;
    bool failing = false;
  };

  spool::runner& writer_;
  std::shared_ptr<state> state_;
};

}  // namespace

std::unique_ptr<state_file> make_state_file(spool::disk& disk, spool::runner& writer,
                                            std::string name,
                                            std::function<void(const std::string&)> report) {
  return std::make_unique<disk_state_file>(disk, writer, std::move(name), std::move(report));
}

}  // namespace relais::inbound
