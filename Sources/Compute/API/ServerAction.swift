import API
import Contracts
import Kit
import Store
import Workflow

/// What every action on a server shares: find it, check its state, change rows, enqueue the job; all in one transaction.
struct ServerAction {
  let call: Call
  let service: ComputeDependencies

  /// Changes to the row that are part of the action; throwing refuses it.
  typealias Change = @Sendable (inout Server, any Transaction) throws -> JSONValue

  /// Enqueues `job` when `rule` allows it now; `change` gives the job's input. Returns the server as it is then.
  @discardableResult
  func start(
    _ job: ServerJob, _ rule: ServerRule, change: @escaping Change = { _, _ in [:] }
  ) async throws -> Server {
    let auth = try call.auth
    return try await service.database.write { [self] tx in
      var server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try check(rule, server, isAdmin: auth.isAdmin, tx: tx)
      let input = try change(&server, tx)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
      try service.engine.enqueue(
        NewJob(
          kind: job.rawValue, subject: server.subject, input: input, requestID: call.requestID, userID: auth.user.id,
          projectID: auth.projectID), tx: tx)
      return server
    }
  }

  /// Changes rows at once, without a job.
  func change(
    _ rule: ServerRule?, _ change: @escaping @Sendable (inout Server, AuthContext, any Transaction) throws -> Void
  ) async throws {
    let auth = try call.auth
    try await service.database.write { [self] tx in
      var server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      if let rule { try check(rule, server, isAdmin: auth.isAdmin, tx: tx) }
      try change(&server, auth, tx)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
    }
  }

  /// Throws a 409 fault when `rule` does not allow the action now.
  func check(_ rule: ServerRule, _ server: Server, isAdmin: Bool, tx: any Transaction) throws {
    let job = try JobStore.live(subjects: [server.subject], tx: tx)[server.subject]
    try rule.check(server, ServerActivity(job), isAdmin: isAdmin)
  }

  /// The server, for actions that only read.
  func server() async throws -> Server {
    let auth = try call.auth
    return try await service.database.read { [call] tx in
      try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
    }
  }
}
