// Metal's language is C++ with address spaces, attributes and a library.  The headers in include/ are the library; left
// are three things: variables in threadgroup memory, overloads by address space, and how a kernel is entered.
#include <cctype>
#include <set>

#include "apple/msl/kernel.h"

namespace apple::msl {
namespace {

struct Token {
  size_t begin, end;
};

class Text {
 public:
  explicit Text(const std::string& source) : source_(source) {
    for (size_t at = 0; at < source.size();) at = next(at);
  }
  size_t count() const { return tokens_.size(); }
  std::string operator[](size_t i) const {
    return i < tokens_.size() ? source_.substr(tokens_[i].begin, tokens_[i].end - tokens_[i].begin) : "";
  }
  const Token& token(size_t i) const { return tokens_[i]; }

 private:
  static bool in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  size_t end_of_line(size_t at) const {
    const size_t end = source_.find('\n', at);
    return end == std::string::npos ? source_.size() : end;
  }
  // Reads one token or a stretch of what is none; returns where to go on.
  size_t next(size_t at) {
    const std::string& s = source_;
    if (std::isspace(static_cast<unsigned char>(s[at]))) return at + 1;
    if (s[at] == '#' || s.compare(at, 2, "//") == 0) return end_of_line(at);
    if (s.compare(at, 2, "/*") == 0) {
      const size_t end = s.find("*/", at + 2);
      return end == std::string::npos ? s.size() : end + 2;
    }
    size_t end = at + 1;
    if (in_name(s[at])) {
      while (end < s.size() && (in_name(s[end]) || (s[end] == '.' && std::isdigit(static_cast<unsigned char>(s[at])))))
        ++end;
    } else if (s.compare(at, 2, "[[") == 0) {
      ++end;
    }
    tokens_.push_back({at, end});
    return end;
  }
  const std::string& source_;
  std::vector<Token> tokens_;
};

struct Edit {
  size_t begin, end;
  std::string text;
};

// Is the `threadgroup` at token i the address space of a variable, and not of what a pointer points at?
bool declares_shared(const Text& t, size_t i) {
  const std::string before = i ? t[i - 1] : ";";
  if (before != "{" && before != "}" && before != ";") return false;
  int nested = 0;
  for (size_t k = i + 1; k < t.count() && t[k] != ";" && t[k] != "="; ++k) {
    const std::string w = t[k];
    if (w == "<" || w == "(" || w == "[") ++nested;
    else if (w == ">" || w == ")" || w == "]") --nested;
    else if (nested == 0 && (w == "*" || w == "&")) return false;
  }
  return true;
}

// A kernel's signature, from the token behind `kernel` on.
class Signature {
 public:
  Signature(const Text& text, size_t at) : text_(text), at_(at) {}

  bool read(Kernel& kernel, std::string& call, std::string& why) {
    while (text_[at_] == "]") ++at_;  // of [[kernel]]
    if (text_[at_] != "void") return why = "a kernel returns void", false;
    kernel.name = text_[at_ + 1];
    std::string arguments;
    for (at_ += 3; at_ < text_.count() && text_[at_ - 1] != ")"; ++at_) {
      std::string argument;
      if (!read_parameter(kernel, argument, why)) return false;
      if (!argument.empty()) arguments += (arguments.empty() ? "" : ", ") + argument;
    }
    call = kernel.name + "(" + arguments + ")";
    return true;
  }
  size_t at() const { return at_ - 1; }

 private:
  // Up to the "," or ")" behind it.
  bool read_parameter(Kernel& kernel, std::string& argument, std::string& why) {
    if (text_[at_] == ")") return true;
    int nested = 0;
    std::string name, number;
    for (; at_ < text_.count(); ++at_) {
      const std::string w = text_[at_];
      if (nested == 0 && (w == "," || w == ")")) break;
      if (w == "(" || w == "<") ++nested;
      else if (w == ")" || w == ">") --nested;
      if (w != "[[") continue;
      name = text_[at_ + 1];
      number = text_[at_ + 2] == "(" ? text_[at_ + 3] : "";
    }
    if (name.empty()) return why = "kernel " + kernel.name + " has a parameter without an attribute", false;
    if (name == "buffer") kernel.arguments.push_back(static_cast<unsigned>(std::stoul(number)));
    argument = "msl::from(*self, msl::" + name + "(" + number + "))";
    return true;
  }
  const Text& text_;
  size_t at_;
};

// The function template that begins at token i, up to the token behind it, without address spaces.
std::string without_spaces(const Text& t, size_t i, size_t& end) {
  std::string words;
  int depth = 0;
  for (end = i; end < t.count(); ++end) {
    const std::string w = t[end];
    if (w != "device" && w != "threadgroup" && w != "constant" && w != "thread") words += w + " ";
    if (w == "{") ++depth;
    if (w == ";" && depth == 0) break;
    if (w == "}" && --depth == 0) break;
  }
  ++end;
  return words;
}

bool meets(const Text& t) {
  for (size_t i = 0; i < t.count(); ++i) {
    const std::string w = t[i];
    if (w.rfind("simd_", 0) == 0 || w.rfind("simdgroup_", 0) == 0 || w.rfind("quad_", 0) == 0 ||
        w == "threadgroup_barrier")
      return true;
  }
  return false;
}

std::string edited(const std::string& source, const std::vector<Edit>& edits) {
  std::string out;
  size_t at = 0;
  for (const Edit& e : edits) {
    out += source.substr(at, e.begin - at) + e.text;
    at = e.end;
  }
  return out + source.substr(at);
}

}  // namespace

bool translate(const std::string& msl, std::string& cpp, std::vector<Kernel>& kernels, std::string& why) {
  const Text t(msl);
  std::vector<Edit> edits;
  std::string entries;
  const bool cooperative = meets(t);
  std::set<std::string> templates;
  int depth = 0;
  for (size_t i = 0; i < t.count(); ++i) {
    const std::string w = t[i];
    size_t end = 0;
    if (w == "template" && depth == 0 && !templates.insert(without_spaces(t, i, end)).second) {
      edits.push_back({t.token(i).begin, t.token(end - 1).end, ""});
      i = end - 1;
    } else if (w == "{") ++depth;
    else if (w == "}") --depth;
    else if (w == "threadgroup" && depth > 0 && declares_shared(t, i))
      edits.push_back({t.token(i).begin, t.token(i).end, "MSL_SHARED"});
    else if (w == "kernel" && depth == 0) {
      Kernel k{{}, nullptr, cooperative, {}, nullptr};
      std::string call;
      Signature signature(t, i + 1);
      if (!signature.read(k, call, why)) return false;
      entries += "MSL_ENTRY void msl_enter_" + k.name + "(const msl::Thread* self) { " + call + "; }\n";
      kernels.push_back(std::move(k));
      i = signature.at();
    }
  }
  cpp = edited(msl, edits) + "\n#line 1 \"entries\"\n" + entries;
  return true;
}

}  // namespace apple::msl
