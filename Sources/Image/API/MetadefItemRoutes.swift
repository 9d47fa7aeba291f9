import API
import Kit
import Store

/// Objects, properties, tags and resource types of a namespace: they differ in their schemas alone.
extension ImageService {
  private static func path(_ kind: MetadefItem.Kind) -> String {
    "/v2/metadefs/namespaces/{namespace}/\(kind.collection)"
  }

  /// The routes that a kind of item has.
  func itemRoutes(_ kind: MetadefItem.Kind) -> [Route] {
    let (all, one, name) = (Self.path(kind), Self.path(kind) + "/{name}", kind.rawValue)
    var routes = [
      Route("GET", all, Policy("get_metadef_\(kind.collection)", Self.reader)) { [self] call in
        let (namespace, items) = try await database.read { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          return (namespace, try MetadefStore.items(of: namespace.name, kind, tx: tx))
        }
        return .json(MetadefView.list(items, kind, in: namespace.name))
      },
      Route("DELETE", one, Policy("delete_metadef_\(name)", .admin)) { [self] call in
        try await database.write { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          let item = try MetadefStore.require(kind, call.parameter("name"), of: namespace.name, tx: tx)
          try MetadefStore.delete(kind, item.name, of: namespace.name, tx: tx)
        }
        return .empty()
      },
    ]
    if kind != .tag {
      routes.append(
        Route("POST", all, Policy("add_metadef_\(name)", .admin), schema: kind.schema) { [self] call in
          try await create(kind, call.body.object ?? [:], call)
        })
    }
    guard kind != .resourceType else { return routes }
    return routes + [
      Route("GET", one, Policy("get_metadef_\(name)", Self.reader)) { [self] call in
        let (namespace, item) = try await database.read { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          return (namespace, try MetadefStore.require(kind, call.parameter("name"), of: namespace.name, tx: tx))
        }
        return .json(MetadefView.item(item, in: namespace.name))
      },
      Route("PUT", one, Policy("modify_metadef_\(name)", .admin), schema: kind.schema) { [self] call in
        try await replace(kind, call)
      },
      Route("DELETE", all, Policy("delete_metadef_\(kind.collection)", .admin)) { [self] call in
        try await database.write { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          try MetadefStore.delete(kind, of: namespace.name, tx: tx)
        }
        return .empty()
      },
    ]
  }

  private func create(_ kind: MetadefItem.Kind, _ body: JSONObject, _ call: Call) async throws -> Reply {
    let item = MetadefItem(kind, body, now: clock.now())
    let namespace = try await database.write { tx in
      let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
      try MetadefStore.insert(item, into: namespace.name, tx: tx)
      return namespace.name
    }
    let path = "/v2/metadefs/namespaces/\(Percent.encode(namespace))/\(kind.collection)/\(Percent.encode(item.name))"
    return .json(MetadefView.item(item, in: namespace), status: 201, headers: ["Location": path])
  }

  private func replace(_ kind: MetadefItem.Kind, _ call: Call) async throws -> Reply {
    let now = clock.now()
    let (namespace, item) = try await database.write { tx in
      let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
      let old = try MetadefStore.require(kind, call.parameter("name"), of: namespace.name, tx: tx)
      var item = MetadefItem(kind, call.body.object ?? [:], now: now)
      item.createdAt = old.createdAt
      try MetadefStore.delete(kind, old.name, of: namespace.name, tx: tx)
      try MetadefStore.insert(item, into: namespace.name, tx: tx)
      return (namespace, item)
    }
    return .json(MetadefView.item(item, in: namespace.name))
  }

  /// Tags are made by their address, or all at once.
  var tagRoutes: [Route] {
    let all = Self.path(.tag)
    let schema = Schema.object([Schema.required("tags", .array(MetadefItem.Kind.tag.schema, count: 0...1000))])
    return [
      Route("POST", all + "/{name}", Policy("add_metadef_tag", .admin)) { [self] call in
        let name = call.parameter("name")
        guard name.count <= 80 else { throw Fault.badRequest("The name of a tag has at most 80 characters.") }
        return try await create(.tag, ["name": .string(name)], call)
      },
      Route("POST", all, Policy("add_metadef_tags", .admin), schema: schema) { [self] call in
        let now = clock.now()
        let tags = (call.body["tags"]?.array ?? []).map { MetadefItem(.tag, $0.object ?? [:], now: now) }
        let isAppending = call.http.headers["X-Openstack-Append"]?.lowercased() == "true"
        try await database.write { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          if !isAppending { try MetadefStore.delete(.tag, of: namespace.name, tx: tx) }
          for tag in tags { try MetadefStore.insert(tag, into: namespace.name, tx: tx) }
        }
        return .json(["tags": .array(tags.map { ["name": .string($0.name)] })], status: 201)
      },
    ]
  }
}
