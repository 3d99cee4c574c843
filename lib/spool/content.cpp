#include "spool/content.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

/// How often a reader follows a message that compaction moves.
constexpr int most_moves = 5;

struct located {
  place at;
  std::uint64_t body_size = 0;
  std::shared_ptr<file> handle;
};

result<located> locate(log_state& state, queue_id id) {
  const std::lock_guard lock(state.mutex);
  const auto* entry = state.index.find(id);
  if (entry == nullptr) return make_error_code(errc::not_found);
  const auto* s = state.segments.find(entry->at.segment);
  if (s == nullptr) return make_error_code(errc::corrupt);
  auto handle = state.segments.open(*s);
  if (!handle) return handle.error();
  return located{entry->at, entry->is_large ? 0 : entry->content_size, std::move(*handle)};
}

result<log_record> read_at(const located& l, queue_id id) {
  char head[record_header_size];
  log_record r;
  r.text.resize(l.at.text_size);
  r.body.resize(static_cast<std::size_t>(l.body_size));
  const std::span<char> parts[] = {head, r.text, r.body};
  const auto got = l.handle->read_at(l.at.offset, parts);
  if (!got) return got.error();
  const auto header = decode_header({head, sizeof head});
  if (*got != sizeof head + r.text.size() + r.body.size() || !header || header->id != id.value ||
      !header->has_message() || header->text_size != r.text.size() ||
      header->body_size != r.body.size() || crc32c(r.body, crc32c(r.text)) != header->checksum) {
    return make_error_code(errc::corrupt);
  }
  return r;
}

class memory_reader final : public content_reader {
 public:
  explicit memory_reader(std::string content) : content_(std::move(content)) {}
  std::uint64_t size() const noexcept override { return content_.size(); }
  result<std::string> next(std::size_t limit) override {
    auto piece = content_.substr(at_, limit);
    at_ += piece.size();
    return piece;
  }

 private:
  std::string content_;
  std::size_t at_ = 0;
};

class file_reader final : public content_reader {
 public:
  file_reader(std::unique_ptr<file> from, const large_content& expected)
      : file_(std::move(from)), expected_(expected) {}
  std::uint64_t size() const noexcept override { return expected_.size; }
  result<std::string> next(std::size_t limit) override {
    const auto left = expected_.size - at_;
    if (left == 0) return std::string();
    auto piece =
        file_->read_at(at_, static_cast<std::size_t>(std::min<std::uint64_t>(left, limit)));
    if (!piece) return piece.error();
    if (piece->empty()) return make_error_code(errc::corrupt);  // shorter than it was
    at_ += piece->size();
    sum_ = crc32c(*piece, sum_);
    if (at_ == expected_.size && sum_ != expected_.checksum) return make_error_code(errc::corrupt);
    return piece;
  }

 private:
  std::unique_ptr<file> file_;
  large_content expected_;
  std::uint64_t at_ = 0;
  std::uint32_t sum_ = 0;
};

class file_writer final : public large_writer {
 public:
  file_writer(log_state& state, std::shared_ptr<large_folder> folder, std::uint64_t failures,
              std::unique_ptr<file> to, queue_id id)
      : state_(state),
        folder_(std::move(folder)),
        failures_(failures),
        file_(std::move(to)),
        id_(id) {}
  file_writer(const file_writer&) = delete;
  file_writer& operator=(const file_writer&) = delete;
  ~file_writer() override {
    if (!finished_) (void)state_.world.storage.remove(layout::large_file(id_));
  }

  error_code write(std::string_view octets) override {
    if (error_) return error_;
    error_ = file_->write_at(written_.size, std::span(&octets, 1));
    if (error_) return error_;
    written_.size += octets.size();
    written_.checksum = crc32c(octets, written_.checksum);
    state_.octets_written += octets.size();
    return {};
  }

  result<large_content> finish() override {
    if (!error_) error_ = file_->sync();
    if (!error_ && state_.options.fault != known_fault::no_directory_sync) error_ = sync_name();
    if (error_) return error_;
    finished_ = true;
    return written_;
  }

