// The command line and the configuration as callers see them: what is accepted where, and the exit codes.
#include "tests/agent/cli/program.h"

#include <catch2/catch.hpp>

using namespace bulkmail::test;

TEST_CASE("help and version are answered everywhere") {
  CHECK_THAT(run({"--help"}).output, Catch::Contains("submit"));
  CHECK(run({"--help"}).exit == 0);
  CHECK(run({"queue", "--help"}).exit == 0);
  CHECK_THAT(run({"--version"}).output, Catch::StartsWith("bulkmail "));
}

TEST_CASE("a command line that makes no sense is 64") {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"bogus"},
                                             {"run", "--bogus"},
                                             {"run", "now"},
                                             {"show"},
                                             {"queue", "x"},
                                             {"--config"},
                                             {"flush", "d1.example", "--id", "x"},
                                             {"drain", "--max-time"},
                                             {"drain", "--max-time", "soon"},
                                             {"check", "--", "x"}}) {
    Folder folder;
    auto with_spool = words;
    if (!words.empty() && words[0] == "drain")
      with_spool.insert(with_spool.end(), {"--spool=" + folder.path("spool")});
    const auto ran = run(with_spool);
    INFO((words.empty() ? "nothing" : words.back()));
    CHECK(ran.exit == 64);
    CHECK_FALSE(ran.errors.empty());
    CHECK(ran.output.empty());
  }
}

TEST_CASE("check prints every error with its place and exits 78") {
  Folder folder;
  folder.write("b.toml", "hostnam = \"x\"\n[smtp]\nport = 0\n");
  const auto file = folder.path("b.toml");
  const auto ran = run({"check", "--config", file, "--set", "retry.expire=soon"});
  CHECK(ran.exit == 78);
  CHECK_THAT(ran.errors, Catch::StartsWith(
                             file + ":1:1: unknown key hostnam; the nearest known one is hostname\n" + file +
                             ":3:8: smtp.port must be from 1 to 65535, not 0\n--set: retry.expire "));
  folder.write("b.toml", "[smtp]\nport = 26\n");
  CHECK(run({"check", "--config", file}).exit == 0);
  CHECK(run({"--config", file, "check"}).output == file + ": good\n");
}

TEST_CASE("a bad configuration is 78 for every command but submit") {
  for (const auto* command : {"run", "drain", "flush", "check", "queue", "ping"}) {
    CHECK(run({command, "--config", "/nonexistent/b.toml"}).exit == 78);
    CHECK(run({command, "--set", "no.such=1"}).exit == 78);
    CHECK(run({command, "--set", "novalue"}).exit == 78);
  }
}

TEST_CASE("the configuration is --config's before the environment's") {
  Folder folder;
  folder.write("good.toml", "");
  folder.write("bad.toml", "x = 1");
  const How with_bad{.environment = {"BULKMAIL_CONFIG=" + folder.path("bad.toml")}};
  CHECK(run({"check"}, with_bad).exit == 78);
  CHECK(run({"check", "--config", folder.path("good.toml")}, with_bad).exit == 0);
  CHECK(run({"check"}, {.environment = {"BULKMAIL_CONFIG=/nonexistent"}}).exit == 78);
}

TEST_CASE("--set and --spool go over the file") {
  Folder folder;
  folder.write("b.toml", "[spool]\npath = \"/nonexistent/spool\"\n");
  const auto ran = run({"submit", "--config", folder.path("b.toml"), "--set", "spool.path=/nonexistent/other",
                        "-f", "a@b.c", "--spool", folder.path("spool"), "--", "d@e.f"});
  CHECK(ran.errors.empty());
  CHECK(ran.exit == 0);
  CHECK(folder.names("spool/new").size() == 1);
}
