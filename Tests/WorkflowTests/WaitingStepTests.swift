import Kit
import Store
import Synchronization
import TestKit
import Testing
import Workflow

private final class Progress: Sendable {
  let isDone = Mutex(false)
  let ended = Mutex(0)
}

/// Steps that wait for other jobs.
struct WaitingStepTests {
  /// More waiting jobs than may run at the same time do not hold up the job that they wait for.
  @Test func whatIsWaitedForGetsItsTurn() async throws {
    let database = try await TestKit.database(JobStore.migrations)
    let engine = WorkflowEngine(database: database, node: "n1", log: TestKit.log)
    let progress = Progress()
    engine.register([
      WorkflowDefinition(
        kind: "wait",
        steps: [
          Step("wait", deadline: .seconds(60)) { [engine] _ in
            try await engine.whileWaiting {
              while !progress.isDone.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
            }
            progress.ended.withLock { $0 += 1 }
            return .done
          }
        ]),
      WorkflowDefinition(
        kind: "work",
        steps: [
          Step("work") { _ in
            progress.isDone.withLock { $0 = true }
            return .done
          }
        ]),
    ])
    try await database.write { tx in
      for (index, kind) in (Array(repeating: "wait", count: 100) + ["work"]).enumerated() {
        try engine.enqueue(
          NewJob(kind: kind, subject: "thing/\(index)", requestID: "r", userID: "u", projectID: "p"), tx: tx)
      }
    }
    let running = Task { try await engine.run() }
    for _ in 0..<600 where progress.ended.withLock({ $0 }) < 100 { try await Task.sleep(for: .milliseconds(50)) }
    running.cancel()
    #expect(progress.ended.withLock { $0 } == 100)
  }
}
