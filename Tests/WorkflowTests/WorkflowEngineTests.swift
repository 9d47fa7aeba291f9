import Kit
import Store
import Synchronization
import TestKit
import Testing
import Workflow

/// A world that workflows change: a set of things, as a node would have them.
private final class World: Sendable {
  let things = Mutex<Set<String>>([])
  func has(_ name: String) -> Bool { things.withLock { $0.contains(name) } }
  func make(_ name: String) { things.withLock { _ = $0.insert(name) } }
  func remove(_ name: String) { things.withLock { _ = $0.remove(name) } }
}

private struct Bench {
  let database: any Database
  let world = World()

  init() async throws {
    database = try await TestKit.database(
      JobStore.migrations + [
        Migration("thing", ["CREATE TABLE thing (id VARCHAR(20) PRIMARY KEY, state VARCHAR(255))"])
      ]
    )
  }

  func engine(_ crash: (@Sendable (CrashPoint, Job, String) throws -> Void)? = nil, fail: String? = nil)
    -> WorkflowEngine
  {
    let engine = WorkflowEngine(database: database, node: "n1", log: TestKit.log, crash: crash)
    engine.register([build(fail: fail), remove])
    return engine
  }

  private func build(fail: String?) -> WorkflowDefinition {
    func step(_ name: String) -> Step {
      Step(
        name, deadline: .seconds(5),
        run: { [world] context in
          if name == fail { throw Fault.conflict("\(name) does not work") }
          world.make(name)
          return StepResult(.string(name)) { tx in try tx.execute("UPDATE thing SET state = \(name)") }
        },
        undo: { [world] _ in
          world.remove(name)
          return .done
        })
    }
    return WorkflowDefinition(
      kind: "build", deadline: .seconds(30), steps: [step("disk"), step("port"), step("guest")],
      onFailed: { tx, _, fault in try tx.execute("UPDATE thing SET state = \("ERROR: " + fault.message)") })
  }

  private var remove: WorkflowDefinition {
    WorkflowDefinition(
      kind: "remove", preempts: true,
      steps: [
        Step("all") { [world] _ in
          world.things.withLock { $0 = [] }
          return StepResult { tx in try tx.execute("DELETE FROM thing") }
        }
      ])
  }

  func start(_ kind: String, _ engine: WorkflowEngine) async throws -> Int {
    try await database.write { tx in
      if kind == "build" { try tx.execute("INSERT INTO thing (id, state) VALUES ('a', 'new')") }
      return try engine.enqueue(
        NewJob(kind: kind, subject: "thing/a", requestID: "req-1", userID: "u", projectID: "p"), tx: tx)
    }
  }
  func state() async throws -> String? {
    try await database.read { try $0.first("SELECT state FROM thing")?.text("state") }
  }
  func job(_ id: Int) async throws -> Job? { try await database.read { try JobStore.find(id, tx: $0) } }
}

@Suite struct WorkflowEngineTests {
  @Test func stepsRunInOrderAndCommitWithTheirChanges() async throws {
    let bench = try await Bench()
    let engine = bench.engine()
    let id = try await bench.start("build", engine)
    try await engine.drain()
    let job = try #require(try await bench.job(id))
    #expect(job.state == .succeeded)
    #expect(job.outputs == ["disk": "disk", "port": "port", "guest": "guest"])
    #expect(try await bench.state() == "guest")
    let events = try await bench.database.read { try JobStore.events(jobs: [id], tx: $0) }
    #expect(events.map(\.name) == ["disk", "port", "guest"])
    #expect(events.allSatisfy { $0.result == "Success" })
  }

  @Test func aFailedStepUndoesAllAndSettlesWithItsExplanation() async throws {
    let bench = try await Bench()
    let engine = bench.engine(fail: "guest")
    let id = try await bench.start("build", engine)
    try await engine.drain()
    #expect(try await bench.job(id)?.state == .failed)
    #expect(try await bench.state() == "ERROR: guest does not work")
    #expect(bench.world.things.withLock { $0.isEmpty })
  }

