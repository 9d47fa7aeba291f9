import Contracts
import Kit
import Synchronization

/// A data plane only in the books: for `--fake`, scale tests, and services' tests. Accepts and refuses what the kernel's
/// does.
public final class FakeDataplane: Dataplane {
  private struct State {
    var isStarted = false
    var applied = NetworkState()
    var count = 0
  }
  private let state = Mutex(State())

  public init() {}

  public func start() async throws { state.withLock { $0.isStarted = true } }

  public func apply(_ desired: NetworkState) async throws -> NetworkApplyReport {
    let check = StateCheck(desired)
    return try state.withLock { state in
      guard state.isStarted else { throw Fault.unavailable("the data plane has not been started") }
      state.applied = check.state
      state.count += 1
      return NetworkApplyReport(failures: check.failures)
    }
  }

  public func wiredPorts() async throws -> Set<String> {
    let applied = state.withLock { $0.applied }
    let external = ExternalPlan(mode: .isolated, cidr: "", gateway: "", transfer: nil)
    return Set(NodePlan(applied, cloud: "fake", external: external, zones: [:]).ports.map(\.portID))
  }

  public func removeAll() async throws { state.withLock { $0 = State() } }

  /// What was applied last, without what was refused.
  public var applied: NetworkState { state.withLock { $0.applied } }
  /// How often `apply` was called.
  public var applyCount: Int { state.withLock { $0.count } }
}
