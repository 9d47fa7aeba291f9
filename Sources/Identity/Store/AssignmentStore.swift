import Kit
import Store

/// Rows of role assignments.
enum AssignmentStore {
  static func insert(_ grant: Assignment, _ change: Change) throws {
    try change.tx.execute(
      """
      REPLACE INTO identity_assignment (actor_kind, actor_id, place_kind, place_id, role_id, inherited)
      VALUES (\(grant.actor.kind), \(grant.actor.id), \(grant.place.kind), \(grant.place.id), \(grant.roleID),
        \(grant.isInherited))
      """)
    change.touch(.assignments(grant.actor))
  }

  /// Takes a role away, and what was built on it: the application credentials that stand for it. A user who has no role
  /// of its own left at the place loses its tokens there for good, so that they do not come back with a new grant.
  /// False when there was no such assignment.
  static func remove(_ grant: Assignment, _ change: Change) throws -> Bool {
    let tx = change.tx
    let removed = try tx.execute(
      """
      DELETE FROM identity_assignment WHERE actor_kind = \(grant.actor.kind) AND actor_id = \(grant.actor.id)
        AND place_kind = \(grant.place.kind) AND place_id = \(grant.place.id) AND role_id = \(grant.roleID)
        AND inherited = \(grant.isInherited)
      """)
    guard removed == 1 else { return false }
    change.touch(.assignments(grant.actor))
    if case .user(let user) = grant.actor {
      if case .project(let project) = grant.place {
        try change.removeApplicationCredentials(
          "user_id = \(user) AND project_id = \(project) AND INSTR(roles, \("\"\(grant.roleID)\"")) > 0")
      }
      let left = try tx.count(
        """
        SELECT COUNT(*) FROM identity_assignment WHERE actor_kind = 'user' AND actor_id = \(user)
          AND place_kind = \(grant.place.kind) AND place_id = \(grant.place.id) AND inherited = 0
        """)
      if left == 0, !grant.isInherited { try change.revoke(.grant, "\(user)/\(grant.place.id)") }
    }
    return true
  }
}
