#include "serve.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <sstream>

#include "report.h"
#include "rounds.h"

namespace anvil::bench {
namespace {

class Server {
 public:
  Server(const std::vector<Case>& cases, Device& device)
      : cases_(cases), device_(device), stream_(device.stream(StreamKind::compute)) {}

  std::string answer(const std::string& verb, const std::string& name) {
    if (verb == "prepare") return prepare(name);
    require(jobs_.contains(name), Code::failed_precondition, name, " is not prepared");
    if (verb == "time") return str("{\"ms\": ", jobs_.at(name).job->time(1).ms, "}");
    require(verb == "release", Code::invalid_argument, "unknown request ", verb);
    jobs_.erase(name);
    return "{\"ok\": true}";
  }

 private:
  std::string prepare(const std::string& name) {
    const auto c = std::ranges::find(cases_, name, &Case::name);
    require(c != cases_.end(), Code::invalid_argument, "no case ", name);
    Ready ready = make_ready(*c, device_, *stream_, {});
    require(ready.error <= 1, Code::internal, name, " is wrong: its error is ", ready.error, " of what is allowed");
    const double error = ready.error;
    jobs_[name] = std::move(ready);
    return str("{\"ok\": true, \"error\": ", error, "}");
  }

  const std::vector<Case>& cases_;
  Device& device_;
  std::unique_ptr<Stream> stream_;
  std::map<std::string, Ready> jobs_;
};

}  // namespace

void serve(const std::vector<Case>& cases, Device& device) {
  std::cout << "{\"engine\": \"anvil\", \"versions\": " << facts_json(device.caps()) << "}" << std::endl;
  Server server(cases, device);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, name;
    words >> verb >> name;
    if (verb == "quit") return;
    try {
      std::cout << server.answer(verb, name) << std::endl;
    } catch (const Error& e) {
      std::cout << "{\"problem\": " << quoted(e.what()) << "}" << std::endl;
    }
  }
}

}  // namespace anvil::bench
