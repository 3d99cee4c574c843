// Writes delivery reports, and messages before and behind their conversion, into a directory:
// samples for readers that are not ours (read_samples.py).
#include <fstream>
#include <iostream>
#include <string>

#include "message/conversion.hpp"
#include "message/delivery_report.hpp"

using namespace relais;
using message::report_action;

namespace {

std::string directory;

void write(const std::string& name, const std::string& content) {
  std::ofstream file(directory + "/" + name, std::ios::binary);
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + name);
}

message::reported_recipient recipient(const std::string& address, report_action action,
                                      const std::string& status) {
  message::reported_recipient r;
  r.address = smtp::parse_address(address).value();
  r.action = action;
  r.status = status;
  r.diagnostic = "550 " + status + " Empf\xc3\xa4nger <" + address + ">: what the remote host says";
  r.remote_mta = "mx.rcpt.example";
  r.explanation = "host mx.rcpt.example[192.0.2.1] said: " + r.diagnostic;
  r.last_attempt = wall_time(std::chrono::seconds(1795222983));
  if (action == report_action::delayed)
    r.will_retry_until = wall_time(std::chrono::seconds(1795322983));
  return r;
}

message::report_request request_to(const std::string& sender) {
  message::report_request r;
  r.reporting_mta = "relay.example";
  r.boundary = "=_relais_b0undary";
  r.original_id = queue_id{0x019AA00000000001};
  r.report_id = queue_id{0x019AA00000000002};
  r.original_arrival = wall_time(std::chrono::seconds(1795222923));
  r.now = wall_time(std::chrono::seconds(1795222983));
  r.to = smtp::parse_address(sender).value();
  r.smtputf8 = r.to.needs_smtputf8();
  r.envelope_id = "QQ+2B1";
  return r;
}

constexpr std::string_view ascii_original =
    "From: sender@client.example\r\nSubject: hello\r\nMessage-ID: "
    "<1@client.example>\r\n\r\nbody\r\n";
constexpr std::string_view utf8_original =
    "From: s\xc3\xa9nder@client.example\r\nSubject: gr\xc3\xbc\xc3\x9f dich\r\n"
    "Message-ID: <1@client.example>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "k\xc3\xb6rper\r\n";

void write_reports() {
  struct sample {
    std::string name, sender;
    std::string_view original;
    bool is_full;
  };
  const sample samples[] = {
      {"ascii-headers", "sender@client.example", ascii_original, false},
      {"ascii-full", "sender@client.example", ascii_original, true},
      {"fallback-headers", "sender@client.example", utf8_original, false},
      {"fallback-full", "sender@client.example", utf8_original, true},
      {"utf8-headers", "s\xc3\xa9nder@client.example", utf8_original, false},
      {"utf8-full", "s\xc3\xa9nder@client.example", utf8_original, true},
  };
  for (const auto& s : samples) {
    const bool is_ascii = s.original == ascii_original;
    const std::string to = is_ascii ? "joe@rcpt.example" : "j\xc3\xb6+e@rcpt.example";
    auto r = request_to(s.sender);
    r.original_content = s.original;
    r.return_full = s.is_full;
    r.recipients.push_back(recipient(to, report_action::failed, "5.1.1"));
    r.recipients.back().original_recipient = is_ascii ? "rfc822;Bob+40far.test"
                                                      : "utf-8;b\xc3\xb6"
                                                        "b@far.test";
    write("report-" + s.name + ".eml", message::delivery_report(r));
  }
  auto r = request_to("sender@client.example");
  r.original_content = ascii_original;
  r.recipients = {recipient("a@rcpt.example", report_action::failed, "5.4.7"),
                  recipient("b@rcpt.example", report_action::delayed, "4.4.1"),
                  recipient("c@rcpt.example", report_action::relayed, "2.0.0")};
  write("report-mixed.eml", message::delivery_report(r));
  r.recipients.erase(r.recipients.begin());
  r.recipients.pop_back();
  write("report-delayed.eml", message::delivery_report(r));
}

void write_conversions() {
  const std::string mime = "From: a@b.example\r\nMIME-Version: 1.0\r\n";
  const std::string latin = "Am\xe9lie a \xe9t\xe9 l\xe0 hier soir = oui \r\n";
  const std::string octets =
      std::string("\xff\xfe\x80\x81 bin", 8) + std::string(200, '\xf0') + "\r\n";
  const std::string samples[] = {
      mime + "Content-Type: text/plain; charset=iso-8859-1\r\n\r\n" + latin + latin,
      mime + "Content-Type: application/octet-stream\r\n\r\n" + octets,
      "From: a@b.example\r\n\r\n" + latin,
      mime +
          "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npr\xe9\r\n--a b\r\n\r\nascii\r\n"
          "--a b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
          "Content-Transfer-Encoding: 8bit\r\n\r\n" +
          latin + std::string(3000, 'x') +
          "\r\n--a b\r\nContent-Type: message/rfc822\r\n"
          "Content-Transfer-Encoding: 8bit\r\n\r\n" +
          mime +
          "Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n"
          "Content-Type: text/html; charset=utf-8\r\n\r\n<p>\xc3\xa9</p>\r\n--in\r\n"
          "Content-Type: image/x\r\n\r\n" +
          octets + "--in--\r\n\r\n--a b--\r\nepi\xe9\r\n",
  };
  int number = 0;
  for (const auto& sample : samples) {
    const auto name = "conversion-" + std::to_string(++number);
    const auto done = message::to_7bit(sample, false);
    if (done.fault != message::conversion_fault::none) throw std::runtime_error("refused: " + name);
    write(name + "-original.eml", sample);
    write(name + "-converted.eml", done.content);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "mail_samples DIRECTORY\n";
    return 64;
  }
  directory = arguments[1];
  try {
    write_reports();
    write_conversions();
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 74;
  }
  return 0;
}
