import Kit
import Logs

/// Makes reality match what is recorded: it takes no input, runs when nudged and from time to time, one pass at a time.
public actor Reconciler {
  public nonisolated let name: String
  private let interval: Duration
  private let log: Log
  private let work: @Sendable () async throws -> Void
  private nonisolated let bell = Bell()
  private var waiting: [Int: CheckedContinuation<Void, any Error>] = [:]
  private var lastTicket = 0

  public init(name: String, interval: Duration, log: Log, work: @escaping @Sendable () async throws -> Void) {
    (self.name, self.interval, self.log, self.work) = (name, interval, log, work)
  }

  /// Returns when a pass that began after this call has ended; throws what that pass threw. Many callers share a pass.
  /// A caller that is cancelled waits no longer.
  public func pass() async throws {
    lastTicket += 1
    let ticket = lastTicket
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        if Task.isCancelled {
          continuation.resume(throwing: CancellationError())
        } else {
          waiting[ticket] = continuation
          nudge()
        }
      }
    } onCancel: {
      Task { await self.forget(ticket) }
    }
  }

  private func forget(_ ticket: Int) {
    waiting.removeValue(forKey: ticket)?.resume(throwing: CancellationError())
  }

  /// Asks for a pass soon.
  public nonisolated func nudge() { bell.ring() }

  /// Passes until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      bell.reset()
      let served = waiting
      waiting = [:]
      do {
        try await work()
        for continuation in served.values { continuation.resume() }
      } catch {
        if !Task.isCancelled { log.error("\(name): \(error)") }
        for continuation in served.values { continuation.resume(throwing: error) }
      }
      await bell.wait(atMost: interval)
    }
    for continuation in waiting.values { continuation.resume(throwing: CancellationError()) }
    waiting = [:]
  }
}
