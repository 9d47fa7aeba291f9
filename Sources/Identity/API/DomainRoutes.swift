import API
import Kit
import Store

extension IdentityService {
  /// Domains (API reference, Domains): rows of projects that have no parent.
  var domainEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in auth.domain.map { ["id = \($0.id)"] } ?? [] }
    hooks.target = { PolicyTarget(domainIDs: [$0["id"]?.string]) }
    hooks.creating = { [self] values, context in try creatingDomain(&values, context) }
    hooks.created = { values, context in
      try ProjectTags.replace(SnapshotStore.strings(values["tags"] ?? []), of: values, tx: context.tx)
    }
    hooks.updating = { [self] old, changes, context in try updatingProject("domain", old, &changes, context) }
    hooks.deleting = { [self] old, context in
      try Immutability.checkDelete("domain", old)
      try deletingDomain(old, context)
    }
    hooks.touched = { [.project($0)] }
    hooks.decorate = { values, tx, _ in
      for index in values.indices {
        values[index] = JSONObject(
          values[index].filter { !["parent_id", "domain_id"].contains($0.key) }.map { ($0.key, $0.value) })
      }
      try ProjectTags.add(to: &values, tx: tx)
    }
    hooks.filter = { query, _ in try ProjectTags.filter(query) }
    return Entity(
      name: "domain", collection: "domains", table: "identity_project",
      attributes: [
        Attribute("name", .text, .name(64), required: true),
        Attribute("enabled", .bool, .boolean, initial: true),
        Attribute("description", .text, .freeText, nullable: true, initial: ""),
        Attribute("options", .json, .options, initial: [:]),
        // A domain has neither; the columns are part of the table's constraints.
        Attribute("domain_id", .text, .identifier, hidden: true, holdsEmpty: true),
        Attribute("parent_id", .text, .identifier, hidden: true, holdsEmpty: true),
        Attribute("is_domain", .bool, .boolean, initial: true, hidden: true),
      ],
      policies: [
        .list: .domainReader("list_domains"),
        .show: TargetPolicy(
          "get_domain", TargetPolicy.adminOrSystemReader, [.domain(role: nil), .projectInDomain]),
        .create: .admin("create_domain"), .update: .admin("update_domain"), .delete: .admin("delete_domain"),
      ], tellsMissing: [.update], scope: "is_domain = 1", hooks: hooks)
  }

  var domainRoutes: [Route] { EntityRoutes(domainEntity, self).routes }

  private func creatingDomain(_ values: inout JSONObject, _ context: EntityContext) throws {
    values["tags"] = try ProjectTags.take(&values)
    guard var extra = values["extra"]?.object, let wanted = extra["explicit_domain_id"] else { return }
    try Schema.string(32...32) { text in
      text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        ? nil : "it is not a UUID in hexadecimal"
    }.check(wanted, path: "explicit_domain_id")
    extra["explicit_domain_id"] = nil
    values["extra"] = extra.isEmpty ? nil : .object(extra)
    values["id"] = wanted
  }

  /// Takes everything that belongs to a disabled domain along.
  func deletingDomain(_ old: JSONObject, _ context: EntityContext) throws {
    let id = old["id"]?.string ?? ""
    guard old["enabled"]?.bool == false else {
      throw Fault.forbidden("Cannot delete a domain that is enabled, please disable it first.")
    }
    let change = context.change
    let projects = try change.ids("identity_project", ofDomain: id)
    try change.removeUsers(try change.ids("identity_user", ofDomain: id))
    try change.removeGroups(try change.ids("identity_group", ofDomain: id))
    try change.removeRoles(try change.ids("identity_role", ofDomain: id))
    try change.removeIdentityProviders(try change.ids("identity_provider", ofDomain: id))
    try change.tx.execute("DELETE FROM identity_limit WHERE domain_id = \(id)")
    try change.tx.execute("DELETE FROM identity_domain_config WHERE domain_id = \(id)")
    try change.removeProjects(projects + [id])
  }
}
