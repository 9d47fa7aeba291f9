import Kit
import Store

/// What a revocation is about.
enum RevocationKind: String, Sendable { case token, user, project, domain, grant }

/// A write to Identity's rows: it notes which parts of the snapshot it touches, so that the snapshot follows it.
final class Change {
  let tx: any Transaction
  let now: Timestamp
  /// How long a revocation has to be kept: as long as a token could still be shown.
  private let revocationLifetime: Duration
  private(set) var parts: [SnapshotPart] = []

  init(tx: any Transaction, now: Timestamp, revocationLifetime: Duration) {
    (self.tx, self.now, self.revocationLifetime) = (tx, now, revocationLifetime)
  }

  func touch(_ part: SnapshotPart) { parts.append(part) }
  func touch(_ more: [SnapshotPart]) { parts += more }

  /// Revokes the tokens of a subject that were issued until now.
  func revoke(_ kind: RevocationKind, _ subject: String) throws {
    try tx.execute("DELETE FROM identity_revocation WHERE expires_at < \(now)")
    try tx.execute(
      """
      REPLACE INTO identity_revocation (kind, subject, issued_before, expires_at)
      VALUES (\(kind.rawValue), \(subject), \(now), \(now + revocationLifetime))
      """)
    touch(.revocations)
  }

  // MARK: What goes together

  /// Removes the role assignments that fit a condition.
  func removeAssignments(_ condition: SQL) throws {
    let rows = try tx.query("SELECT DISTINCT actor_kind, actor_id FROM identity_assignment WHERE \(condition)")
    try tx.execute("DELETE FROM identity_assignment WHERE \(condition)")
    for row in rows {
      let id = row.text("actor_id")
      touch(.assignments(row.text("actor_kind") == "user" ? .user(id) : .group(id)))
    }
  }

  /// Removes the application credentials that fit a condition.
  func removeApplicationCredentials(_ condition: SQL) throws {
    let rows = try tx.query("SELECT id FROM identity_application_credential WHERE \(condition)")
    try tx.execute("DELETE FROM identity_application_credential WHERE \(condition)")
    for row in rows { touch(.applicationCredential(row.text("id"))) }
  }

  /// Ends the trusts that fit a condition, with those that were made from them.
  func removeTrusts(_ condition: SQL) throws {
    var found = try tx.query("SELECT id FROM identity_trust WHERE deleted_at IS NULL AND (\(condition))").map {
      $0.text("id")
    }
    while !found.isEmpty {
      try tx.execute("UPDATE identity_trust SET deleted_at = \(now) WHERE id IN \(list: found)")
      for id in found { touch(.trust(id)) }
      found = try tx.query(
        "SELECT id FROM identity_trust WHERE deleted_at IS NULL AND redelegated_trust_id IN \(list: found)"
      ).map { $0.text("id") }
    }
  }

  func removeUsers(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    try removeAssignments("actor_kind = 'user' AND actor_id IN \(list: ids)")
    try removeApplicationCredentials("user_id IN \(list: ids)")
    try removeTrusts("trustor_user_id IN \(list: ids) OR trustee_user_id IN \(list: ids)")
    for table in ["identity_membership", "identity_credential", "identity_access_rule", "identity_password"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE user_id IN \(list: ids)")
    }
    for table in ["identity_request_token", "identity_access_token"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE authorizing_user_id IN \(list: ids)")
    }
    try tx.execute("DELETE FROM identity_user WHERE id IN \(list: ids)")
    for id in ids { touch([.user(id), .membership(userID: id)]) }
  }

  func removeGroups(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    try removeAssignments("actor_kind = 'group' AND actor_id IN \(list: ids)")
    for row in try tx.query("SELECT user_id FROM identity_membership WHERE group_id IN \(list: ids)") {
      touch(.membership(userID: row.text("user_id")))
    }
    try tx.execute("DELETE FROM identity_membership WHERE group_id IN \(list: ids)")
    try tx.execute("DELETE FROM identity_group WHERE id IN \(list: ids)")
    touch(.groups)
  }

  func removeProjects(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    try removeAssignments("place_kind IN ('project', 'domain') AND place_id IN \(list: ids)")
    try removeApplicationCredentials("project_id IN \(list: ids)")
    try removeTrusts("project_id IN \(list: ids)")
    for table in [
      "identity_project_tag", "identity_credential", "identity_limit", "identity_project_endpoint",
      "identity_project_endpoint_group", "identity_request_token", "identity_access_token",
    ] {
      try tx.execute("DELETE FROM \(raw: table) WHERE project_id IN \(list: ids)")
    }
    let holders = try tx.query("SELECT id FROM identity_user WHERE default_project_id IN \(list: ids)")
    try tx.execute("UPDATE identity_user SET default_project_id = NULL WHERE default_project_id IN \(list: ids)")
    try tx.execute("DELETE FROM identity_project WHERE id IN \(list: ids)")
    touch(holders.map { .user($0.text("id")) } + ids.map { .project($0) } + [.catalog])
  }

  func removeRoles(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    try removeAssignments("role_id IN \(list: ids)")
    try tx.execute(
      "DELETE FROM identity_implication WHERE prior_id IN \(list: ids) OR implied_id IN \(list: ids)")
    try tx.execute("DELETE FROM identity_role WHERE id IN \(list: ids)")
    for id in ids {
      // An application credential or trust that was made with the role has lost what it stood for.
      try removeApplicationCredentials("INSTR(roles, \("\"\(id)\"")) > 0")
    }
    touch(.roles)
  }

  /// Endpoints go with what they were given to.
  func removeEndpoints(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    for table in ["identity_project_endpoint", "identity_policy_association"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE endpoint_id IN \(list: ids)")
    }
    try tx.execute("DELETE FROM identity_endpoint WHERE id IN \(list: ids)")
    touch(.catalog)
  }

  func removeIdentityProviders(_ ids: [String]) throws {
    guard !ids.isEmpty else { return }
    for table in ["identity_provider_remote", "identity_protocol"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE provider_id IN \(list: ids)")
    }
    try tx.execute("DELETE FROM identity_provider WHERE id IN \(list: ids)")
  }

  /// Ids of rows that belong to a domain.
  func ids(_ table: String, ofDomain id: String) throws -> [String] {
    try tx.query("SELECT id FROM \(raw: table) WHERE domain_id = \(id)").map { $0.text("id") }
  }
}
