import Kit
import Synchronization
import Workflow

/// One run of a crash test: the engine "crashes" at the n-th point at which a process could be killed.
///
///     try await CrashPlan.everyPoint { plan in
///       // make a world whose engine has `crash: plan.hook`; enqueue; drain; if `plan.hasCrashed`: make a new engine on
///       // the same database with the same node, `takeOver()`, drain; check that all is settled and nothing is left
///     }
public final class CrashPlan: Sendable {
  /// Which point of the run crashes, from 0.
  public let index: Int
  private struct State {
    var seen = 0
    var place: String?
  }
  private let state = Mutex(State())

  public init(index: Int) { self.index = index }

  /// For `WorkflowEngine(crash:)`. It crashes once; the engines after it run through.
  public var hook: @Sendable (CrashPoint, Job, String) throws -> Void {
    { [self] point, job, step in
      let isHere = state.withLock { state -> Bool in
        defer { state.seen += 1 }
        guard state.seen == index, state.place == nil else { return false }
        state.place = "\(job.kind) \(step) \(point)"
        return true
      }
      if isHere { throw SimulatedCrash() }
    }
  }
  public var hasCrashed: Bool { state.withLock { $0.place != nil } }
  /// Where it crashed, for messages.
  public var place: String { state.withLock { $0.place } ?? "no crash" }

  /// Runs `scenario` for every point of its run, and once without a crash; returns how many points there were.
  @discardableResult
  public static func everyPoint(_ scenario: (CrashPlan) async throws -> Void) async throws -> Int {
    for index in 0..<1000 {
      let plan = CrashPlan(index: index)
      try await scenario(plan)
      if !plan.hasCrashed { return index }
    }
    throw Fault.internal("The scenario has more than 1000 points: does it end?")
  }
}
