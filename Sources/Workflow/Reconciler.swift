import Kit
import Logs

/// Makes reality match what is recorded: it takes no input, runs when nudged and from time to time, one pass at a time.
public actor Reconciler {
  public nonisolated let name: String
  private let interval: Duration
  private let log: Log
  private let work: @Sendable () async throws -> Void
  private var isRunning = false
  private var waiting: [CheckedContinuation<Void, any Error>] = []
  private var wakeUp: CheckedContinuation<Void, Never>?
  private var isNudged = false

  public init(name: String, interval: Duration, log: Log, work: @escaping @Sendable () async throws -> Void) {
    (self.name, self.interval, self.log, self.work) = (name, interval, log, work)
  }

  /// Returns when a pass that began after this call has ended; throws what that pass threw. Many callers share a pass.
  public func pass() async throws {
    try await withCheckedThrowingContinuation { continuation in
      waiting.append(continuation)
      nudge()
    }
  }

  /// Asks for a pass soon.
  public func nudge() {
    isNudged = true
    wakeUp?.resume()
    wakeUp = nil
  }

  /// Passes until the task is cancelled.
  public func run() async {
    while !Task.isCancelled {
      isNudged = false
      let served = waiting
      waiting = []
      do {
        try await work()
        for continuation in served { continuation.resume() }
      } catch {
        if !Task.isCancelled { log.error("\(name): \(error)") }
        for continuation in served { continuation.resume(throwing: error) }
      }
      await rest()
    }
    for continuation in waiting { continuation.resume(throwing: CancellationError()) }
    waiting = []
  }

  private func rest() async {
    guard !isNudged, !Task.isCancelled else { return }
    let timer = Task { [interval] in
      try? await Task.sleep(for: interval)
      self.nudge()
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { wakeUp = $0 }
    } onCancel: {
      timer.cancel()
    }
    timer.cancel()
  }
}
