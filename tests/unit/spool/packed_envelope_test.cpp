// What the index keeps of an envelope is as good as its text.
#include "spool/packed_envelope.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"
#include "spool/record.hpp"
#include "unit/spool/spool_world.hpp"

namespace relais::testing {
namespace {

using spool::pack_envelope;
using spool::unpack_envelope;

TEST_CASE("a usual envelope takes little more than its addresses") {
  const auto text = spool::encode_envelope(*make_message(2, "x"));
  const auto packed = pack_envelope(text);
  CHECK(unpack_envelope(packed) == text);
  CHECK(packed.size() <= std::string("sender@client.example"
                                     "r0@rcpt.example")
                                 .size() +
                             11);
}

TEST_CASE("every text comes back as it was") {
  const auto text = GENERATE(values<std::string>(
      {"", "\n", "at 1\nfrom \n\n", "at 1\nfrom \nto a@b\n\n", "at 0\nfrom a@b\nto a@b\n\n",
       "at 01\nfrom a@b\nto a@b\n\n", "at -1\nfrom a@b\nto a@b\n\n",
       "at 72057594037927935\nfrom a@b\nto c@d\n\n", "at 72057594037927936\nfrom a@b\nto c@d\n\n",
       "at 99999999999999999999\nfrom a@b\n\n", "at 1\nfrom a@b\nto c@d\n",
       "at 1\nfrom a@b\nto \x01@d\n\n", "at 1\nfrom a@b\nbody 8bitmime2\nto c@d\nnotify sf\n\n",
       "at 1\nfrom \xff@b\nsmtputf8\nto c@d\norcpt rfc822;c\n\n", "at 1\nfrom a\n\n\n\n"}));
  CAPTURE(text);
  CHECK(unpack_envelope(pack_envelope(text)) == text);
}

TEST_CASE("texts put together at random come back, too") {
  constexpr std::string_view pieces[] = {
      "at ",  "17",   "\n",       "from ", "to ", "\nto ", "a@b",          "body 8bitmime",
      "\x02", "\n\n", "smtputf8", "T",     "P",   "0",     "orcpt rfc822;"};
  seeded_random random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = random.below(2) == 0 ? "at 5\nfrom " : "";
    for (auto left = random.below(12); left > 0; --left)
      text += pieces[random.below(std::size(pieces))];
    if (random.below(2) == 0) text += "\n\n";
    CAPTURE(text);
    REQUIRE(unpack_envelope(pack_envelope(text)) == text);
  }
}

}  // namespace
}  // namespace relais::testing
