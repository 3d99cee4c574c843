#include "config/expand.hpp"

#include <catch2/catch.hpp>

#include "settings_for_test.hpp"

using namespace relais::config;

namespace {
const auto env = variables(
    {{"NAME", "value"}, {"EMPTY", ""}, {"EVIL", "x\nuser: root"}, {"DOLLAR", "${NAME}$$"}});
}

TEST_CASE("variables expand in values") {
  struct row {
    const char *text, *expanded;
  };
  const auto r = GENERATE(values<row>({{"", ""},
                                       {"plain", "plain"},
                                       {"${NAME}", "value"},
                                       {"a${NAME}b${NAME}c", "avaluebvaluec"},
                                       {"${NAME:-other}", "value"},
                                       {"${UNSET:-other}", "other"},
                                       {"${UNSET:-}", ""},
                                       {"${UNSET:-a:-b}", "a:-b"},
                                       {"${EMPTY}", ""},
                                       {"${EMPTY:-other}", "other"},
                                       {"${DOLLAR}", "${NAME}$$"},
                                       {"$$", "$"},
                                       {"$${NAME}", "${NAME}"},
                                       {"$$$$", "$$"},
                                       {"$$${NAME}", "$value"},
                                       {"pa$word", "pa$word"},
                                       {"$", "$"},
                                       {"}{", "}{"}}));
  INFO(r.text);
  const auto e = expand(r.text, env);
  CHECK(e.fault.empty());
  CHECK(e.text == r.expanded);
}

TEST_CASE("a variable that cannot be expanded is a fault that names it") {
  struct row {
    const char *text, *fault;
  };
  const auto r = GENERATE(values<row>({{"${UNSET}", "the environment variable UNSET is not set"},
                                       {"${UNSET", "without a closing"},
                                       {"a${", "without a closing"},
                                       {"${}", "no variable name"},
                                       {"${:-x}", "no variable name"},
                                       {"${1A}", "no variable name"},
                                       {"${A B}", "no variable name"},
                                       {"${NAME-x}", "no variable name"},
                                       {"${NAME:-${UNSET:-x}}", "inside of another"},
                                       {"${UNSET:-${NAME}}", "inside of another"}}));
  INFO(r.text);
  CHECK_THAT(expand(r.text, env).fault, Catch::Contains(r.fault));
}

TEST_CASE("escaped dollars expand to themselves") {
  for (const auto* text : {"", "$", "$$", "${NAME}", "a$b${", "$${"}) {
    CHECK(expand(escape_dollars(text), env).text == text);
  }
}

TEST_CASE("the content of a variable is a value and never structure") {
  const auto result =
      load("smarthost: {host: \"[h.example]\", username: \"${EVIL}\", password: p}", env);
  CHECK(result.values.user.empty());
  REQUIRE(result.mistakes.size() == 1);
  CHECK_THAT(result.mistakes[0].text, Catch::Contains("control characters"));
  CHECK(result.mistakes[0].text.find('\n') == std::string::npos);

  const auto list =
      load("relay: {domains: [\"${LIST}\"]}", variables({{"LIST", "a.example, b.example"}}));
  CHECK(list.mistakes.size() == 1);
}

TEST_CASE("the process environment knows what is set") {
  CHECK(process_environment()("PATH"));
  CHECK_FALSE(process_environment()("RELAIS_SURELY_NOT_SET_ANYWHERE"));
}
