import API
import Kit
import Store

extension IdentityService {
  /// Groups of users (API reference, Groups).
  var groupEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in auth.domain.map { ["domain_id = \($0.id)"] } ?? [] }
    hooks.creating = { [self] values, context in try ownDomain(&values, context) }
    hooks.deleting = { old, context in try context.change.removeGroups([old["id"]?.string ?? ""]) }
    hooks.touched = { _ in [.groups] }
    return Entity(
      name: "group", collection: "groups", table: "identity_group",
      attributes: [
        Attribute("name", .text, .name(255), required: true),
        Attribute("domain_id", .text, .identifier, update: false),
        Attribute("description", .text, .freeText, nullable: true, initial: ""),
      ],
      policies: [
        .list: .domainReader("list_groups"), .show: .domainReader("get_group"),
        .create: .domainManager("create_group"), .update: .domainManager("update_group"),
        .delete: .domainManager("delete_group"),
      ], tellsMissing: [.delete], hooks: hooks)
  }

  var groupRoutes: [Route] {
    let list = TargetPolicy.domainReader("list_users_in_group")
    let check = TargetPolicy.domainReader("check_user_in_group")
    let add = TargetPolicy.domainManager("add_user_to_group")
    let remove = TargetPolicy.domainManager("remove_user_from_group")
    let one = "/v3/groups/{group_id}/users/{user_id}"
    return EntityRoutes(groupEntity, self).routes + [
      Route("GET", "/v3/groups/{group_id}/users", list.route) { [self] in try await usersInGroup($0, list) },
      Route("GET", one, check.route) { [self] in try await checkMember($0, check) },
      Route("PUT", one, add.route) { [self] in try await addMember($0, add) },
      Route("DELETE", one, remove.route) { [self] in try await removeMember($0, remove) },
    ]
  }

  private func usersInGroup(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (id, auth) = (call.parameter("group_id"), try call.auth)
    let group = books.groupDomains[id]
    try policy.check(auth, group.map { PolicyTarget(domainIDs: [$0.id]) })
    guard group != nil else { throw Fault.notFound("Could not find group: \(id.prefix(64)).") }
    var conditions = try EntityList.request(userEntity, call.query).conditions
    conditions.append("id IN (SELECT user_id FROM identity_membership WHERE group_id = \(id))")
    if let domain = auth.domain { conditions.append("domain_id = \(domain.id)") }
    return try await listRows(userEntity, conditions, call)
  }

  /// The group and the user of a membership route, checked against the policy; 404 when one is unknown.
  private func member(_ call: Call, _ policy: TargetPolicy) throws -> (group: String, user: String) {
    let (group, user) = (call.parameter("group_id"), call.parameter("user_id"))
    let (knownGroup, knownUser) = (books.groupDomains[group], books.users[user])
    let target = knownGroup.flatMap { group in
      knownUser.map {
        PolicyTarget(
          domainIDs: [group.id, $0.domainID], attributes: ["target.user.domain_id": $0.domainID])
      }
    }
    try policy.check(try call.auth, target)
    guard knownGroup != nil else { throw Fault.notFound("Could not find group: \(group.prefix(64)).") }
    guard knownUser != nil else { throw Fault.notFound("Could not find user: \(user.prefix(64)).") }
    return (group, user)
  }

  private func checkMember(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (group, user) = try member(call, policy)
    guard books.groups[user]?.contains(group) == true else {
      throw Fault.notFound("User \(user) not found in group \(group).")
    }
    return .empty(204)
  }

  private func addMember(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (group, user) = try member(call, policy)
    return try await change(call) { [self] change in
      try change.tx.execute("REPLACE INTO identity_membership (user_id, group_id) VALUES (\(user), \(group))")
      change.touch(.membership(userID: user))
      audit(call, "added user \(user) to group \(group)", change.tx)
      return .empty(204)
    }
  }

  private func removeMember(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (group, user) = try member(call, policy)
    return try await change(call) { [self] change in
      let removed = try change.tx.execute(
        "DELETE FROM identity_membership WHERE user_id = \(user) AND group_id = \(group)")
      guard removed == 1 else { throw Fault.notFound("User \(user) not found in group \(group).") }
      change.touch(.membership(userID: user))
      // What the group gave to the user is gone with its tokens, also when the user comes back.
      for assignment in books.assignments[.group(group)] ?? [] where !assignment.isInherited {
        try change.revoke(.grant, "\(user)/\(assignment.place.id)")
      }
      audit(call, "removed user \(user) from group \(group)", change.tx)
      return .empty(204)
    }
  }
}
