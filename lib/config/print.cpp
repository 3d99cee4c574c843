// The three texts that are made from the field table: the effective configuration, the packaged
// relais.yaml and the reference.
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "config/fields.hpp"
#include "config/load.hpp"
#include "config/values.hpp"

namespace relais::config {
namespace {

constexpr std::size_t page_width = 98;

/// `text` in lines that each begin with `prefix`, broken between words.
std::string wrapped(std::string_view text, const std::string& prefix) {
  std::string lines, line = prefix;
  for (const auto word : split(text, ' ')) {
    if (line.size() > prefix.size() && line.size() + 1 + word.size() > page_width) {
      lines += line + '\n';
      line = prefix;
    }
    if (line.size() > prefix.size()) line += ' ';
    line += word;
  }
  return lines + line + '\n';
}

/// One key with its value; lists of listeners take a line for each. `mark` is "#" or "".
std::string entry(const field& f, const settings& values, const std::string& indent,
                  const std::string& mark) {
  const auto start = indent + mark + std::string(f.name()) + ':';
  if (!std::holds_alternative<reach<std::vector<listener>>>(f.at)) {
    return start + ' ' + show(f, values) + '\n';
  }
  std::string lines = start + '\n';
  for (const auto& item : show_items(f, values)) lines += indent + mark + "  - " + item + '\n';
  return lines;
}

bool is_hidden(const field& f, const settings& values) {
  return f.is_secret && show(f, values) != "\"\"";
}

/// All keys in the order of the table; `mark` before each key, `values` behind it.
std::string all_entries(const settings& values, const std::string& mark) {
  std::string yaml;
  std::string_view section;
  for (const auto& f : fields()) {
    const std::string indent(f.section().empty() ? 0 : 2, ' ');
    if (f.section() != section) {
      section = f.section();
      yaml += '\n' + wrapped(section_doc(section), "# ") + std::string(section) + ":\n";
    } else if (section.empty() && !yaml.empty()) {
      yaml += '\n';
    }
    yaml += wrapped(f.doc, indent + "# ");
    yaml += is_hidden(f, values) ? indent + "# " + std::string(f.name()) + ": (hidden)\n"
                                 : entry(f, values, indent, mark);
  }
  return yaml;
}

std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string row(const field& f, const settings& defaults) {
  auto type = type_name(f);
  if (const auto range = range_text(f); !range.empty()) {
    type += type == "word" ? ": " + range : ", " + range;
  }
  if (!f.range.why_least.empty()) type += " (least: " + std::string(f.range.why_least) + ')';
  return "| `" + std::string(f.name()) + "` | " + cell(type) + " | `" + show(f, defaults) + "` | " +
         cell(f.doc) + " |\n";
}

constexpr std::string_view reference_intro =
    R"(# Configuration reference

<!-- Generated from lib/config/fields.cpp; RELAIS_REGENERATE=1 with the unit tests of config writes it. -->

relais reads one YAML file. Every key has a default, so an empty file is valid: it makes a relay for the
host itself, on loopback. `relaisd --check-config` names every mistake with file, line and column;
`relaisd --print-config` shows the values in force. Unknown keys are mistakes.

* **Sizes** are whole numbers with a unit: `512 B`, `64 KiB`, `50 MiB`, `2 GiB`; `kB`, `MB` and `GB` are
  powers of ten, no unit means bytes.
* **Durations** are whole numbers with a unit and no spaces: `30s`, `5m`, `1h30m`, `5d`, `250ms`.
* **Networks** are `192.0.2.0/24`, `2001:db8::/32` or a single address.
* **Listeners** are written `- address: "127.0.0.1:25"`, or shorter `- "127.0.0.1:25"`.
* **Environment**: `${NAME}` in a value is the environment variable, `${NAME:-default}` has a default for
  when it is unset or empty, `$$` is a dollar. A variable is always a value: it cannot add keys.
* **Secrets** are never printed. Keep them out of this file with `${NAME}` or `password_file`.
)";

constexpr std::string_view table_head =
    "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";

}  // namespace

std::string print(const settings& values) {
  return "# The configuration in force; defaults included, secrets left out.\n" +
         all_entries(values, "");
}

std::string packaged_yaml() {
  return wrapped(
             "relais.yaml: a relay for this host only. It listens on loopback and delivers to each "
             "domain's mail hosts; with smarthost.host, everything goes there. Every key is here "
             "with its default: remove the # before a key to change it. relaisd --check-config "
             "names mistakes, docs/configuration.md explains units and ${NAME}.",
             "# ") +
         '\n' + all_entries(settings{}, "#");
}

std::string reference_markdown() {
  std::string text(reference_intro);
  const settings defaults;
  text += "\n## Top level\n\n";
  text += table_head;
  std::string_view section;
  for (const auto& f : fields()) {
    if (f.section() != section) {
      section = f.section();
      text += "\n## " + std::string(section) + "\n\n" + std::string(section_doc(section)) + "\n\n";
      text += table_head;
    }
    text += row(f, defaults);
  }
  return text;
}

}  // namespace relais::config
