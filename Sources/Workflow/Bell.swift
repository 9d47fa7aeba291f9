import Synchronization

/// Wakes the one loop that waits at it. Ringing before the wait counts: the next wait returns at once.
final class Bell: Sendable {
  private struct State {
    var isRung = false
    var waiter: CheckedContinuation<Void, Never>?
    /// Which wait is on, so that the timer of an earlier one cannot end it.
    var turn = 0
  }
  private let state = Mutex(State())

  func ring() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.isRung = state.waiter == nil
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  /// Forgets a ring: what it was about is being looked at now.
  func reset() { state.withLock { $0.isRung = false } }

  /// Returns when the bell is rung, when `limit` has passed, or when the task is cancelled.
  func wait(atMost limit: Duration) async {
    let turn = state.withLock { state -> Int in
      state.turn += 1
      return state.turn
    }
    let timer = Task { [weak self] in
      // A timer that is cancelled must not ring: each wait would start the next one at once.
      guard (try? await Task.sleep(for: limit)) != nil else { return }
      self?.end(turn)
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state -> Bool in
          if state.isRung || Task.isCancelled {
            state.isRung = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
    timer.cancel()
  }

  private func end(_ turn: Int) {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard state.turn == turn else { return nil }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }
}
