import API
import Kit
import Store

extension NetworkModel {
  static func addressGroupsVisible(_ auth: AuthContext) -> SQL? {
    visible { RBACPolicies.visible("address_group", to: $0.projectID) }(auth)
  }

  var addressGroupRoutes: [Route] {
    var hooks = ResourceHooks()
    hooks.visible = { Self.addressGroupsVisible($0) }
    hooks.creating = { values, _ in
      // A single address needs its prefix length here, unlike in the calls that add and remove.
      if let bare = values.strings("addresses").first(where: { !$0.contains("/") }) {
        throw Fault.badRequest(
          "Invalid input for addresses. Reason: '\(bare.prefix(60))' is not a valid IP subnet.", kind: "HTTPBadRequest")
      }
      values["addresses"] = .strings(try AddressGroups.canonical(values.strings("addresses")))
    }
    hooks.deleting = { values, context in
      let used = try context.tx.first(
        "SELECT 1 AS one FROM network_security_rule WHERE remote_address_group_id = \(values.id) LIMIT 1")
      if used != nil {
        throw Fault.conflict(
          "Address group \(values.id) is in use on one or more security group rules.", kind: "AddressGroupInUse")
      }
      try context.tx.execute("DELETE FROM network_rbac WHERE object_id = \(values.id)")
    }
    return routes(AddressGroups.resource, hooks) + [
      addressRoute("add_addresses") { old, given, id in
        if let present = given.first(where: old.contains) {
          throw Fault.badRequest(
            "Addresses ['\(present)'] already exist in the address group \(id).", kind: "AddressesAlreadyExist")
        }
        return old + given
      },
      addressRoute("remove_addresses") { old, given, id in
        if let missing = given.first(where: { !old.contains($0) }) {
          throw Fault.notFound(
            "Addresses ['\(missing)'] not found in the address group \(id).", kind: "AddressesNotFound")
        }
        return old.filter { !given.contains($0) }
      },
    ]
  }

  private func addressRoute(
    _ action: String, _ change: @escaping @Sendable ([String], [String], String) throws -> [String]
  ) -> Route {
    let schema = Schema.object([Schema.required("addresses", .array(.string(1...64), count: 1...1000))])
    return Route(
      "PUT", "/v2.0/address-groups/{id}/\(action)", Policy(action, .projectMember), schema: schema
    ) { call in
      let (auth, now, id) = (try call.auth, clock.now(), call.parameter("id"))
      let given = try AddressGroups.canonical(call.body["addresses"]?.array?.compactMap(\.string) ?? [])
      return try await database.write { tx in
        let visible = Self.addressGroupsVisible(auth)
        guard let group = try AddressGroups.resource.find(id, where: visible, tx: tx) else {
          throw AddressGroups.notFound(id)
        }
        guard auth.isAdmin || group.projectID == auth.projectID else { throw Fault.disallowed(action) }
        let addresses = try change(group.strings("addresses"), given, id)
        let changed = try AddressGroups.resource.update(
          group, ["addresses": .strings(addresses)], now: now, tx: tx)
        tx.afterCommit(nudge)
        return .json(["address_group": .object(AddressGroups.resource.view(changed, for: auth))])
      }
    }
  }
}
