import Kit
import MariaDB
import Store
import TestKit
import Testing

/// An all-in-one's database moves onto a cluster, and back, without a loss.
@Suite struct DatabaseCopyTests {
  private let migrations = [
    Migration(
      "test-001",
      [
        "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(255), data BLOB, ratio DOUBLE, note TEXT)",
        "CREATE TABLE empty (id VARCHAR(36) PRIMARY KEY)",
      ])
  ]

  private func rows(_ database: any Database) async throws -> [[SQLValue]] {
    try await database.read { tx in
      try tx.query("SELECT id, name, data, ratio, note FROM item ORDER BY id").map { row in
        (0..<5).map { row[$0] }
      }
    }
  }

  @Test func everyRowArrivesAsItWas() async throws {
    let small = try await TestKit.sqlite(migrations)
    try await small.write { tx in
      for number in 1...1200 {
        try tx.execute(
          .insert(
            into: "item",
            [
              "name": "Zeile '\(number)' \u{1F600} ü", "data": [UInt8](repeating: UInt8(number % 256), count: 40),
              "ratio": Double(number) / 7, "note": number % 2 == 0 ? String(repeating: "x", count: 70_000) : nil,
            ]))
      }
    }
    let large = try await MariaDBServer.shared.database([])
    let copied = try await DatabaseCopy(from: small, to: large).run(migrations)
    #expect(copied.map(\.table) == ["empty", "item"])
    #expect(copied.map(\.rows) == [0, 1200])
    #expect(try await rows(large) == rows(small))
    // Numbers go on where they ended.
    let next = try await large.write { tx in
      try tx.execute("INSERT INTO item (name) VALUES ('next')")
      return try tx.count("SELECT MAX(id) FROM item")
    }
    #expect(next == 1201)
    let back = try await TestKit.sqlite([])
    _ = try await DatabaseCopy(from: large, to: back).run(migrations)
    #expect(try await rows(back) == rows(large))
    large.close()
  }

  @Test func aTargetWithRowsIsLeftAlone() async throws {
    let source = try await TestKit.sqlite(migrations)
    let target = try await TestKit.sqlite(migrations)
    for database in [source, target] {
      _ = try await database.write { try $0.execute("INSERT INTO empty (id) VALUES ('1')") }
    }
    await #expect(throws: Fault.self) { try await DatabaseCopy(from: source, to: target).run(migrations) }
    #expect(try await target.read { try $0.count("SELECT COUNT(*) FROM empty") } == 1)
  }
}
