// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/export/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>

#include "user/base/text.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/trace.h"

namespace netsonde {

namespace {

constexpr std::uint64_t kRowsPerTransaction = 50'000;

constexpr const char* kSchema = R"(
CREATE TABLE events (time_ns INTEGER NOT NULL, event TEXT NOT NULL, cookie INTEGER,
  local_address TEXT, local_port INTEGER, remote_address TEXT, remote_port INTEGER,
  netns INTEGER, pid INTEGER, comm TEXT, details TEXT, data TEXT);
CREATE TABLE findings (from_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, id TEXT NOT NULL,
  severity TEXT NOT NULL, "where" TEXT NOT NULL, since TEXT, because TEXT, confidence TEXT,
  text TEXT, advice TEXT, subject TEXT, impact TEXT, evidence TEXT);
CREATE TABLE host (time_ns INTEGER NOT NULL, name TEXT NOT NULL, instance TEXT NOT NULL,
  value INTEGER NOT NULL);
CREATE TABLE recording (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
)";

constexpr const char* kIndexes = R"(
CREATE INDEX connections_remote ON connections (remote_address, remote_port);
CREATE INDEX connections_comm ON connections (comm);
CREATE INDEX connections_cookie ON connections (cookie);
CREATE INDEX samples_cookie ON samples (cookie, time_ns);
CREATE INDEX samples_time ON samples (time_ns);
CREATE INDEX events_time ON events (time_ns);
CREATE INDEX events_cookie ON events (cookie, time_ns);
CREATE INDEX events_event ON events (event, time_ns);
CREATE INDEX findings_id ON findings (id, from_ns);
CREATE INDEX host_name ON host (name, instance, time_ns);
)";

// Of a table whose columns are a time and all fields.
std::string table_of_fields(std::string_view name) {
  std::string sql = fmt::format("CREATE TABLE {} (time_ns INTEGER NOT NULL", name);
  for (const Field& field : fields()) sql += fmt::format(", \"{}\"", field.id);
  return sql + ");";
}

std::string insert_into(std::string_view table, std::size_t columns) {
  std::string sql = fmt::format("INSERT INTO {} VALUES (?", table);
  for (std::size_t i = 1; i < columns; ++i) sql += ",?";
  return sql + ")";
}

std::int64_t realtime_ns(const Row& row) {
  return row.now.time_since_epoch().count() + row.realtime_offset_ns;
}

}  // namespace

struct SqliteOutput::Database {
  // A statement that is executed again and again.
  class Insert {
   public:
    explicit Insert(Database& database, const std::string& sql) : database_(database) {
      sqlite3_prepare_v2(database.handle, sql.c_str(), -1, &statement_, nullptr);
    }
    Insert(const Insert&) = delete;
    Insert& operator=(const Insert&) = delete;
    ~Insert() { sqlite3_finalize(statement_); }

    void null() { ++column_; }
    void number(std::int64_t value) { sqlite3_bind_int64(statement_, ++column_, value); }
    void text(std::string_view value) {
      const std::string safe = printable(value);
      sqlite3_bind_text(statement_, ++column_, safe.data(), static_cast<int>(safe.size()),
                        SQLITE_TRANSIENT);
    }
    void json(const Json& value) {
      if (value.is_null()) return null();
      if (value.is_string()) return text(value.get<std::string>());
      if (value.is_number_float())
        sqlite3_bind_double(statement_, ++column_, value.get<double>());
      else if (value.is_number() || value.is_boolean())
        number(value.is_boolean() ? value.get<bool>()
                                  : static_cast<std::int64_t>(value.get<std::uint64_t>()));
      else
        text(to_line(value));
    }
    void value(const Value& value) {
      if (const auto* time = std::get_if<Timestamp>(&value)) return number(time->ns);
      json(to_json(value));
    }
    Result<> run() {
      const int status = sqlite3_step(statement_);
      sqlite3_reset(statement_);
      sqlite3_clear_bindings(statement_);
      column_ = 0;
      if (status != SQLITE_DONE) return database_.error();
      return database_.count_row();
    }

   private:
    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
    int column_ = 0;
  };

