import Contracts
import Synchronization

/// Tells every listener of guests that changed on their own.
final class ChangeFeed: Sendable {
  private struct State {
    var last = 0
    var listeners: [Int: AsyncStream<GuestStatus>.Continuation] = [:]
    var isOver = false
  }
  private let state = Mutex(State())

  func stream() -> AsyncStream<GuestStatus> {
    let (stream, continuation) = AsyncStream<GuestStatus>.makeStream()
    let id = state.withLock { state -> Int? in
      if state.isOver { return nil }
      state.last += 1
      state.listeners[state.last] = continuation
      return state.last
    }
    guard let id else {
      continuation.finish()
      return stream
    }
    continuation.onTermination = { [weak self] _ in _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) } }
    return stream
  }

  func send(_ status: GuestStatus) {
    for listener in state.withLock({ Array($0.listeners.values) }) { listener.yield(status) }
  }

  /// Ends all streams.
  func finish() {
    let listeners = state.withLock { state in
      state.isOver = true
      return Array(state.listeners.values)
    }
    for listener in listeners { listener.finish() }
  }
}
