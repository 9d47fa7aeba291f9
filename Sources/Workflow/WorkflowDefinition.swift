import Kit
import Store

/// What a step hands back: an output for later steps, and the domain change that commits together with it.
public struct StepResult: Sendable {
  public var output: JSONValue
  public var commit: (@Sendable (any Transaction) throws -> Void)?

  public init(_ output: JSONValue = .null, commit: (@Sendable (any Transaction) throws -> Void)? = nil) {
    (self.output, self.commit) = (output, commit)
  }
  public static var done: StepResult { StepResult() }
}

/// What a step knows: its job and the outputs of the steps before it.
public struct StepContext: Sendable {
  public let job: Job
  /// Unique per job and step, stable over retries: the node makes a verb idempotent by it.
  public let operationID: String
  public func output(_ step: String) -> JSONValue { job.outputs[step] ?? .null }
  public var input: JSONValue { job.input }
}

/// One idempotent step. It may run again after a crash, so it checks what is done already and does the rest.
public struct Step: Sendable {
  public let name: String
  /// How long one try may take; then it counts as failed.
  public let deadline: Duration
  /// How often it is tried before the job is undone.
  public let attempts: Int
  public let run: @Sendable (StepContext) async throws -> StepResult
  /// Takes the step's effect back, also a partial one; also idempotent.
  public let undo: (@Sendable (StepContext) async throws -> StepResult)?

  public init(
    _ name: String, deadline: Duration = .seconds(60), attempts: Int = 1,
    run: @escaping @Sendable (StepContext) async throws -> StepResult,
    undo: (@Sendable (StepContext) async throws -> StepResult)? = nil
  ) {
    (self.name, self.deadline, self.attempts, self.run, self.undo) = (name, deadline, attempts, run, undo)
  }
}

/// A workflow: its steps, and how its subject settles when it ends.
public struct WorkflowDefinition: Sendable {
  public let kind: String
  /// How long the whole job may take before it is undone.
  public let deadline: Duration
  /// A delete: it cancels the subject's other live jobs instead of waiting for them. Its steps must cope with every
  /// half-made state that those leave, because they are not undone.
  public let preempts: Bool
  public let steps: [Step]
  /// Settles the subject after the undo (an ERROR state with the explanation), in the job's last transaction.
  public let onFailed: @Sendable (any Transaction, Job, Fault) throws -> Void

  public init(
    kind: String, deadline: Duration = .seconds(600), preempts: Bool = false, steps: [Step],
    onFailed: @escaping @Sendable (any Transaction, Job, Fault) throws -> Void = { _, _, _ in }
  ) {
    (self.kind, self.deadline, self.preempts, self.steps, self.onFailed) = (kind, deadline, preempts, steps, onFailed)
  }
}