  @Test func aCrashAtAnyPointEndsInASettledState() async throws {
    let points = try await CrashPlan.everyPoint { plan in
      let bench = try await Bench()
      let engine = bench.engine(plan.hook)
      let id = try await bench.start("build", engine)
      try await engine.drain()
      if plan.hasCrashed {
        let next = bench.engine()
        try await next.takeOver()
        try await next.drain()
      }
      #expect(try await bench.job(id)?.state == .succeeded, "\(plan.place)")
      #expect(bench.world.things.withLock { $0 } == ["disk", "port", "guest"], "\(plan.place)")
    }
    #expect(points == 9)
  }

  @Test func aCrashWhileUndoingEndsInASettledState() async throws {
    try await CrashPlan.everyPoint { plan in
      let bench = try await Bench()
      let engine = bench.engine(plan.hook, fail: "guest")
      let id = try await bench.start("build", engine)
      try await engine.drain()
      if plan.hasCrashed {
        let next = bench.engine(fail: "guest")
        try await next.takeOver()
        try await next.drain()
      }
      #expect(try await bench.job(id)?.state == .failed, "\(plan.place)")
      #expect(bench.world.things.withLock { $0.isEmpty }, "\(plan.place)")
    }
  }

  @Test func aDeleteCancelsAHangingBuildAtOnce() async throws {
    let bench = try await Bench()
    let engine = WorkflowEngine(database: bench.database, node: "n1", log: TestKit.log)
    let (started, signal) = AsyncStream<Void>.makeStream()
    engine.register([
      WorkflowDefinition(
        kind: "build",
        steps: [
          Step("hang", deadline: .seconds(60)) { _ in
            signal.yield()
            try await Task.sleep(for: .seconds(60))
            return .done
          }
        ]),
      WorkflowDefinition(
        kind: "remove", preempts: true,
        steps: [Step("all") { _ in StepResult { tx in try tx.execute("DELETE FROM thing") } }]),
    ])
    let running = Task { try await engine.run() }
    let build = try await bench.start("build", engine)
    for await _ in started { break }
    let begin = ContinuousClock.now
    let remove = try await bench.start("remove", engine)
    while try await bench.job(remove)?.state.isLive == true { try await Task.sleep(for: .milliseconds(10)) }
    #expect(ContinuousClock.now - begin < .seconds(5))
    #expect(try await bench.job(build)?.state == .cancelled)
    #expect(try await bench.job(remove)?.state == .succeeded)
    #expect(try await bench.state() == nil)
    running.cancel()
    try await running.value
  }

  @Test func jobsOfOneSubjectRunOneAfterTheOther() async throws {
    let bench = try await Bench()
    let engine = bench.engine()
    let first = try await bench.start("build", engine)
    let second = try await bench.database.write { tx in
      try engine.enqueue(
        NewJob(kind: "build", subject: "thing/a", requestID: "req-2", userID: "u", projectID: "p"), tx: tx)
    }
    try await engine.drain()
    let jobs = try await bench.database.read { try JobStore.history(subject: "thing/a", tx: $0) }
    #expect(jobs.map(\.id) == [second, first])
    #expect(jobs.allSatisfy { $0.state == .succeeded })
    #expect(jobs[0].updatedAt >= jobs[1].updatedAt)
  }

  @Test func aStepThatTakesTooLongFailsWithItsName() async throws {
    let bench = try await Bench()
    let engine = WorkflowEngine(database: bench.database, node: "n1", log: TestKit.log)
    engine.register([
      WorkflowDefinition(
        kind: "build",
        steps: [
          Step("slow", deadline: .milliseconds(30)) { _ in
            try await Task.sleep(for: .seconds(60))
            return .done
          }
        ])
    ])
    let id = try await bench.start("build", engine)
    try await engine.drain()
    let job = try #require(try await bench.job(id))
    #expect(job.state == .failed)
    #expect(job.error?.message.contains("slow") == true)
  }

  @Test func aRetriedStepIsTriedAgain() async throws {
    let bench = try await Bench()
    let counter = Counter()
    let engine = WorkflowEngine(database: bench.database, node: "n1", log: TestKit.log)
    engine.register([
      WorkflowDefinition(
        kind: "build",
        steps: [
          Step("flaky", attempts: 3) { _ in
            if counter.next() < 3 { throw Fault.unavailable("not yet") }
            return .done
          }
        ])
    ])
    let id = try await bench.start("build", engine)
    try await engine.drain()
    #expect(try await bench.job(id)?.state == .succeeded)
    #expect(counter.value == 3)
  }
}

private final class Counter: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func next() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}
