#include "daemon/ctl/control_client.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "base/text.hpp"
#include "daemon/ctl/failure.hpp"
#include "daemon/ctl/json_fields.hpp"

namespace relais::ctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;

namespace {

// The daemon says nothing for so long: it hangs. Bouncing thousands of messages takes its time.
constexpr ::timeval patience{600, 0};
constexpr std::size_t longest_error = 64 << 10;

exit_code code_of(unsigned status) {
  if (status == 403) return exit_code::no_permission;
  if (status == 404) return exit_code::no_input;
  if (status == 503) return exit_code::temporary;
  return status < 500 ? exit_code::usage : exit_code::software;
}

json::object parsed(const std::string& text) {
  error_code ec;
  auto value = json::parse(text, ec);
  if (ec || !value.is_object()) {
    throw failure(exit_code::software, "relaisd said what is no JSON object: " + printable(text));
  }
  return std::move(value.get_object());
}

[[noreturn]] void refused(unsigned status, const std::string& body) {
  error_code ec;
  const auto value = json::parse(body, ec);
  auto sentence = !ec && value.is_object() ? text_of(value.get_object(), "error") : std::string();
  if (sentence.empty()) sentence = "relaisd answered " + std::to_string(status);
  throw failure(code_of(status), sentence);
}

[[noreturn]] void broken(const error_code& why) {
  throw failure(exit_code::io_error, "the conversation with relaisd broke off: " + why.message());
}

}  // namespace

struct control_client::connection {
  asio::io_context io;
  asio::local::stream_protocol::socket socket{io};
};

control_client::control_client(std::unique_ptr<connection> made) : connection_(std::move(made)) {}
control_client::~control_client() = default;

std::unique_ptr<control_client> control_client::connect(const std::string& path) {
  if (path.empty()) return nullptr;
  auto made = std::make_unique<connection>();
  error_code ec;
  try {
    made->socket.connect(asio::local::stream_protocol::endpoint(path), ec);
  } catch (const boost::system::system_error& e) {
    ec = e.code();  // a path that is too long
  }
  namespace errors = boost::system::errc;
  if (ec == errors::no_such_file_or_directory || ec == errors::connection_refused ||
      ec == errors::not_a_directory) {
    return nullptr;
  }
  if (ec == errors::permission_denied) {
    throw failure(exit_code::no_permission, "only root and the user of relaisd may use " + path);
  }
  if (ec) throw failure(exit_code::io_error, path + ": " + ec.message());
  for (const int way : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(made->socket.native_handle(), SOL_SOCKET, way, &patience, sizeof patience);
  }
  return std::unique_ptr<control_client>(new control_client(std::move(made)));
}

void control_client::ask(const std::string& target, const std::string& body,
                         const std::function<void(std::string_view)>& piece) {
  namespace http = beast::http;
  http::request<http::string_body> request(body.empty() ? http::verb::get : http::verb::post,
                                           target, 11);
  request.set(http::field::host, "relaisd");
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  auto& socket = connection_->socket;
  error_code ec;
  http::write(socket, request, ec);
  // It may have refused before it had read all.
  const auto write_error = ec;
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(socket, buffer, parser, ec);
  if (ec) broken(write_error ? write_error : ec);
  const auto status = parser.get().result_int();
  std::string error;
  std::array<char, 64 * 1024> octets;
  while (!parser.is_done()) {
    parser.get().body().data = octets.data();
    parser.get().body().size = octets.size();
    http::read_some(socket, buffer, parser, ec);
    if (ec == http::error::need_buffer) ec = {};
    const std::string_view got(octets.data(), octets.size() - parser.get().body().size);
    if (status < 300) piece(got);
    if (status >= 300 && error.size() < longest_error) error += got;
    if (ec) broken(ec);
  }
  if (status >= 300) refused(status, error);
}

json::object control_client::ask(const std::string& target, const std::string& body) {
  std::string all;
  ask(target, body, [&](std::string_view piece) { all += piece; });
  return parsed(all);
}

json::object control_client::ask(const std::string& target, const std::string& body,
                                 const std::function<void(json::object)>& element) {
  std::string line, frame;
  const auto take = [&] {
    // The first line opens the document, "]..." closes it, what is between are the elements.
    if (frame.empty() || line.starts_with(']')) {
      frame += line;
    } else {
      if (line.ends_with(',')) line.pop_back();
      element(parsed(line));
    }
    line.clear();
  };
  ask(target, body, [&](std::string_view piece) {
    for (auto end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
      line += piece.substr(0, end);
      take();
      piece.remove_prefix(end + 1);
    }
    line += piece;
  });
  if (!line.empty()) take();
  return parsed(frame);
}

std::string percent_encoded(std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += {'%', hex[octet >> 4], hex[octet & 15]};
    }
  }
  return encoded;
}

}  // namespace relais::ctl
