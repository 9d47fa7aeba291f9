import Kit
import Store

/// The rows of jobs and their events.
public enum JobStore {
  public static let migrations: [Migration] = [
    Migration(
      "workflow-001",
      [
        """
        CREATE TABLE job (
          id INTEGER PRIMARY KEY AUTOINCREMENT, kind VARCHAR(64) NOT NULL, subject VARCHAR(160) NOT NULL,
          state VARCHAR(16) NOT NULL, step INT NOT NULL, input TEXT NOT NULL, outputs TEXT NOT NULL, attempt INT NOT NULL,
          undo_attempt INT NOT NULL DEFAULT 0, run_at BIGINT NOT NULL, lease_owner VARCHAR(128), lease_until BIGINT,
          deadline BIGINT NOT NULL, request_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL,
          project_id VARCHAR(64) NOT NULL, parent BIGINT, error TEXT, cancel_requested INT NOT NULL DEFAULT 0,
          is_live INT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)
        """,
        "CREATE INDEX job_live ON job (is_live, run_at)",
        "CREATE INDEX job_subject ON job (subject, is_live)",
        """
        CREATE TABLE job_event (
          id INTEGER PRIMARY KEY AUTOINCREMENT, job_id BIGINT NOT NULL, name VARCHAR(64) NOT NULL,
          started_at BIGINT NOT NULL, finished_at BIGINT NOT NULL, result VARCHAR(16) NOT NULL, message TEXT NOT NULL)
        """,
        "CREATE INDEX job_event_job ON job_event (job_id)",
      ])
  ]

  static func insert(_ job: NewJob, definition: WorkflowDefinition, now: Timestamp, tx: any Transaction) throws -> Int {
    if definition.preempts {
      try tx.execute(
        """
        UPDATE job SET state = 'cancelled', is_live = 0, updated_at = \(now)
        WHERE subject = \(job.subject) AND is_live = 1 AND state = 'queued' AND lease_owner IS NULL
        """)
      try tx.execute("UPDATE job SET cancel_requested = 1 WHERE subject = \(job.subject) AND is_live = 1")
    }
    try tx.execute(
      .insert(
        into: "job",
        [
          "kind": job.kind, "subject": job.subject, "state": "queued", "step": 0, "input": job.input,
          "outputs": "{}", "attempt": 0, "run_at": now, "deadline": now + definition.deadline,
          "request_id": job.requestID, "user_id": job.userID, "project_id": job.projectID, "parent": job.parent,
          "is_live": 1, "created_at": now, "updated_at": now,
        ]))
    return try tx.count("SELECT MAX(id) FROM job")
  }

  /// Live jobs whose turn it is: the oldest of each subject, not leased by anybody.
  static func runnable(now: Timestamp, limit: Int, tx: any Transaction) throws -> [Int] {
    try tx.query(
      """
      SELECT id FROM job AS candidate WHERE is_live = 1 AND run_at <= \(now)
        AND (lease_until IS NULL OR lease_until < \(now))
        AND NOT EXISTS (SELECT 1 FROM job AS earlier
          WHERE earlier.subject = candidate.subject AND earlier.is_live = 1 AND earlier.id < candidate.id)
      ORDER BY run_at LIMIT \(limit)
      """
    ).map { $0.int("id") }
  }

  /// When the next live job that waits for its time or for a lease to end may run, if any.
  static func nextRun(tx: any Transaction) throws -> Timestamp? {
    try tx.first("SELECT MIN(run_at) AS run_at FROM job WHERE is_live = 1 AND lease_until IS NULL")?
      .optionalTimestamp("run_at")
  }

  /// Takes the lease by compare-and-swap; nil when somebody else has it.
  static func lease(_ id: Int, owner: String, now: Timestamp, until: Timestamp, tx: any Transaction) throws -> Job? {
    let changed = try tx.execute(
      """
      UPDATE job SET lease_owner = \(owner), lease_until = \(until)
      WHERE id = \(id) AND is_live = 1 AND (lease_until IS NULL OR lease_until < \(now))
      """)
    return changed == 1 ? try find(id, tx: tx) : nil
  }

  static func renew(owner: String, until: Timestamp, tx: any Transaction) throws {
    try tx.execute("UPDATE job SET lease_until = \(until) WHERE lease_owner = \(owner) AND is_live = 1")
  }

  /// Frees the leases of earlier processes of this node: they are gone, only one runs on a state folder.
  static func reclaim(node: String, owner: String, tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE job SET lease_owner = NULL, lease_until = NULL
      WHERE is_live = 1 AND lease_owner LIKE \(node + "#%") AND lease_owner <> \(owner)
      """)
  }

  /// Writes a job back. Throws `LeaseLost` when another process has taken it over meanwhile.
  static func save(
    _ job: Job, runAt: Timestamp, owner: String, leaseUntil: Timestamp?, undoAttempt: Int, tx: any Transaction
  ) throws {
    let changed = try tx.execute(
      """
      UPDATE job SET state = \(job.state.rawValue), step = \(job.step), outputs = \(JSONValue.object(job.outputs)),
        attempt = \(job.attempt), undo_attempt = \(undoAttempt), run_at = \(runAt), error = \(job.error?.json),
        lease_owner = \(leaseUntil == nil ? nil : owner), lease_until = \(leaseUntil),
        is_live = \(job.state.isLive), updated_at = \(job.updatedAt)
      WHERE id = \(job.id) AND lease_owner = \(owner)
      """)
    if changed != 1 { throw LeaseLost() }
  }

  static func addEvent(
    _ job: Job, name: String, startedAt: Timestamp, finishedAt: Timestamp, result: String, message: String,
    tx: any Transaction
  ) throws {
    try tx.execute(
      .insert(
        into: "job_event",
        [
          "job_id": job.id, "name": name, "started_at": startedAt, "finished_at": finishedAt, "result": result,
          "message": message,
        ]))
  }

  /// A job by its id.
  public static func find(_ id: Int, tx: any Transaction) throws -> Job? {
    try tx.first("SELECT * FROM job WHERE id = \(id)").map { Job(row: $0) }
  }
  /// The live job that owns a subject now: the oldest. Transient states are derived from it.
  public static func live(subject: String, tx: any Transaction) throws -> Job? {
    try tx.first("SELECT * FROM job WHERE subject = \(subject) AND is_live = 1 ORDER BY id LIMIT 1").map {
      Job(row: $0)
    }
  }
  /// The live jobs of several subjects by subject, the last enqueued of each (a delete that waits counts as deleting).
  public static func live(subjects: [String], tx: any Transaction) throws -> [String: Job] {
    let rows = try tx.query("SELECT * FROM job WHERE is_live = 1 AND subject IN \(list: subjects) ORDER BY id")
    return Dictionary(rows.map { ($0.text("subject"), Job(row: $0)) }) { _, last in last }
  }
  /// Every job of a subject, newest first: its timeline.
  public static func history(subject: String, tx: any Transaction) throws -> [Job] {
    try tx.query("SELECT * FROM job WHERE subject = \(subject) ORDER BY id DESC").map { Job(row: $0) }
  }
  /// The events of jobs, oldest first.
  public static func events(jobs: [Int], tx: any Transaction) throws -> [JobEvent] {
    try tx.query("SELECT * FROM job_event WHERE job_id IN \(list: jobs) ORDER BY id").map { JobEvent(row: $0) }
  }
}

/// Another process has taken the job over.
struct LeaseLost: Error {}