  explicit Database(sqlite3* opened) : handle(opened) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    connections.reset();
    samples.reset();
    events.reset();
    findings.reset();
    host.reset();
    recording.reset();
    sqlite3_close(handle);
  }

  Error error() const {
    return Error(std::string("write the database: ") + sqlite3_errmsg(handle));
  }

  Result<> execute(const std::string& sql) const {
    if (sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return error();
    return {};
  }

  // A transaction holds as many rows as memory may take.
  Result<> count_row() {
    if (++rows % kRowsPerTransaction) return {};
    return execute("COMMIT; BEGIN");
  }

  Result<> prepare() {
    TRY(execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"));
    TRY(execute(kSchema + table_of_fields("connections") + table_of_fields("samples")));
    const std::size_t columns = fields().size() + 1;
    connections.emplace(*this, insert_into("connections", columns));
    samples.emplace(*this, insert_into("samples", columns));
    events.emplace(*this, insert_into("events", 12));
    findings.emplace(*this, insert_into("findings", 13));
    host.emplace(*this, insert_into("host", 4));
    recording.emplace(*this, insert_into("recording", 2));
    return {};
  }

  sqlite3* handle;
  std::uint64_t rows = 0;
  std::optional<Insert> connections, samples, events, findings, host, recording;
};

SqliteOutput::SqliteOutput(std::unique_ptr<Database> database) : database_(std::move(database)) {}
SqliteOutput::~SqliteOutput() = default;

Result<std::unique_ptr<SqliteOutput>> SqliteOutput::create(const std::string& path) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int status = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  auto database = std::make_unique<Database>(handle);
  if (status != SQLITE_OK)
    return Error("create " + printable(path) + ": " + sqlite3_errmsg(handle));
  TRY(database->prepare());
  return std::unique_ptr<SqliteOutput>(new SqliteOutput(std::move(database)));
}

Result<> SqliteOutput::event(const Event& event, const Store& store) {
  Json json = to_json(event, store);
  Database::Insert& row = *database_->events;
  row.number(time_of(event).time_since_epoch().count() + store.tick().realtime_offset_ns);
  for (const char* key : {"event", "cookie", "local_address", "local_port", "remote_address",
                          "remote_port", "netns", "pid", "comm"}) {
    row.json(json.contains(key) ? json[key] : Json(nullptr));
    json.erase(key);
  }
  json.erase("time");
  row.text(details_of(event, store));
  row.text(to_line(json));
  return row.run();
}

Result<> SqliteOutput::sample(const Row& of) {
  Database::Insert& row = *database_->samples;
  row.number(realtime_ns(of));
  for (const Field& field : fields()) row.value(field.get(of));
  return row.run();
}

Result<> SqliteOutput::connection(const Row& of) {
  Database::Insert& row = *database_->connections;
  row.number(realtime_ns(of));
  for (const Field& field : fields()) row.value(field.get(of));
  return row.run();
}

Result<> SqliteOutput::host(std::int64_t time_ns, const HostValue& value) {
  Database::Insert& row = *database_->host;
  row.number(time_ns);
  row.text(value.name);
  row.text(value.instance);
  row.number(static_cast<std::int64_t>(value.value));
  return row.run();
}

Result<> SqliteOutput::finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) {
  Database::Insert& row = *database_->findings;
  row.number(from_ns);
  row.number(until_ns);
  for (const char* key : {"id", "severity", "where", "since", "because", "confidence", "text",
                          "advice", "subject", "impact", "evidence"})
    row.json(finding.at(key));
  return row.run();
}

Result<> SqliteOutput::finish(const Snapshot& last) {
  const auto tell = [this](std::string_view key, const Json& value) -> Result<> {
    database_->recording->text(key);
    database_->recording->json(value);
    return database_->recording->run();
  };
  TRY(tell("program", "netsonde " NETSONDE_VERSION));
  TRY(tell("host", last.names().host));
  TRY(tell("until_ns", last.realtime_ns()));
  TRY(tell("lost_events", last.lost()));
  TRY(tell("lost", losses_to_json(last.tick())));
  return database_->execute(std::string("COMMIT;") + kIndexes);
}

}  // namespace netsonde
