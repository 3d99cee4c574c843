#include "bench/file_per_message.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "bench/subject.hpp"

namespace relais::bench {
namespace {

/// Directories that take the names, so that threads do not wait for one directory only.
constexpr std::size_t folders = 16;

struct open_folder {
  int fd = -1;
  explicit open_folder(const std::string& name) {
    ::mkdir(name.c_str(), 0700);
    fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) broken("cannot open " + name);
  }
  open_folder(open_folder&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~open_folder() {
    if (fd >= 0) ::close(fd);
  }
};

struct tree {
  explicit tree(const std::string& directory) : incoming(directory + "/incoming") {
    for (std::size_t i = 0; i < folders; ++i) {
      messages.emplace_back(fmt::format("{}/{:x}", directory, i));
    }
  }
  open_folder incoming;
  std::vector<open_folder> messages;
};

void write_file(const tree& t, const message_source& source, const spool::message& m,
                std::size_t size) {
  const auto name = m.id.text();
  const auto& folder = t.messages[m.id.value % folders];
  const int fd =
      ::openat(t.incoming.fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  // As much as the log writes for a message besides its content.
  auto head = fmt::format("from:{}\nto:{}\n", m.envelope.reverse_path.text(),
                          m.envelope.forward_paths[0].text());
  head.resize(256, ' ');
  auto content = source.content_of(m.id, size);
  iovec parts[] = {{head.data(), head.size()}, {const_cast<char*>(content.data()), content.size()}};
  if (fd < 0 || ::writev(fd, parts, 2) != static_cast<ssize_t>(head.size() + size) ||
      ::fsync(fd) != 0 || ::close(fd) != 0 ||
      ::renameat(t.incoming.fd, name.c_str(), folder.fd, name.c_str()) != 0 ||
      ::fsync(folder.fd) != 0) {
    broken("a file per message: cannot write " + name);
  }
}

}  // namespace

load_result write_files(const std::string& directory, message_source& source, std::size_t size,
                        std::size_t outstanding, double seconds) {
  const tree t(directory);
  std::vector<load_result> parts(std::min(outstanding, most_file_threads));
  std::vector<std::thread> threads;
  const auto begin = now();
  const auto end = begin + static_cast<nanos>(seconds * 1e9);
  for (auto& part : parts) {
    threads.emplace_back([&] {
      for (auto last = now(); last < end;) {
        write_file(t, source, *source.make_empty(), size);
        const auto done = now();
        part.latency.add(done - last);
        if (done <= end) ++part.acknowledged;
        last = done;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  load_result sum;
  sum.seconds = seconds;
  for (const auto& part : parts) {
    sum.acknowledged += part.acknowledged;
    sum.latency.merge(part.latency);
  }
  return sum;
}

void remove_files(const std::string& directory) {
  std::error_code none;
  std::filesystem::remove_all(directory, none);
  std::filesystem::create_directory(directory, none);
}

}  // namespace relais::bench
