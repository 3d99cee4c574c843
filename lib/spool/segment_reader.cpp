#include "spool/segment_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "spool/crc32c.hpp"

namespace relais::spool {
namespace {

constexpr std::size_t large_step = 1u << 20;
constexpr std::size_t small_step = block_size;  // where only heads of records are looked at
constexpr std::string_view mark = "@SP1 ";

std::uint64_t next_block(std::uint64_t offset) noexcept {
  return (offset + block_size - 1) / block_size * block_size;
}

/// A part of the file in memory, moved along.
class window {
 public:
  window(file& from, std::uint64_t size, std::size_t step)
      : file_(from), size_(size), step_(step) {}

  /// `length` octets from there, fewer at the end of the segment. Valid until the next call.
  result<std::string_view> view(std::uint64_t offset, std::uint64_t length) {
    const auto end = std::min(size_, offset + length);
    if (offset >= end) return std::string_view();
    if (offset < begin_ || end > begin_ + octets_.size()) {
      const auto wanted = std::max<std::uint64_t>(end - offset, step_);
      auto got = file_.read_at(
          offset, static_cast<std::size_t>(std::min<std::uint64_t>(wanted, size_ - offset)));
      if (!got) return got.error();
      octets_ = std::move(*got);
      begin_ = offset;
    }
    return std::string_view(octets_).substr(static_cast<std::size_t>(offset - begin_),
                                            static_cast<std::size_t>(end - offset));
  }

 private:
  file& file_;
  std::uint64_t size_;
  std::size_t step_;
  std::uint64_t begin_ = 0;
  std::string octets_;
};

struct found_record {
  record_header header;
  std::uint64_t offset = 0;
  std::string text;
  bool verified = true;
};

struct hole {
  std::uint64_t from = 0, to = 0;
  const char* what = "";
};

class walker {
 public:
  walker(file& from, const read_request& request,
         const std::function<void(const record_view&)>& take,
         const std::function<void(const std::string&)>& complain)
      : request_(request),
        window_(from, request.size, request.verify_bodies ? large_step : small_step),
        search_(from, request.size, large_step),
        take_(take),
        complain_(complain) {
    outcome_.end = request.from;
  }

  result<read_outcome> walk() {
    at_ = request_.from;
    bool more = true;
    while (more) {
      const auto error = step(more);
      if (error) return error;
    }
    if (outcome_.end < request_.known_end) missing_end();
    // What is left was never whole, and nothing came after it.
    if (!records_.empty() || !holes_.empty() || in_doubt_) {
      const auto first = !records_.empty() ? records_.front().offset : outcome_.end;
      outcome_.torn = std::max<std::uint64_t>(1, at_ - std::min(at_, first));
    }
    return outcome_;
  }

 private:
  /// One record, or one hole.
  error_code step(bool& more) {
    auto octets = window_.view(at_, record_header_size);
    if (!octets) return octets.error();
    const auto header = valid_header(*octets);
    if (!header || header->size() > request_.size - at_) return skip_hole(more);
    later_evidence();
    if (header->type == record_type::commit) return commit(*header);
    found_record r;
    r.header = *header;
    r.offset = at_;
    bool good = false;
    if (const auto error = read_text(r, good)) return error;
    if (good) {
      records_.push_back(std::move(r));
    } else {
      holes_.push_back({at_, at_ + header->size(), "a record does not match its checksum"});
    }
    advance(*header);
    return {};
  }

  std::optional<record_header> valid_header(std::string_view octets) const {
    auto header = decode_header(octets);
    if (!header || request_.believe_anything) return header;
    if (header->generation != request_.generation) return {};
    if (header->sequence < request_.first_sequence ||
        header->sequence <= outcome_.highest_sequence) {
      return {};
    }
    return header;
  }

  void advance(const record_header& header) {
    outcome_.highest_sequence = std::max(outcome_.highest_sequence, header.sequence);
    at_ += header.size();
  }

  error_code read_text(found_record& r, bool& good) {
    const auto& h = r.header;
    auto text = window_.view(r.offset + record_header_size, h.text_size);
    if (!text) return text.error();
    r.text = *text;
    if (r.text.size() != h.text_size) return {};
    r.verified = request_.verify_bodies || h.body_size == 0;
    good = true;
    if (!r.verified) return {};
    auto sum = crc32c(r.text);
    auto at = r.offset + record_header_size + h.text_size;
    for (auto left = h.body_size; left > 0;) {
      auto part = window_.view(at, std::min<std::uint64_t>(left, large_step));
      if (!part) return part.error();
      if (part->empty()) break;
      sum = crc32c(*part, sum);
      at += part->size();
      left -= part->size();
    }
    good = sum == h.checksum;
    return {};
  }

