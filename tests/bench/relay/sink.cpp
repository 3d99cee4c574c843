#include "bench/relay/sink.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <stdexcept>
#include <utility>
#include <vector>

namespace relais::bench {
namespace {

constexpr std::size_t header_limit = 64 * 1024;

/// One connection of an MTA. It owns itself through the loop's graveyard.
class server_session final : public connection {
 public:
  server_session(event_loop& loop, descriptor socket, sink& all)
      : connection(loop, std::move(socket), true), all_(all) {
    acknowledge_at_once();
    all_.counts().connection_opened();
    send("220 sink.example ESMTP\r\n");
  }

 private:
  enum class place_in : std::uint8_t { commands, content, chunk };

  void connected() override { all_.counts().handshake(was_resumed()); }
  void received() override;
  void ended(const std::string&) override { leave(); }

  bool take_line(std::size_t& from);
  bool take_content(std::size_t& from);
  bool take_chunk(std::size_t& from);
  void understand(std::string_view line);
  void hello();
  void begin_chunk(std::string_view arguments);
  void note(std::string_view octets);
  void message_over();
  void leave();

  sink& all_;
  place_in where_ = place_in::commands;
  std::string replies_;
  std::vector<std::string> recipients_;
  std::string header_;            ///< the first octets of the content
  std::uint64_t octets_ = 0;      ///< of the content so far
  std::uint64_t chunk_left_ = 0;  ///< RFC 3030
  bool chunk_is_last_ = false;
};

void server_session::received() {
  std::size_t from = 0;
  bool goes_on = true;
  while (goes_on && is_open() && from < arrived_.size()) {
    switch (where_) {
      case place_in::commands: goes_on = take_line(from); break;
      case place_in::content: goes_on = take_content(from); break;
      case place_in::chunk: goes_on = take_chunk(from); break;
    }
  }
  arrived_.erase(0, std::min(from, arrived_.size()));
  if (!replies_.empty()) send(std::exchange(replies_, {}));
}

bool server_session::take_line(std::size_t& from) {
  const auto end = arrived_.find('\n', from);
  if (end == std::string::npos) return false;
  auto line = std::string_view(arrived_).substr(from, end - from);
  if (line.ends_with('\r')) line.remove_suffix(1);
  from = end + 1;
  understand(line);
  return is_open();
}

/// Up to <CRLF>.<CRLF>. As long as that has not come, the last octets stay: it may have begun.
bool server_session::take_content(std::size_t& from) {
  constexpr std::string_view terminator = "\r\n.\r\n";
  if (octets_ == 0 && arrived_.compare(from, 3, ".\r\n") == 0) {  // no line at all
    from += 3;
    message_over();
    return true;
  }
  const auto end = arrived_.find(terminator, from);
  if (end == std::string::npos) {
    const auto kept = std::min(arrived_.size() - from, terminator.size() - 1);
    note(std::string_view(arrived_).substr(from, arrived_.size() - from - kept));
    from = arrived_.size() - kept;
    return false;
  }
  note(std::string_view(arrived_).substr(from, end + 2 - from));
  from = end + terminator.size();
  message_over();
  return true;
}

bool server_session::take_chunk(std::size_t& from) {
  const auto size = std::min<std::uint64_t>(chunk_left_, arrived_.size() - from);
  note(std::string_view(arrived_).substr(from, size));
  from += size;
  chunk_left_ -= size;
  if (chunk_left_ > 0) return false;
  if (chunk_is_last_) {
    message_over();
  } else {
    replies_ += "250 2.0.0 Ok\r\n";
    where_ = place_in::commands;
  }
  return true;
}

void server_session::note(std::string_view octets) {
  octets_ += octets.size();
  if (header_.size() >= header_limit || header_.find("\r\n\r\n") != std::string::npos) return;
  header_.append(octets.substr(0, header_limit - header_.size()));
}

void server_session::message_over() {
  all_.counts().add(header_, octets_, recipients_);
  recipients_.clear();
  header_.clear();
  octets_ = 0;
  where_ = place_in::commands;
  replies_ += "250 2.0.0 Ok\r\n";
}

void server_session::understand(std::string_view line) {
  std::string verb(line.substr(0, line.find_first_of(" :")));
  std::transform(verb.begin(), verb.end(), verb.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (verb == "MAIL") {
    recipients_.clear();
    replies_ += "250 2.1.0 Ok\r\n";
  } else if (verb == "RCPT") {
    const auto begin = line.find('<'), end = line.find('>');
    if (begin != std::string_view::npos && end != std::string_view::npos && begin < end) {
      recipients_.emplace_back(line.substr(begin + 1, end - begin - 1));
    }
    replies_ += "250 2.1.5 Ok\r\n";
  } else if (verb == "DATA") {
    where_ = place_in::content;
    replies_ += "354 go on\r\n";
  } else if (verb == "BDAT") {
    begin_chunk(line.substr(4));
  } else if (verb == "EHLO" || verb == "HELO") {
    hello();
  } else if (verb == "STARTTLS" && all_.tls() != nullptr && !is_encrypted()) {
    send(std::exchange(replies_, {}) + "220 2.0.0 Ready\r\n");
    start_tls(all_.tls(), false);
  } else if (verb == "RSET" || verb == "NOOP") {
    replies_ += "250 2.0.0 Ok\r\n";
  } else if (verb == "QUIT") {
    send(std::exchange(replies_, {}) + "221 2.0.0 Bye\r\n");
    leave();
  } else {
    replies_ += "502 5.5.2 No\r\n";
  }
}

void server_session::hello() {
  replies_ += "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n";
  if (all_.options().chunking) replies_ += "250-CHUNKING\r\n";
  if (all_.tls() != nullptr && !is_encrypted()) replies_ += "250-STARTTLS\r\n";
  replies_ += "250 ENHANCEDSTATUSCODES\r\n";
}

void server_session::begin_chunk(std::string_view arguments) {
  arguments.remove_prefix(std::min(arguments.find_first_not_of(' '), arguments.size()));
  std::from_chars(arguments.data(), arguments.data() + arguments.size(), chunk_left_);
  chunk_is_last_ = arguments.find(' ') != std::string_view::npos;
  where_ = place_in::chunk;
  if (chunk_left_ > 0) return;
  if (chunk_is_last_) {
    message_over();
  } else {
    replies_ += "250 2.0.0 Ok\r\n";
    where_ = place_in::commands;
  }
}

void server_session::leave() {
  if (!is_open()) return;
  close();
  all_.counts().connection_closed();
  loop_.bury(std::unique_ptr<watched>(this));
}

}  // namespace

sink::sink(event_loop& loop, sink_options options)
    : loop_(loop), options_(std::move(options)), listener_(listen_at(options_.where)) {
  if (!options_.certificate.empty()) {
    tls_.reset(SSL_CTX_new(TLS_server_method()));
    if (SSL_CTX_use_certificate_chain_file(tls_.get(), options_.certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_.get(), options_.key.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error("the certificate or its key cannot be used");
    }
  }
  loop_.watch(listener_.get(), EPOLLIN, *this);
}

void sink::ready(std::uint32_t) {
  while (descriptor socket = accept_from(listener_)) {
    // It buries itself when its connection ends; what is open at the end goes with the process.
    new server_session(loop_, std::move(socket), *this);
  }
}

}  // namespace relais::bench