 private:
  error_code sync_name() {
    const std::lock_guard lock(folder_->mutex);
    if (folder_->failures != failures_) return errc::io_error;
    const auto error = state_.world.storage.sync_directory(folder_->name);
    if (error) ++folder_->failures;
    return error;
  }

  log_state& state_;
  std::shared_ptr<large_folder> folder_;
  std::uint64_t failures_;  // of the folder, when the file was made
  std::unique_ptr<file> file_;
  queue_id id_;
  large_content written_;
  error_code error_;  // the first one: after it the file is not to be trusted
  bool finished_ = false;
};

}  // namespace

result<log_record> read_record(log_state& state, queue_id id) {
  auto at = locate(state, id);
  for (int move = 0; at && move < most_moves; ++move) {
    auto record = read_at(*at, id);
    if (record || record.error() != errc::corrupt) return record;
    // Damaged, or moved meanwhile and its segment written anew.
    auto again = locate(state, id);
    if (again && again->at.segment == at->at.segment && again->at.offset == at->at.offset) {
      return record;
    }
    at = std::move(again);
  }
  return at ? make_error_code(errc::corrupt) : at.error();
}

result<std::shared_ptr<const message>> read_message(log_state& state, queue_id id) {
  auto record = read_record(state, id);
  if (!record) return record.error();
  auto decoded = decode_envelope(record->text);
  if (!decoded) return make_error_code(errc::corrupt);
  auto m = std::make_shared<message>();
  m->id = id;
  m->arrival = decoded->arrival;
  m->envelope = std::move(decoded->envelope);
  m->content = std::move(record->body);
  if (decoded->large) {
    auto content = open_content(state, id);
    if (!content) return content.error();
    m->content.clear();
    for (;;) {
      auto piece = (*content)->next(1u << 20);
      if (!piece) return piece.error();
      if (piece->empty()) break;
      m->content += *piece;
    }
  }
  return std::shared_ptr<const message>(std::move(m));
}

result<std::unique_ptr<content_reader>> open_content(log_state& state, queue_id id) {
  auto record = read_record(state, id);
  if (!record) return record.error();
  const auto outline = outline_envelope(record->text);
  if (!outline) return make_error_code(errc::corrupt);
  if (!outline->large) {
    return std::unique_ptr<content_reader>(
        std::make_unique<memory_reader>(std::move(record->body)));
  }
  auto opened = state.world.storage.open(layout::large_file(id), open_mode::read);
  if (!opened)
    return opened.error() == errc::not_found ? make_error_code(errc::corrupt) : opened.error();
  return std::unique_ptr<content_reader>(
      std::make_unique<file_reader>(std::move(*opened), *outline->large));
}

result<std::shared_ptr<large_folder>> large_files::folder_of(queue_id id) {
  const auto name = layout::large_folder(id);
  const std::lock_guard lock(mutex_);
  auto& known = folders_[name];
  if (known) return known;
  if (const auto error = state_.world.storage.make_directory(name)) return error;
  if (const auto error = state_.world.storage.sync_directory(layout::large)) return error;
  known = std::make_shared<large_folder>(name);
  return known;
}

result<std::unique_ptr<large_writer>> large_files::create(queue_id id) {
  state_.look_at_space();
  if (state_.has_failed) return make_error_code(errc::io_error);
  if (state_.free_bytes < state_.options.minimum_free_bytes ||
      state_.free_inodes <= state_.options.minimum_free_inodes) {
    return make_error_code(errc::no_space);
  }
  const auto found = folder_of(id);
  if (!found) return found.error();
  const auto& folder = *found;
  const std::lock_guard lock(folder->mutex);
  auto opened = state_.world.storage.open(layout::large_file(id), open_mode::create_new);
  if (!opened) return opened.error();
  return std::unique_ptr<large_writer>(
      std::make_unique<file_writer>(state_, folder, folder->failures, std::move(*opened), id));
}

}  // namespace relais::spool
