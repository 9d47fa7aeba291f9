import Kit
import Synchronization
import TestKit
import Testing
import Workflow

@Suite struct ReconcilerTests {
  @Test func aPassThatIsWaitedForBeganAfterTheCall() async throws {
    let box = Box()
    let reconciler = Reconciler(name: "test", interval: .seconds(60), log: TestKit.log) {
      try await Task.sleep(for: .milliseconds(20))
      box.add()
    }
    let running = Task { await reconciler.run() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 { group.addTask { try await reconciler.pass() } }
      try await group.waitForAll()
    }
    #expect(box.count <= 3)
    running.cancel()
    await running.value
  }

  @Test func whoeverWaitsLearnsOfAFailure() async throws {
    let reconciler = Reconciler(name: "test", interval: .seconds(60), log: TestKit.log) {
      throw Fault.unavailable("no kernel")
    }
    let running = Task { await reconciler.run() }
    await #expect(throws: Fault.self) { try await reconciler.pass() }
    running.cancel()
    await running.value
  }
}

private final class Box: Sendable {
  private let value = Mutex(0)
  var count: Int { value.withLock { $0 } }
  func add() { value.withLock { $0 += 1 } }
}
