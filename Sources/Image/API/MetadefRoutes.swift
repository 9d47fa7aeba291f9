import API
import Kit
import Store

/// Namespaces of metadata definitions (API reference, Metadata definition namespaces).
extension ImageService {
  private static let all = "/v2/metadefs/namespaces"
  private static let one = all + "/{namespace}"

  var namespaceRoutes: [Route] {
    [
      Route("GET", "/v2/metadefs/resource_types", Policy("list_metadef_resource_types", Self.reader)) { [self] _ in
        let used = try await database.read { tx in
          try tx.query("SELECT DISTINCT name FROM metadef_item WHERE kind = 'resource_type'").map { $0.text("name") }
        }
        let names = Set(MetadefItem.resourceTypes + used).sorted()
        return .json(["resource_types": .array(names.map { ["name": .string($0)] })])
      },
      Route("GET", Self.all, Policy("get_metadef_namespaces", .projectReader), listNamespaces),
      Route("POST", Self.all, Policy("add_metadef_namespace", .admin), schema: Self.namespaceSchema, createNamespace),
      Route("GET", Self.one, Policy("get_metadef_namespace", Self.reader), showNamespace),
      Route("PUT", Self.one, Policy("modify_metadef_namespace", .admin), schema: Self.namespaceSchema, updateNamespace),
      Route("DELETE", Self.one, Policy("delete_metadef_namespace", .admin)) { [self] call in
        try await database.write { tx in
          let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
          guard !namespace.isProtected else {
            throw Fault.forbidden("Metadata definition namespace \(namespace.name) is protected and cannot be deleted.")
          }
          try MetadefStore.delete(namespace.name, tx: tx)
        }
        return .empty()
      },
    ]
  }

  private static let namespaceSchema: Schema = {
    func items(_ kind: MetadefItem.Kind) -> Schema { .array(kind.schema, count: 0...1000) }
    return .object([
      Schema.required("namespace", .string(1...80) { $0.contains("/") ? "it holds a slash" : nil }),
      Schema.may("display_name", .optional(.string(0...80))), Schema.may("description", .optional(.string(0...500))),
      Schema.may("visibility", .oneOf(["public", "private"])), Schema.may("protected", .boolean),
      Schema.may("owner", .string(0...255)), Schema.may("objects", items(.object)), Schema.may("tags", items(.tag)),
      Schema.may("resource_type_associations", items(.resourceType)), Schema.may("properties", MetadefItem.propertyMap),
    ])
  }()

  private func listNamespaces(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var request = try MetadefStore.list.request(call.query)
    if let visibility = call.query["visibility"], visibility != "public", visibility != "private" {
      throw Fault.badRequest("Invalid visibility value: \(visibility.prefix(40))")
    }
    if let types = call.query["resource_types"] {
      let names = types.split(separator: ",").map(String.init)
      request.conditions.append(
        "name IN (SELECT namespace FROM metadef_item WHERE kind = 'resource_type' AND name IN \(list: names))")
    }
    let wanted = request
    let page = try await database.read { tx in
      try MetadefStore.list.page(wanted, conditions: MetadefStore.visible(auth).map { [$0] } ?? [], tx: tx)
    }
    let namespaces = page.rows.map(MetadefStore.namespace)
    let query = call.query.text(without: ["marker"])
    var view: JSONObject = [
      "namespaces": .array(namespaces.map { .object(MetadefView.namespace($0)) }),
      "schema": "/v2/schemas/metadefs/namespaces", "first": .string(Self.all + (query.isEmpty ? "" : "?" + query)),
    ]
    if page.hasNext, let last = namespaces.last {
      view.append("next", .string(PageLinks.href(call, marker: last.name, isRelative: true)))
    }
    return .json(.object(view))
  }

  private func createNamespace(_ call: Call) async throws -> Reply {
    let (now, body) = (clock.now(), call.body)
    var namespace = MetadefNamespace(
      name: body["namespace"]?.string ?? "", owner: try call.auth.project?.id, createdAt: now, updatedAt: now)
    namespace.set(body)
    var items: [MetadefItem] = []
    for kind in [MetadefItem.Kind.object, .tag, .resourceType] {
      items += (body[kind.listKey]?.array ?? []).map { MetadefItem(kind, $0.object ?? [:], now: now) }
    }
    for member in body["properties"]?.object ?? [:] {
      var item = MetadefItem(.property, member.value.object ?? [:], now: now)
      item.name = member.key
      items.append(item)
    }
    let (saved, contents) = (namespace, items)
    try await database.write { tx in
      try MetadefStore.insert(saved, tx: tx)
      for item in contents { try MetadefStore.insert(item, into: saved.name, tx: tx) }
    }
    return .json(
      .object(MetadefView.namespace(saved, contents)), status: 201,
      headers: ["Location": "\(Self.all)/\(Percent.encode(saved.name))"])
  }

