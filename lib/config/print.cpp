// The three texts that are made from the field table: the effective configuration, the packaged
// relais.yaml and the reference.
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

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

/// One key with its value; lists of maps take a line for each key of an item. `mark` is "#" or "".
std::string entry(const field& f, const settings& values, const std::string& indent,
                  const std::string& mark) {
  const auto start = indent + mark + std::string(f.name()) + ':';
  const auto* type = items_of(f);
  const auto items = show_items(f, &values);
  if (items.empty()) return start + ' ' + show(f, &values) + '\n';
  std::string lines = start + '\n';
  for (const auto& item : items) {
    std::string_view before = type->as_map ? "  " : "  - ";
    for (const auto& line : item) {
      lines += indent + mark + std::string(before) + line + '\n';
      before = type->as_map ? "  " : "    ";
    }
  }
  return lines;
}

/// What items of a list of maps look like, as comments that no # stands before.
std::string examples(const field& f, const std::string& indent) {
  const auto* type = items_of(f);
  if (type == nullptr) return {};
  std::string lines = indent + "# As in:\n";
  for (const auto line : split(type->examples, '\n')) {
    lines += indent + (type->as_map ? "#   " : "#   - ") + std::string(line) + '\n';
  }
  return lines;
}

bool is_hidden(const field& f, const settings& values) {
  return f.is_secret && show(f, &values) != "\"\"";
}

std::size_t depth_of(std::string_view section) {
  if (section.empty()) return 0;
  return 1 + static_cast<std::size_t>(std::ranges::count(section, '.'));
}

/// The line that opens a section; those around it are open.
std::string opening(std::string_view section) {
  const std::string indent((depth_of(section) - 1) * 2, ' ');
  const auto name = section.substr(section.rfind('.') + 1);
  return '\n' + wrapped(section_doc(section), indent + "# ") + indent + std::string(name) + ":\n";
}

/// All keys in the order of the table; `mark` before each key, `values` behind it.
std::string all_entries(const settings& values, const std::string& mark, bool with_examples) {
  std::string yaml;
  std::string_view section;
  for (const auto& f : fields()) {
    const std::string indent(depth_of(f.section()) * 2, ' ');
    if (f.section() != section) {
      section = f.section();
      yaml += opening(section);
    } else if (section.empty() && !yaml.empty()) {
      yaml += '\n';
    }
    yaml += wrapped(f.doc, indent + "# ");
    if (with_examples) yaml += examples(f, indent);
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

std::string row(const field& f, const std::string& shown) {
  auto type = type_name(f);
  if (const auto range = range_text(f); !range.empty()) {
    type += type == "word" ? ": " + range : ", " + range;
  }
  if (!f.range.why_least.empty()) type += " (least: " + std::string(f.range.why_least) + ')';
  auto usual = '`' + shown + '`';
  if (!f.none_is.empty()) usual = "that of `" + std::string(f.none_is) + '`';
  if (f.is_required) usual = "(required)";
  return "| `" + std::string(f.name()) + "` | " + cell(type) + " | " + usual + " | " + cell(f.doc) +
         " |\n";
}

constexpr std::string_view table_head =
    "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";

/// A table of the keys that items of the list `f` have.
std::string item_table(const field& f) {
  const auto& type = *items_of(f);
  std::string text = "\n### Items of `" + std::string(f.key) + "`\n\n" + std::string(table_head);
  const auto defaults = show_item_defaults(f);
  for (std::size_t i = 0; i < type.fields.size(); ++i) text += row(type.fields[i], defaults[i]);
  if (type.as_map) {
    text += "\nWritten as a map, `" + std::string(type.fields[0].key) + ": " +
            std::string(type.fields[1].key) + "`:\n";
  } else if (!type.short_key.empty()) {
    text += "\nAn item that is only a value, not a map, is its `" + std::string(type.short_key) +
            "`. Examples:\n";
  } else {
    text += "\nExamples:\n";
  }
  text += "\n```yaml\n";
  std::string indent;
  for (const auto name : split(f.key, '.')) {
    text += indent + std::string(name) + ":\n";
    indent += "  ";
  }
  for (const auto line : split(type.examples, '\n')) {
    text += indent + (type.as_map ? "" : "- ") + std::string(line) + '\n';
  }
  return text + "```\n";
}

constexpr std::string_view reference_intro =
    R"(# Configuration reference

<!-- Generated from lib/config/fields*.cpp; RELAIS_REGENERATE=1 with the unit tests of config writes it. -->

relais reads one YAML file. Every key has a default, so an empty file is valid: it makes a relay for the
host itself, on loopback. `relaisd --check-config` names every mistake with file, line and column;
`relaisd --print-config` shows the values in force. Unknown keys are mistakes.

* **Sizes** are whole numbers with a unit: `512 B`, `64 KiB`, `50 MiB`, `2 GiB`; `kB`, `MB` and `GB` are
  powers of ten, no unit means bytes.
* **Durations** are whole numbers with a unit and no spaces: `30s`, `5m`, `1h30m`, `5d`, `250ms`.
* **Networks** are `192.0.2.0/24`, `2001:db8::/32` or a single address.
* **Lists** of values may be written `[a, b]`; items of lists of maps have keys of their own, listed below
  the table of their section. A list in the file replaces the default list.
* **`auto`** is a value that depends on others; the meaning says how.
* **Environment**: `${NAME}` in a value is the environment variable, `${NAME:-default}` has a default for
  when it is unset or empty, `$$` is a dollar. A variable is always a value: it cannot add keys.
* **Secrets** are never printed. Keep them out of this file with `${NAME}` or a file (`password_file`).
)";

}  // namespace

std::string print(const settings& values) {
  return "# The configuration in force; defaults included, secrets left out.\n" +
         all_entries(values, "", false);
}

std::string packaged_yaml() {
  return wrapped(
             "relais.yaml: a relay for this host only. It listens on loopback and delivers to each "
             "domain's mail hosts; with smarthost.host, everything goes there. Every key is here "
             "with its default: remove the # before a key to change it. relaisd --check-config "
             "names mistakes, docs/configuration.md explains units and ${NAME}.",
             "# ") +
         '\n' + all_entries(settings{}, "#", true);
}

std::string reference_markdown() {
  std::string text(reference_intro);
  const settings defaults;
  text += "\n## Top level\n\n";
  text += table_head;
  std::string_view section;
  std::string items;  // behind the table that their lists are in
  for (const auto& f : fields()) {
    if (f.section() != section) {
      section = f.section();
      text += std::exchange(items, {});
      text += "\n## " + std::string(section) + "\n\n" + std::string(section_doc(section)) + "\n\n";
      text += table_head;
    }
    text += row(f, show(f, &defaults));
    if (f.is_list_of_maps()) items += item_table(f);
  }
  return text + items;
}

}  // namespace relais::config
