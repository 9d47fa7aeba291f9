import Kit
import Logs
import Store
import Synchronization

/// Where a crash test may interrupt a job.
public enum CrashPoint: Sendable, Equatable {
  case beforeStep, afterEffect, afterCommit
}

/// Thrown by a crash test's hook: the engine drops the job as a killed process would, without writing anything.
public struct SimulatedCrash: Error {
  public init() {}
}

/// Runs durable jobs: leases them, runs their steps, commits each step with its output, undoes what failed.
public final class WorkflowEngine: Sendable {
  struct State {
    var definitions: [String: WorkflowDefinition] = [:]
    var running: [Int: Task<Void, Never>] = [:]
    var waiters: [Int: [CheckedContinuation<Void, Never>]] = [:]
    /// Running jobs that only wait for other jobs.
    var waiting = 0
  }

  /// How long a lease lasts without renewal.
  static let leaseDuration: Duration = .seconds(30)
  /// Jobs that run at the same time.
  static let concurrencyMax = 64
  /// Tries of an undo before it is left to the reconcilers.
  static let undoAttemptsMax = 5

  let database: any Database
  let clock: any WallClock
  let log: Log
  /// `node#nonce`: who holds a lease.
  let owner: String
  let node: String
  let crash: (@Sendable (CrashPoint, Job, String) throws -> Void)?
  let state = Mutex(State())

  /// `crash` is the crash test's hook; nil in production.
  public init(
    database: any Database, node: String, log: Log, clock: any WallClock = SystemClock(),
    crash: (@Sendable (CrashPoint, Job, String) throws -> Void)? = nil
  ) {
    (self.database, self.node, self.log, self.clock, self.crash) = (database, node, log, clock, crash)
    owner = "\(node)#\(UUIDText.makeHex().prefix(12))"
  }

  public func register(_ definitions: [WorkflowDefinition]) {
    state.withLock { state in for definition in definitions { state.definitions[definition.kind] = definition } }
  }
  /// Every registered workflow, for the crash test.
  public var definitions: [WorkflowDefinition] { state.withLock { Array($0.definitions.values) } }

  func definition(_ kind: String) throws -> WorkflowDefinition {
    guard let definition = state.withLock({ $0.definitions[kind] }) else {
      throw Fault.internal("No workflow '\(kind)' is registered in this process.")
    }
    return definition
  }

  /// Adds a job in the caller's transaction; returns its id. The engine starts on it right after the commit.
  @discardableResult
  public func enqueue(_ job: NewJob, tx: any Transaction) throws -> Int {
    let definition = try definition(job.kind)
    let id = try JobStore.insert(job, definition: definition, now: clock.now(), tx: tx)
    let isPreempting = definition.preempts
    let subject = job.subject
    tx.afterCommit { [weak self] in
      if isPreempting { self?.cancelRunning(subject: subject) }
      self?.nudge()
    }
    return id
  }

  /// For a step that waits for other jobs: it takes no place from them meanwhile, so that many such steps cannot hold up
  /// what they wait for.
  public func whileWaiting<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
    state.withLock { $0.waiting += 1 }
    nudge()
    defer { state.withLock { $0.waiting -= 1 } }
    return try await body()
  }

  /// Looks for work now instead of at the next poll.
  public func nudge() { bell.ring() }
  private let bell = Bell()

  private func cancelRunning(subject: String) {
    // The flag in the row is the truth; cancelling the task only makes a waiting step end at once.
    let tasks = state.withLock { Array($0.running) }
    guard !tasks.isEmpty else { return }
    for (key, task) in tasks where runningSubjects.withLock({ $0[key] }) == subject { task.cancel() }
  }
  let runningSubjects = Mutex<[Int: String]>([:])

  /// Frees the jobs that an earlier process of this node held: it is gone, only one runs on a state folder.
  public func takeOver() async throws {
    try await database.write { [self] tx in try JobStore.reclaim(node: node, owner: owner, tx: tx) }
  }

  /// Runs jobs until the task is cancelled. Jobs in flight are dropped then, and resumed by the next process.
  public func run() async throws {
    try await takeOver()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.renewLeases() }
      while !Task.isCancelled {
        let pause: Duration
        do {
          pause = try await startRunnable(in: &group) ? .zero : try await idleTime()
        } catch {
          log.error("cannot look for jobs: \(error); next try in 1 s")
          pause = .seconds(1)
        }
        if pause > .zero { await bell.wait(atMost: pause) }
      }
      for task in state.withLock({ $0.running.values }) { task.cancel() }
      group.cancelAll()
    }
  }

  /// Leases what is runnable and starts it; true when there was something.
  private func startRunnable(in group: inout TaskGroup<Void>) async throws -> Bool {
    bell.reset()
    let free = Self.concurrencyMax - state.withLock { $0.running.count - $0.waiting }
    guard free > 0 else { return false }
    let jobs = try await leaseRunnable(limit: free)
    for job in jobs {
      let task = Task { await self.execute(job) }
      runningSubjects.withLock { $0[job.id] = job.subject }
      state.withLock { $0.running[job.id] = task }
      group.addTask {
        await withTaskCancellationHandler {
          await task.value
        } onCancel: {
          task.cancel()
        }
        self.finished(job.id)
      }
    }
    return !jobs.isEmpty
  }

  private func leaseRunnable(limit: Int) async throws -> [Job] {
    let now = clock.now()
    let found = try await database.read { try JobStore.runnable(now: now, limit: limit, tx: $0) }
    guard !found.isEmpty else { return [] }
    return try await database.write { [self] tx in
      try found.compactMap {
        try JobStore.lease($0, owner: owner, now: now, until: now + Self.leaseDuration, tx: tx)
      }
    }
  }

  private func finished(_ id: Int) {
    runningSubjects.withLock { $0[id] = nil }
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.running[id] = nil
      return state.waiters.removeValue(forKey: id) ?? []
    }
    for waiter in waiters { waiter.resume() }
    nudge()
  }

  private func idleTime() async throws -> Duration {
    let now = clock.now()
    guard let next = try await database.read({ try JobStore.nextRun(tx: $0) }) else { return .seconds(2) }
    // A job whose time has come and that is not runnable waits for another of its subject: that one's end nudges.
    return next > now ? min(max(next - now, .milliseconds(5)), .seconds(2)) : .milliseconds(250)
  }

  private func renewLeases() async {
    while !Task.isCancelled {
      try? await Task.sleep(for: .seconds(8))
      guard !Task.isCancelled, state.withLock({ !$0.running.isEmpty }) else { continue }
      do {
        try await database.write { [self] tx in
          try JobStore.renew(owner: owner, until: clock.now() + Self.leaseDuration, tx: tx)
        }
      } catch {
        log.warning("leases of running jobs were not renewed: \(error)")
      }
    }
  }

  /// Runs everything that is runnable, in this task, until nothing is: for tests and one-shot commands. Jobs that wait for
  /// another try are waited for, jobs that another process has leased are not.
  public func drain() async throws {
    while true {
      let jobs = try await leaseRunnable(limit: Self.concurrencyMax)
      if jobs.isEmpty {
        let next = try await database.read { try JobStore.nextRun(tx: $0) }
        guard let next, next > clock.now() else { return }
        try await Task.sleep(for: max(next - clock.now(), .milliseconds(1)))
        continue
      }
      await withTaskGroup(of: Void.self) { group in
        for job in jobs { group.addTask { await self.execute(job) } }
      }
    }
  }
}
