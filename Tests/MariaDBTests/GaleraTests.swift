import Glibc
import Host
import Kit
import MariaDB
import Store
import TestKit
import Testing

/// A cluster of three nodes on loopback.
@Suite(.serialized) struct GaleraTests {
  /// Writers go on when the node that they write to is killed: every increment counts exactly once.
  @Test func noWriteIsLostOrDoneTwiceWhenTheNodeDies() async throws {
    let cluster = try await GaleraCluster.start()
    defer { cluster.kill() }
    let databases = try (0..<3).map { _ in try MariaDBDatabase(cluster.options) }
    try await databases[0].migrate([Migration("t", ["CREATE TABLE counter (id INT PRIMARY KEY, value BIGINT)"])])
    _ = try await databases[0].write { try $0.execute("INSERT INTO counter (id, value) VALUES (1, 0)") }
    let killer = Task {
      try await Task.sleep(for: .milliseconds(300))
      cluster.kill(0)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for database in databases {
        group.addTask {
          for _ in 0..<200 {
            try await database.write { tx in
              let value = try tx.count("SELECT value FROM counter WHERE id = 1")
              try tx.execute("UPDATE counter SET value = \(value + 1) WHERE id = 1")
            }
          }
        }
      }
      try await group.waitForAll()
    }
    try await killer.value
    let value = try await databases[1].read { try $0.count("SELECT value FROM counter WHERE id = 1") }
    #expect(value == 600)
    for database in databases { try database.close() }
  }
}
