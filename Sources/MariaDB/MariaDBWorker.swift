import Dispatch
import Foundation
import Kit
import Synchronization

/// A connection and the queue that it is used on; it connects anew when the last one broke.
final class MariaDBWorker: Sendable {
  private let queue: DispatchQueue
  private let options: MariaDBOptions
  /// Touched on the queue only.
  private nonisolated(unsafe) var connection: MariaDBConnection?

  init(_ name: String, _ options: MariaDBOptions) {
    queue = DispatchQueue(label: "mariadb.\(name)")
    self.options = options
  }

  /// Runs a transaction; as a whole again, with `true`, when it lost against another one or its connection broke. Nothing
  /// else runs on this worker in between.
  func run<Result: Sendable>(
    _ body: @escaping @Sendable (MariaDBConnection, Bool) throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result { try self.retrying(body) }) }
    }
  }

  /// The same, blocking the caller: for the start of the program.
  func runNow<Result>(_ body: (MariaDBConnection, Bool) throws -> Result) throws -> Result {
    try queue.sync { try retrying(body) }
  }

  private func retrying<Result>(_ body: (MariaDBConnection, Bool) throws -> Result) throws -> Result {
    let end = ContinuousClock.now + options.retryFor
    var pause = 0.002
    var isRetry = false
    while true {
      do {
        let open = try connection ?? MariaDBConnection(options)
        connection = open
        return try body(open, isRetry)
      } catch let error as MariaDBError {
        if error.isLost { connection = nil }
        guard error.isLost || error.isConflict else { throw error }
        guard ContinuousClock.now < end else {
          throw Fault.unavailable(
            "The database cannot be used at the moment: \(error.message). Try again when its cluster has a majority.")
        }
        isRetry = true
        // A pause of its own for each, so that two that met do not meet again.
        Thread.sleep(forTimeInterval: pause * Double.random(in: 0.5...1.5))
        pause = min(pause * 2, 0.5)
      }
    }
  }

  func close() { queue.sync { connection = nil } }
}

/// Several workers: a closure gets the one that has the least to do.
final class MariaDBWorkers: Sendable {
  private let workers: [MariaDBWorker]
  private let busy: Mutex<[Int]>

  init(_ options: MariaDBOptions) {
    workers = (0..<max(1, options.readers)).map { MariaDBWorker("reader\($0)", options) }
    busy = Mutex(Array(repeating: 0, count: workers.count))
  }

  func run<Result: Sendable>(
    _ body: @escaping @Sendable (MariaDBConnection, Bool) throws -> Result
  ) async throws -> Result {
    let index = busy.withLock { busy in
      let index = busy.indices.min { busy[$0] < busy[$1] } ?? 0
      busy[index] += 1
      return index
    }
    defer { busy.withLock { $0[index] -= 1 } }
    return try await workers[index].run(body)
  }

  func close() { for worker in workers { worker.close() } }
}
