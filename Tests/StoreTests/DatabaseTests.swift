import Kit
import Store
import Synchronization
import TestKit
import Testing

/// The engines that there are.
enum Engine: CaseIterable {
  case sqlite, mariadb

  func database(_ migrations: [Migration]) async throws -> any Database {
    switch self {
    case .sqlite: try await TestKit.sqlite(migrations)
    case .mariadb: try await MariaDBServer.shared.database(migrations)
    }
  }
}

/// What every engine of `Database` must do.
@Suite struct DatabaseConformanceTests {
  private let table = Migration(
    "test-001",
    ["CREATE TABLE item (id VARCHAR(36) PRIMARY KEY, name VARCHAR(255), size BIGINT, data BLOB, ratio DOUBLE)"])

  @Test(arguments: Engine.allCases) func valuesComeBackAsTheyWent(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    let hostile = "'; DROP TABLE item; -- ü😀"
    try await database.write { tx in
      try tx.execute(
        .insert(
          into: "item", ["id": "1", "name": hostile, "size": Int.max, "data": [0, 255] as [UInt8], "ratio": 1.5]))
      try tx.execute("INSERT INTO item (id, name) VALUES (\("2"), \(String?.none))")
    }
    let rows = try await database.read { try $0.query("SELECT * FROM item ORDER BY id") }
    #expect(rows[0].text("name") == hostile)
    #expect(rows[0].int("size") == Int.max)
    #expect(rows[0].blob("data") == [0, 255])
    #expect(rows[0].double("ratio") == 1.5)
    #expect(rows[1].optionalText("name") == nil)
    #expect(rows[1].optionalInt("size") == nil)
  }

  @Test(arguments: Engine.allCases) func aTransactionThatThrowsLeavesNothingAndRunsNoAction(_ engine: Engine)
    async throws
  {
    let database = try await engine.database([table])
    let flag = Flag()
    await #expect(throws: Fault.self) {
      try await database.write { tx in
        try tx.execute("INSERT INTO item (id) VALUES ('1')")
        tx.afterCommit { flag.set() }
        throw Fault.conflict("no")
      }
    }
    #expect(try await database.read { try $0.count("SELECT COUNT(*) FROM item") } == 0)
    #expect(!flag.isSet)
  }

  @Test(arguments: Engine.allCases) func aBrokenUniqueConstraintIsADuplicateRow(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    try await database.write { tx in
      try tx.execute("INSERT INTO item (id) VALUES ('1')")
      do {
        try tx.execute("INSERT INTO item (id) VALUES ('1')")
        Issue.record("the second row was taken")
      } catch is DuplicateRow {}
    }
  }

  @Test(arguments: Engine.allCases) func migrationsRunOnce(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    try await database.migrate([table, Migration("test-002", ["INSERT INTO item (id) VALUES ('1')"])])
    try await database.migrate([table, Migration("test-002", ["INSERT INTO item (id) VALUES ('1')"])])
    #expect(try await database.read { try $0.count("SELECT COUNT(*) FROM item") } == 1)
  }

  @Test(arguments: Engine.allCases) func listsOfParametersMayBeEmpty(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    _ = try await database.write { try $0.execute("INSERT INTO item (id) VALUES ('1')") }
    let none: [String] = []
    let counts = try await database.read { tx in
      [
        try tx.query("SELECT * FROM item WHERE id IN \(list: none)").count,
        try tx.query("SELECT * FROM item WHERE id IN \(list: ["1", "2"])").count,
      ]
    }
    #expect(counts == [0, 1])
  }

  @Test(arguments: Engine.allCases) func aCancelledTaskStillCommits(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      _ = try await database.write { try $0.execute("INSERT INTO item (id) VALUES ('1')") }
    }
    _ = try await task.value
    #expect(try await database.read { try $0.count("SELECT COUNT(*) FROM item") } == 1)
  }

  @Test(arguments: Engine.allCases) func writersWaitForEachOther(_ engine: Engine) async throws {
    let database = try await engine.database([table])
    _ = try await database.write { try $0.execute("INSERT INTO item (id, size) VALUES ('1', 0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await database.write { tx in
            let size = try tx.count("SELECT size FROM item")
            try tx.execute("UPDATE item SET size = \(size + 1)")
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await database.read { try $0.count("SELECT size FROM item") } == 50)
  }
}

private final class Flag: Sendable {
  private let value = Mutex(false)
  var isSet: Bool { value.withLock { $0 } }
  func set() { value.withLock { $0 = true } }
}
