// What the tests of AUTH share: a clock that is set, files in a directory of their own, a network
// of scripted peers, hashing on threads or by hand, and a client that speaks to the authenticator.
#pragma once

#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/make_authenticator.hpp"
#include "base/error.hpp"
#include "dns/resolver.hpp"
#include "net/runtime.hpp"
#include "support/run_task.hpp"

namespace relais::testing {

class set_clock final : public relais::clock {
 public:
  steady_time now() const override { return steady_time(elapsed); }
  wall_time wall() const override {
    return wall_time(std::chrono::seconds(1'800'000'000)) +
           std::chrono::duration_cast<std::chrono::microseconds>(elapsed);
  }
  duration elapsed{std::chrono::hours(1)};
};

/// Answers what is written with what the script makes of it; at "", it is silent; ends when the
/// script says so.
struct peer {
  std::function<std::string(const std::string&)> answer;  ///< of all that was written so far
  std::string greeting;
  std::string written;
  bool ends = false;  ///< behind what it has said, it closes
};

class peer_transport final : public net::transport {
 public:
  explicit peer_transport(std::shared_ptr<peer> who)
      : who_(std::move(who)), ready_(who_->greeting) {}
  net::task<result<std::size_t>> read_some(net::asio::mutable_buffer buffer) override {
    if (ready_.empty()) co_return error_code(errc::peer_closed);
    const auto n = std::min(buffer.size(), ready_.size());
    ready_.copy(static_cast<char*>(buffer.data()), n);
    ready_.erase(0, n);
    co_return n;
  }
  net::task<error_code> write(net::asio::const_buffer octets) override {
    who_->written.append(static_cast<const char*>(octets.data()), octets.size());
    if (who_->answer) ready_ += who_->answer(who_->written);
    co_return error_code();
  }
  void cancel() noexcept override {}
  void close() noexcept override {}
  bool is_quiet() const noexcept override { return ready_.empty(); }

 private:
  std::shared_ptr<peer> who_;
  std::string ready_;
};

class peer_network final : public net::network {
 public:
  result<std::unique_ptr<net::acceptor>> listen(const endpoint&, bool) override {
    return error_code(errc::permission);
  }
  net::task<result<std::unique_ptr<net::transport>>> connect(endpoint to, duration,
                                                             std::optional<ip_address>) override {
    co_return open(to.text());
  }
  net::task<result<std::unique_ptr<net::transport>>> connect_local(std::string path,
                                                                   duration) override {
    co_return open(path);
  }
  result<std::unique_ptr<net::acceptor>> listen(const listen_address&, bool, unsigned) override {
    return error_code(errc::permission);
  }
  bool is_own_address(const ip_address&) const override { return false; }

  std::map<std::string, std::shared_ptr<peer>> peers;
  std::vector<std::string> asked;

 private:
  result<std::unique_ptr<net::transport>> open(const std::string& where) {
    asked.push_back(where);
    const auto found = peers.find(where);
    if (found == peers.end()) return error_code(errc::connection_failed);
    return std::unique_ptr<net::transport>(std::make_unique<peer_transport>(found->second));
  }
};

class small_resolver final : public dns::resolver {
 public:
  std::map<std::string, ip_address> names_of;
  net::task<result<dns::answer<dns::mx_record>>> mx(std::string) override {
    co_return error_code(errc::no_data);
  }
  net::task<result<dns::answer<ip_address>>> addresses(std::string name, family which) override {
    const auto found = names_of.find(name);
    if (found == names_of.end()) co_return error_code(errc::not_found);
    if (found->second.is_v6() != (which == family::v6)) co_return error_code(errc::no_data);
    dns::answer<ip_address> said;
    said.records.push_back(found->second);
    co_return said;
  }
  net::task<result<dns::answer<std::string>>> names(ip_address) override {
    co_return error_code(errc::not_found);
  }
};

class auth_scene {
 public:
  auth_scene() {
    std::string pattern = (std::filesystem::temp_directory_path() / "relais-auth-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~auth_scene() { std::filesystem::remove_all(directory_); }
  auth_scene(const auth_scene&) = delete;
  auth_scene& operator=(const auth_scene&) = delete;

  const std::string& directory() const noexcept { return directory_; }
  /// Its path. Each version is another file, as an editor or relaisctl makes it.
  std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) {
    const auto path = directory_ + "/" + name, draft = path + ".draft";
    std::ofstream(draft, std::ios::binary) << text;
    ::chmod(draft.c_str(), mode);
    std::filesystem::rename(draft, path);
    return path;
  }
  std::function<void(std::string)> warn() {
    return [this](std::string sentence) { warnings.push_back(std::move(sentence)); };
  }

  boost::asio::io_context io;
  set_clock clock;
  seeded_random random{1};
  std::unique_ptr<net::alarms> alarms = net::make_system_alarms(io.get_executor());
  peer_network network;
  net::runtime world{io.get_executor(), clock, random, *alarms, network};
  small_resolver resolver;
  std::vector<std::string> warnings;
  /// Jobs that block are done at once, or collected here.
  bool collect_jobs = false;
  std::vector<std::function<void()>> jobs;
  unsigned jobs_done = 0;

  config::auth_settings settings;
  std::unique_ptr<auth::failure_book> failures;

  std::unique_ptr<auth::authenticator> make() {
    if (!failures) failures = std::make_unique<auth::failure_book>(settings);
    return auth::make_authenticator(
        settings, auth::surroundings{world, resolver, nullptr, *failures, run(), warn()});
  }
  auth::run_blocking run() {
    return [this](std::function<void()> job) {
      ++jobs_done;
      if (collect_jobs) {
        jobs.push_back(std::move(job));
      } else {
        job();
      }
    };
  }

  /// The steps of one exchange: "challenge x", "accepted user", "auth_failed: reason".
  std::vector<std::string> log_in(auth::authenticator& with, const std::string& mechanism,
                                  const auth::channel& on,
                                  std::vector<std::optional<std::string>> responses) {
    std::vector<std::string> steps;
    last_login = with.begin(mechanism, on);
    run_task(io, speak(*last_login, std::move(responses), steps));
    return steps;
  }
  std::unique_ptr<auth::login> last_login;
  auth::login_step last_step;

  static auth::channel tls() {
    auth::channel on;
    on.is_tls = true;
    on.client = *ip_address::parse("192.0.2.1");
    return on;
  }

 private:
  net::task<void> speak(auth::login& login, std::vector<std::optional<std::string>> responses,
                        std::vector<std::string>& steps) {
    for (auto& response : responses) {
      last_step = co_await login.advance(std::move(response));
      steps.push_back(shown(last_step));
      if (last_step.is != auth::login_step::kind::challenge) break;
    }
  }
  static std::string shown(const auth::login_step& step) {
    if (step.is == auth::login_step::kind::challenge) return "challenge " + step.challenge;
    if (step.is == auth::login_step::kind::accepted) {
      auto text = "accepted " + step.who.user;
      for (const auto& s : step.who.senders) text += " " + s;
      return text;
    }
    return std::to_string(smtp::row(step.reply).code) + " " +
           std::string(smtp::row(step.reply).enhanced) + ": " + step.reason;
  }

  std::string directory_;
};

}  // namespace relais::testing
