import Kit
import Store

/// A durable job: a workflow's work on one subject. Its row is written with the desired state in one transaction.
public struct Job: Sendable {
  /// Where a job stands. `queued`, `running` and `undoing` are live; the others are settled for good.
  public enum State: String, Sendable {
    case queued, running, undoing, succeeded, failed, cancelled
    public var isLive: Bool { self == .queued || self == .running || self == .undoing }
  }

  public let id: Int
  public let kind: String
  /// What it changes, such as `server/<id>`. At most one live job changes a subject at a time.
  public let subject: String
  public var state: State
  /// Index of the step that comes next (while undoing: that is undone next).
  public var step: Int
  public let input: JSONValue
  /// Outputs of the finished steps by their names.
  public var outputs: JSONObject
  /// Tries of the present step so far.
  public var attempt: Int
  public var deadline: Timestamp
  public let requestID: String
  public let userID: String
  public let projectID: String
  public let parent: Int?
  public var error: Fault?
  public let createdAt: Timestamp
  public var updatedAt: Timestamp

  init(row: Row) {
    id = row.int("id")
    kind = row.text("kind")
    subject = row.text("subject")
    state = State(rawValue: row.text("state")) ?? .failed
    step = row.int("step")
    input = row.json("input")
    outputs = row.json("outputs").object ?? [:]
    attempt = row.int("attempt")
    deadline = row.timestamp("deadline")
    requestID = row.text("request_id")
    userID = row.text("user_id")
    projectID = row.text("project_id")
    parent = row.optionalInt("parent")
    error = row.optionalText("error").flatMap { try? JSONParser.parse($0) }.map { Fault(json: $0) }
    createdAt = row.timestamp("created_at")
    updatedAt = row.timestamp("updated_at")
  }
}

/// What a handler asks for when it enqueues a job.
public struct NewJob: Sendable {
  public var kind: String
  public var subject: String
  public var input: JSONValue
  public var requestID: String
  public var userID: String
  public var projectID: String
  public var parent: Int?

  public init(
    kind: String, subject: String, input: JSONValue = [:], requestID: String, userID: String, projectID: String,
    parent: Int? = nil
  ) {
    (self.kind, self.subject, self.input, self.requestID) = (kind, subject, input, requestID)
    (self.userID, self.projectID, self.parent) = (userID, projectID, parent)
  }
}

/// An entry of a subject's timeline: a step that ended, with its outcome.
public struct JobEvent: Sendable {
  public let jobID: Int
  public let name: String
  public let startedAt: Timestamp
  public let finishedAt: Timestamp
  /// `Success` or `Error`, as in Compute's instance action events.
  public let result: String
  /// Why it failed, or what was noteworthy.
  public let message: String

  init(row: Row) {
    jobID = row.int("job_id")
    name = row.text("name")
    startedAt = row.timestamp("started_at")
    finishedAt = row.timestamp("finished_at")
    result = row.text("result")
    message = row.text("message")
  }
}