  /// No record here. Either nothing follows, or something is damaged.
  error_code skip_hole(bool& more) {
    std::uint64_t next = 0;
    if (const auto error = find_record(at_ + 8, next)) return error;
    if (next == 0) {
      more = false;
      return {};
    }
    holes_.push_back({at_, next, "what is there is no record"});
    at_ = next;
    return {};
  }

  error_code find_record(std::uint64_t from, std::uint64_t& found) {
    for (std::uint64_t at = from; at + record_header_size <= request_.size;) {
      // Overlapping steps, so that a header across the border of two is found.
      auto octets = search_.view(at, large_step);
      if (!octets) return octets.error();
      for (auto hit = octets->find(mark); hit != std::string_view::npos;
           hit = octets->find(mark, hit + 1)) {
        if ((at + hit) % 8 != 0 || octets->size() - hit < record_header_size) continue;
        if (valid_header(octets->substr(hit))) {
          found = at + hit;
          return {};
        }
      }
      if (octets->size() < large_step) break;
      at += large_step - record_header_size;
    }
    return {};
  }

  error_code commit(const record_header& header) {
    found_record r;
    r.header = header;
    r.offset = at_;
    bool good = false;
    if (const auto error = read_text(r, good)) return error;
    const auto c = good ? decode_commit(r.text) : std::optional<commit_text>();
    const auto begin_of_commit = at_;
    advance(header);
    if (!c) {
      holes_.push_back({begin_of_commit, at_, "the end of a batch is damaged"});
      return {};
    }
    // What lies before this batch was committed, too, or this one would not be there.
    salvage_before(c->from);
    const bool whole = holes_.empty() && records_.size() == c->records &&
                       (records_.empty() || records_.front().offset == c->from);
    at_ = next_block(at_);
    outcome_.highest_id = std::max(outcome_.highest_id, c->highest_id);
    if (whole) {
      hand_out(records_.size());
      outcome_.end = at_;
    } else {
      in_doubt_ = true;
    }
    return {};
  }

  /// A valid record behind a batch that is not whole: that batch had been synced, so it was
  /// acknowledged, and what is missing of it is damage.
  void later_evidence() {
    if (!in_doubt_) return;
    in_doubt_ = false;
    report_holes(holes_.size());
    hand_out(records_.size());
    outcome_.end = at_;
  }

  /// No later batch is in this segment, but it is known that there were some.
  void missing_end() {
    if (records_.empty() && holes_.empty()) {
      complain_(
          fmt::format("offset {} to {}: batches are missing", outcome_.end, request_.known_end));
    } else {
      if (holes_.empty()) complain_(fmt::format("offset {}: the end of a batch is missing", at_));
      report_holes(holes_.size());
      hand_out(records_.size());
    }
    in_doubt_ = false;
    outcome_.end = std::max(next_block(at_), request_.known_end);
  }

  void salvage_before(std::uint64_t offset) {
    const auto records = std::ranges::partition_point(
        records_, [&](const found_record& r) { return r.offset < offset; });
    const auto holes =
        std::ranges::partition_point(holes_, [&](const hole& h) { return h.from < offset; });
    const auto count = records - records_.begin();
    // A hole that begins at the batch's own begin is this batch's.
    if (count == 0 && holes == holes_.begin()) return;
    if (holes == holes_.begin()) {
      complain_(fmt::format("before offset {}: the end of a batch is missing", offset));
    }
    report_holes(static_cast<std::size_t>(holes - holes_.begin()), offset);
    hand_out(static_cast<std::size_t>(count));
  }

  void report_holes(std::size_t count, std::uint64_t border = UINT64_MAX) {
    std::vector<hole> rest;
    for (std::size_t i = 0; i < holes_.size(); ++i) {
      const auto& h = holes_[i];
      // A hole over the border damages both sides.
      if (i >= count || h.to > border)
        rest.push_back({std::max(h.from, i < count ? border : h.from), h.to, h.what});
      if (i < count)
        complain_(fmt::format("offset {} to {}: {}", h.from, std::min(h.to, border), h.what));
    }
    holes_ = std::move(rest);
  }

  void hand_out(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto& r = records_[i];
      take_({r.header, r.offset, r.text, r.verified});
    }
    outcome_.records += count;
    records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(count));
  }

  const read_request& request_;
  window window_;
  window search_;
  const std::function<void(const record_view&)>& take_;
  const std::function<void(const std::string&)>& complain_;
  read_outcome outcome_;
  std::uint64_t at_ = 0;
  std::vector<found_record> records_;  // since the last whole batch
  std::vector<hole> holes_;            // likewise
  bool in_doubt_ = false;              // its commit was there, but not all of it
};

}  // namespace

result<read_outcome> read_segment(file& from, const read_request& request,
                                  const std::function<void(const record_view&)>& take,
                                  const std::function<void(const std::string&)>& complain) {
  return walker(from, request, take, complain).walk();
}

}  // namespace relais::spool
