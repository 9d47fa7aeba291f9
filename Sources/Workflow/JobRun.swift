import Kit
import Store

extension WorkflowEngine {
  /// Runs a leased job until it is settled, has to wait, or its process "crashes".
  func execute(_ leased: Job) async {
    var job = leased
    do {
      let definition = try definition(job.kind)
      while job.state.isLive {
        if try await isCancelled(job) {
          try await settle(&job, .cancelled, definition: definition)
        } else if job.state == .undoing {
          guard try await undoNext(&job, definition) else { return }
        } else {
          guard try await runNext(&job, definition) else { return }
        }
      }
    } catch is SimulatedCrash {
      return
    } catch is LeaseLost {
      log.warning("job \(job.id) (\(job.kind) of \(job.subject)) was taken over by another process")
    } catch {
      // The row keeps its lease until it ends; the next holder goes on from the last committed step.
      log.error("job \(job.id) (\(job.kind) of \(job.subject)) stopped at step \(job.step): \(error)")
    }
  }

  private func isCancelled(_ job: Job) async throws -> Bool {
    try await database.read { try $0.count("SELECT cancel_requested FROM job WHERE id = \(job.id)") != 0 }
  }

  /// Runs the next step; false when the job waits for another try.
  private func runNext(_ job: inout Job, _ definition: WorkflowDefinition) async throws -> Bool {
    guard job.step < definition.steps.count else {
      try await settle(&job, .succeeded, definition: definition)
      return true
    }
    let step = definition.steps[job.step]
    let context = StepContext(job: job, operationID: "\(job.id).\(job.step)")
    let startedAt = clock.now()
    do {
      try crash?(.beforeStep, job, step.name)
      guard startedAt < job.deadline else {
        throw Fault(504, "The operation did not finish within \(definition.deadline.components.seconds) s.")
      }
      let result = try await withDeadline(step.deadline, step.name) { try await step.run(context) }
      try crash?(.afterEffect, job, step.name)
      try await commit(&job, step, result, definition: definition, startedAt: startedAt)
      try crash?(.afterCommit, job, step.name)
      return true
    } catch let error as SimulatedCrash {
      throw error
    } catch let error as LeaseLost {
      throw error
    } catch {
      if Task.isCancelled {
        // Either a delete wants the subject, and the loop settles this job, or the process ends, and the next one resumes.
        guard try await isCancelled(job) else { throw error }
        return true
      }
      return try await failed(&job, step, Fault(error), startedAt: startedAt)
    }
  }

  /// Writes a finished step: its domain change, its output and its event in one transaction. The last step settles the job.
  private func commit(
    _ job: inout Job, _ step: Step, _ result: StepResult, definition: WorkflowDefinition, startedAt: Timestamp
  ) async throws {
    let now = clock.now()
    var next = job
    next.outputs[step.name] = result.output
    next.step += 1
    next.attempt = 0
    next.updatedAt = now
    if next.step == definition.steps.count { next.state = .succeeded } else { next.state = .running }
    let saved = next
    try await database.write { [self] tx in
      try result.commit?(tx)
      try JobStore.addEvent(
        saved, name: step.name, startedAt: startedAt, finishedAt: now, result: "Success", message: "", tx: tx)
      try JobStore.save(
        saved, runAt: now, owner: owner, leaseUntil: saved.state.isLive ? now + Self.leaseDuration : nil,
        undoAttempt: 0,
        tx: tx)
    }
    job = next
  }

