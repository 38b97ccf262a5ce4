// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/web_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace netsonde::test {

namespace {

constexpr const char* kCaddy = "/usr/bin/caddy";
constexpr const char* kOpenssl = "/usr/bin/openssl";

constexpr std::string_view kSites = R"({{
  admin off
  auto_https off
  storage file_system {0}/storage
}}
https://:{1} {{
  tls {0}/good.pem {0}/key.pem
  log {{
    output file {0}/access.log
  }}
  redir /moved /hello 301
  header /hello Cache-Control max-age=5
  header /hello Age 17
  header /hello Via "1.1 cache.test"
  header /hello X-Cache HIT
  respond /hello hello
  respond /missing 404
  reverse_proxy /origin/* 127.0.0.1:8080
  root * {0}/www
  file_server
}}
https://expired.test:{1} {{
  tls {0}/expired.pem {0}/key.pem
  log {{
    output file {0}/access.log
  }}
  respond hello
}}
)";

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What comes next; empty at the end.
std::string receive_some(const Socket& peer) {
  std::array<char, 65536> bytes{};
  const ssize_t size = recv(peer.fd(), bytes.data(), bytes.size(), 0);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

std::size_t announced_by(const std::string& head) {
  constexpr std::string_view kName = "Content-Length: ";
  const std::size_t at = head.find(kName);
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + kName.size()));
}

std::string answer_of(const std::string& body, std::size_t announced) {
  return fmt::format("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                     announced, body);
}

void serve(const Socket& peer) {
  std::string head;
  std::size_t end = std::string::npos;
  while ((end = head.find("\r\n\r\n")) == std::string::npos) {
    const std::string part = receive_some(peer);
    if (part.empty()) return;
    head += part;
  }
  std::size_t body = head.size() - end - 4;
  for (const std::size_t announced = announced_by(head); body < announced;) {
    const std::string part = receive_some(peer);
    if (part.empty()) return;
    body += part.size();
  }
  if (head.find(" /origin/cut") != std::string::npos)
    peer.send(answer_of(std::string(1000, 'x'), 5000));
  else if (head.find(" /origin/never") != std::string::npos)
    receive_some(peer);  // until it is given up
  else
    peer.send(answer_of(std::to_string(body), std::to_string(body).size()));
}

}  // namespace

std::string WebServer::missing() {
  for (const char* program : {kCaddy, kOpenssl})
    if (access(program, X_OK)) return fmt::format("no {} here", program);
  return {};
}

WebServer::WebServer(const Namespace& space, const std::string& address) {
  const Inside inside(space);
  origin_listener_ = listen_on({.port = 8080});
  std::string directory = std::filesystem::temp_directory_path() / "netsonde-web-XXXXXX";
  must(mkdtemp(directory.data()), "make a directory");
  directory_ = directory;
  make_authority("ca");
  make_authority("other");
  run(fmt::format("{} ecparam -name prime256v1 -genkey -noout -out {}", kOpenssl, file("key.pem")));
  make_certificate("good", "DNS:name.test,IP:127.0.0.1", 10);
  make_certificate("expired", "DNS:expired.test", -1);
  write("hosts", address + " name.test expired.test other.test\n");
  write("Caddyfile", fmt::format(kSites, directory_.string(), kPort));
  std::filesystem::create_directory(directory_ / "www");
  write("www/big", std::string(kBigBytes, 'x'));
  origin_.emplace([this] { run_origin(); });
  server_.emplace([this] { run_server(); });
  const auto serves = [this] {
    return text_of(file("server.log")).find("serving initial configuration") != std::string::npos;
  };
  if (!wait_until(serves)) throw std::runtime_error("start caddy: " + text_of(file("server.log")));
}

WebServer::~WebServer() {
  server_.reset();
  origin_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void WebServer::write(const std::string& name, const std::string& text) const {
  std::ofstream out(directory_ / name);
  out << text << std::flush;
  must(out.good(), "write " + name);
}

void WebServer::make_authority(const std::string& name) const {
  run(
      fmt::format("{} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
                  "-subj /CN={}-authority -keyout {} -out {}",
                  kOpenssl, name, file(name + ".key"), file(name + ".pem")));
}

void WebServer::make_certificate(const std::string& name, const std::string& names,
                                 int days) const {
  write(name + ".ext", "subjectAltName=" + names + "\n");
  run(fmt::format("{} req -new -key {} -subj /CN={} -out {}", kOpenssl, file("key.pem"), name,
                  file(name + ".csr")));
  run(
      fmt::format("{} x509 -req -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -days {} "
                  "-out {}",
                  kOpenssl, file(name + ".csr"), file("ca.pem"), file("ca.key"),
                  file(name + ".ext"), days, file(name + ".pem")));
}

void WebServer::run_server() const {
  const UniqueFd log(
      open(file("server.log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  dup2(log.get(), STDOUT_FILENO);
  dup2(log.get(), STDERR_FILENO);
  for (const char* name : {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"})
    setenv(name, directory_.c_str(), 1);
  execl(kCaddy, kCaddy, "run", "--config", file("Caddyfile").c_str(), "--adapter", "caddyfile",
        nullptr);
  must(false, "start caddy");
}

void WebServer::run_origin() const {
  while (true) {
    const Socket peer(UniqueFd(accept4(origin_listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC)));
    if (peer.fd() >= 0) serve(peer);
  }
}

std::optional<Json> WebServer::find_logged(const std::string& uri) const {
  std::ifstream log(file("access.log"));
  for (std::string line; std::getline(log, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_discarded() && entry["request"]["uri"] == uri) return entry;
  }
  return std::nullopt;
}

Json WebServer::logged(const std::string& uri) const {
  std::optional<Json> entry;
  must(wait_until([&] { return (entry = find_logged(uri)).has_value(); }), "find " + uri);
  return *entry;
}

}  // namespace netsonde::test
