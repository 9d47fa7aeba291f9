import Kit
import Synchronization
import TestKit
import Testing
import Workflow

/// A timer that was cancelled used to ring: each wait started the next one at once, and an idle cloud took a core.
@Suite struct IdleTests {
  @Test func anIdleEngineAsksTheDatabaseSeldom() async throws {
    let database = try await TestKit.database(JobStore.migrations)
    let engine = WorkflowEngine(database: database, node: "n1", log: TestKit.log)
    engine.register([WorkflowDefinition(kind: "w", steps: [Step("s") { _ in .done }])])
    let running = Task { try await engine.run() }
    for index in 0..<20 {
      try await database.write { tx in
        _ = try engine.enqueue(
          NewJob(kind: "w", subject: "t/\(index)", requestID: "r", userID: "u", projectID: "p"), tx: tx)
      }
    }
    while try await database.read({ try $0.count("SELECT COUNT(*) FROM job WHERE is_live = 1") }) > 0 {
      try await Task.sleep(for: .milliseconds(10))
    }
    try await Task.sleep(for: .milliseconds(200))
    let before = database.statementCount
    try await Task.sleep(for: .milliseconds(500))
    #expect(database.statementCount - before <= 10)
    running.cancel()
    try await running.value
  }

  @Test func anIdleReconcilerRests() async throws {
    let passes = Passes()
    let reconciler = Reconciler(name: "test", interval: .seconds(60), log: TestKit.log) { passes.add() }
    let running = Task { await reconciler.run() }
    for _ in 0..<5 { try await reconciler.pass() }
    try await Task.sleep(for: .milliseconds(300))
    #expect(passes.count <= 7)
    running.cancel()
    await running.value
    // Nobody serves this pass any more: whoever is cancelled must not wait for it.
    let late = Task { try await reconciler.pass() }
    late.cancel()
    await #expect(throws: CancellationError.self) { try await late.value }
  }
}

private final class Passes: Sendable {
  private let value = Mutex(0)
  var count: Int { value.withLock { $0 } }
  func add() { value.withLock { $0 += 1 } }
}