  /// After a failed try: again later, or undo from this step on. False when the job waits.
  private func failed(_ job: inout Job, _ step: Step, _ fault: Fault, startedAt: Timestamp) async throws -> Bool {
    let now = clock.now()
    var next = job
    next.attempt += 1
    next.updatedAt = now
    next.error = fault
    let isRetried = next.attempt < step.attempts && now < job.deadline
    if !isRetried {
      next.state = .undoing
      next.attempt = 0
    }
    let saved = next
    log.request(job.requestID).warning(
      "\(job.kind) of \(job.subject): step \(step.name) failed (try \(next.attempt)): \(fault)")
    let pause: Duration = .milliseconds(min(200 << min(next.attempt, 6), 10_000))
    try await database.write { [self] tx in
      try JobStore.addEvent(
        saved, name: step.name, startedAt: startedAt, finishedAt: now, result: "Error", message: fault.message, tx: tx)
      try JobStore.save(
        saved, runAt: isRetried ? now + pause : now, owner: owner,
        leaseUntil: isRetried ? nil : now + Self.leaseDuration,
        undoAttempt: 0, tx: tx)
    }
    job = next
    return !isRetried
  }

  /// Undoes the step at the job's index and moves to the one before; settles the job after the first.
  private func undoNext(_ job: inout Job, _ definition: WorkflowDefinition) async throws -> Bool {
    guard job.step >= 0 else {
      try await settle(&job, .failed, definition: definition)
      return true
    }
    var next = job
    var commit: (@Sendable (any Transaction) throws -> Void)?
    var event: (String, String)?
    let startedAt = clock.now()
    if job.step < definition.steps.count, let undo = definition.steps[job.step].undo {
      let step = definition.steps[job.step]
      do {
        try crash?(.beforeStep, job, "undo " + step.name)
        let context = StepContext(job: job, operationID: "\(job.id).\(job.step).undo")
        commit = try await withDeadline(step.deadline, "undo " + step.name) { try await undo(context) }.commit
        try crash?(.afterEffect, job, "undo " + step.name)
      } catch let error as SimulatedCrash {
        throw error
      } catch {
        if Task.isCancelled {
          guard try await isCancelled(job) else { throw error }
          return true
        }
        if job.attempt < Self.undoAttemptsMax { return try await retryUndo(&job) }
        event = ("undo " + step.name, Fault(error).message)
        log.request(job.requestID).error("\(job.kind) of \(job.subject): undo of \(step.name) gave up: \(error)")
      }
    }
    next.step -= 1
    next.attempt = 0
    next.updatedAt = clock.now()
    let (saved, change, failure) = (next, commit, event)
    try await database.write { [self] tx in
      try change?(tx)
      if let failure {
        try JobStore.addEvent(
          saved, name: failure.0, startedAt: startedAt, finishedAt: saved.updatedAt, result: "Error",
          message: failure.1,
          tx: tx)
      }
      try JobStore.save(
        saved, runAt: saved.updatedAt, owner: owner, leaseUntil: saved.updatedAt + Self.leaseDuration, undoAttempt: 0,
        tx: tx)
    }
    job = next
    try crash?(.afterCommit, job, "undo")
    return true
  }

  private func retryUndo(_ job: inout Job) async throws -> Bool {
    job.attempt += 1
    job.updatedAt = clock.now()
    let saved = job
    let pause: Duration = .milliseconds(200 << saved.attempt)
    try await database.write { [self] tx in
      try JobStore.save(
        saved, runAt: saved.updatedAt + pause, owner: owner, leaseUntil: nil, undoAttempt: saved.attempt, tx: tx)
    }
    return false
  }

  private func settle(
    _ job: inout Job, _ state: Job.State, definition: WorkflowDefinition
  ) async throws {
    var next = job
    next.state = state
    next.updatedAt = clock.now()
    let saved = next
    try await database.write { [self] tx in
      if state == .failed { try definition.onFailed(tx, saved, saved.error ?? .internal("The operation failed.")) }
      try JobStore.save(saved, runAt: saved.updatedAt, owner: owner, leaseUntil: nil, undoAttempt: 0, tx: tx)
    }
    job = next
  }
}

/// Runs `body`; throws a 504 fault that names `what` when it has not returned in time. The body is cancelled then.
public func withDeadline<Result: Sendable>(
  _ deadline: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: deadline)
      throw Fault(504, "'\(what)' did not finish within \(deadline.milliseconds) ms.")
    }
    defer { group.cancelAll() }
    guard let first = try await group.next() else { throw CancellationError() }
    return first
  }
}
