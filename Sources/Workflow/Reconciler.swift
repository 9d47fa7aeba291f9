import Kit
import Logs

/// Makes reality match what is recorded: it takes no input, runs when nudged and from time to time, one pass at a time.
public actor Reconciler {
  public nonisolated let name: String
  private let interval: Duration
  private let log: Log
  private let work: @Sendable () async throws -> Void
  private nonisolated let bell = Bell()
  private var hasEnded = false
  private var waiting: [CheckedContinuation<Void, any Error>] = []

  public init(name: String, interval: Duration, log: Log, work: @escaping @Sendable () async throws -> Void) {
    (self.name, self.interval, self.log, self.work) = (name, interval, log, work)
  }

  /// Returns when a pass that began after this call has ended; throws what that pass threw. Many callers share a pass.
  public func pass() async throws {
    if hasEnded { throw CancellationError() }
    try await withCheckedThrowingContinuation { continuation in
      waiting.append(continuation)
      nudge()
    }
  }

  /// Asks for a pass soon.
  public nonisolated func nudge() { bell.ring() }

  /// Passes until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      bell.reset()
      let served = waiting
      waiting = []
      do {
        try await work()
        for continuation in served { continuation.resume() }
      } catch {
        if !Task.isCancelled { log.error("\(name): \(error)") }
        for continuation in served { continuation.resume(throwing: error) }
      }
      await bell.wait(atMost: interval)
    }
    hasEnded = true
    for continuation in waiting { continuation.resume(throwing: CancellationError()) }
    waiting = []
  }
}