  private func showNamespace(_ call: Call) async throws -> Reply {
    let (namespace, items) = try await database.read { tx in
      let namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
      return (namespace, try MetadefStore.items(of: namespace.name, tx: tx))
    }
    return .json(.object(MetadefView.namespace(namespace, items, resourceType: call.query["resource_type"])))
  }

  private func updateNamespace(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let namespace = try await database.write { tx in
      var namespace = try MetadefStore.require(call.parameter("namespace"), try call.auth, tx: tx)
      let name = namespace.name
      namespace.set(call.body)
      namespace.updatedAt = now
      try MetadefStore.update(namespace, from: name, tx: tx)
      return namespace
    }
    return .json(.object(MetadefView.namespace(namespace)))
  }
}

extension MetadefNamespace {
  /// Sets what a checked body says.
  fileprivate mutating func set(_ body: JSONValue) {
    name = body["namespace"]?.string ?? name
    displayName = body["display_name"]?.string ?? displayName
    description = body["description"]?.string ?? description
    visibility = body["visibility"]?.string ?? visibility
    isProtected = body["protected"]?.bool ?? isProtected
    owner = body["owner"]?.string ?? owner
  }
}

/// Metadata definitions as clients see them.
enum MetadefView {
  static func namespace(_ namespace: MetadefNamespace) -> JSONObject {
    var view: JSONObject = ["namespace": .string(namespace.name)]
    if let name = namespace.displayName { view.append("display_name", .string(name)) }
    if let description = namespace.description { view.append("description", .string(description)) }
    view.append("visibility", .string(namespace.visibility))
    view.append("protected", .bool(namespace.isProtected))
    if let owner = namespace.owner { view.append("owner", .string(owner)) }
    view.append("created_at", .string(namespace.createdAt.iso8601))
    view.append("updated_at", .string(namespace.updatedAt.iso8601))
    view.append("self", .string("/v2/metadefs/namespaces/\(Percent.encode(namespace.name))"))
    view.append("schema", "/v2/schemas/metadefs/namespace")
    return view
  }

  /// With what it holds; names of properties get the prefix that they have on resources of `resourceType`.
  static func namespace(
    _ namespace: MetadefNamespace, _ items: [MetadefItem], resourceType: String? = nil
  ) -> JSONObject {
    var view = self.namespace(namespace)
    let association = items.first { $0.kind == .resourceType && $0.name == resourceType }
    let prefix = association?.body["prefix"]?.string ?? ""
    func renamed(_ properties: JSONObject) -> JSONValue {
      .object(JSONObject(properties.map { (prefix + $0.key, $0.value) }))
    }
    for kind in [MetadefItem.Kind.object, .tag, .resourceType] {
      let members = items.filter { $0.kind == kind }.map { item -> JSONValue in
        guard kind == .object else { return self.item(item, in: namespace.name) }
        var object = item
        if let properties = item.body["properties"]?.object { object.body["properties"] = renamed(properties) }
        if let required = item.body["required"]?.array {
          object.body["required"] = .strings(required.map { prefix + ($0.string ?? "") })
        }
        return self.item(object, in: namespace.name)
      }
      if !members.isEmpty { view.append(kind.listKey, .array(members)) }
    }
    let properties = items.filter { $0.kind == .property }
    if !properties.isEmpty {
      view.append("properties", renamed(JSONObject(properties.map { ($0.name, .object($0.body)) })))
    }
    return view
  }

  static func item(_ item: MetadefItem, in namespace: String) -> JSONValue {
    var view: JSONObject = ["name": .string(item.name)]
    view.merge(item.body)
    guard item.kind != .property else { return .object(view) }
    view.append("created_at", .string(item.createdAt.iso8601))
    view.append("updated_at", .string(item.updatedAt.iso8601))
    if item.kind == .object {
      let path = "/v2/metadefs/namespaces/\(Percent.encode(namespace))/objects/\(Percent.encode(item.name))"
      view.append("self", .string(path))
      view.append("schema", "/v2/schemas/metadefs/object")
    }
    return .object(view)
  }

  static func list(_ items: [MetadefItem], _ kind: MetadefItem.Kind, in namespace: String) -> JSONValue {
    if kind == .property {
      return ["properties": .object(JSONObject(items.map { ($0.name, .object($0.body)) }))]
    }
    var view = JSONObject([(kind.listKey, .array(items.map { item($0, in: namespace) }))])
    if kind != .resourceType {
      view.append("first", .string("/v2/metadefs/namespaces/\(Percent.encode(namespace))/\(kind.collection)"))
      view.append("schema", .string("/v2/schemas/metadefs/\(kind.collection)"))
    }
    return .object(view)
  }
}
