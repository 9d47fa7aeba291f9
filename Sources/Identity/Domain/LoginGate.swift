import Synchronization

/// Lets the logins of one user pass one after another, so that each sees the failures of those before it.
final class LoginGate: Sendable {
  /// Users that log in now, with those who wait behind.
  private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

  func pass<Result: Sendable>(_ user: String, _ body: () async throws -> Result) async throws -> Result {
    await enter(user)
    defer { leave(user) }
    return try await body()
  }

  private func enter(_ user: String) async {
    await withCheckedContinuation { continuation in
      let isFree = waiting.withLock { all in
        if all[user] == nil {
          all[user] = []
          return true
        }
        all[user]?.append(continuation)
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  private func leave(_ user: String) {
    let next = waiting.withLock { all -> CheckedContinuation<Void, Never>? in
      guard var queue = all[user], !queue.isEmpty else {
        all[user] = nil
        return nil
      }
      let first = queue.removeFirst()
      all[user] = queue
      return first
    }
    next?.resume()
  }
}
