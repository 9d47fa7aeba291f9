import API
import Kit
import Store

/// The shared operations of declared entities.
struct EntityRoutes: Sendable {
  let entity: Entity
  let service: IdentityService

  init(_ entity: Entity, _ service: IdentityService) { (self.entity, self.service) = (entity, service) }

  /// The routes of the verbs that have a policy.
  var routes: [Route] {
    let (all, one) = (entity.path, "\(entity.path)/{\(entity.name)_id}")
    func route(
      _ verb: Entity.Verb, _ method: String, _ pattern: String, _ body: Route.BodyKind, _ run: @escaping Handler
    )
      -> Route?
    {
      entity.policies[verb].map { policy in
        // Some are asked after looking for the entity.
        Route(method, pattern, entity.tellsMissing.contains(verb) ? policy.late : policy.route, body: body, run)
      }
    }
    return [
      route(.list, "GET", all, .none) { try await self.list($0) },
      route(.show, "GET", one, .none) { try await self.show($0) },
      route(.create, "POST", all, .json) { try await self.create($0) },
      route(.update, "PATCH", one, .json) { try await self.update($0) },
      route(.delete, "DELETE", one, .none) { try await self.delete($0) },
    ].compactMap { $0 }
  }

  /// The same, where whoever makes one chooses its id: `PUT` in place of `POST`.
  var routesWithPut: [Route] {
    let create = Route("PUT", "\(entity.path)/{\(entity.name)_id}", policy(.create).route, body: .json) { call in
      var input = call.body[entity.name] == nil ? [:] : try entity.input(call.body)
      try Schema.string(1...64).check(.string(id(call)), path: "id")
      _ = try await entity.hooks.prepare?(&input, call)
      var values = try entity.createValues(input)
      values["id"] = .string(id(call))
      return try await insert(values, call)
    }
    return routes.filter { $0.method != "POST" } + [create]
  }

  private func policy(_ verb: Entity.Verb) -> TargetPolicy { entity.policies[verb] ?? .admin(verb.rawValue) }
  private func id(_ call: Call) -> String { call.parameter(entity.name + "_id") }

  /// Views of rows' values.
  func views(_ values: [JSONObject], tx: any Transaction, _ call: Call) throws -> [JSONValue] {
    var values = values
    try entity.hooks.decorate?(&values, tx, call)
    return values.map { entity.view($0, call) }
  }

  func list(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    try (entity.hooks.listPolicy?(call.query) ?? policy(.list)).check(auth, entity.hooks.listTarget(call, auth))
    let request = try EntityList.request(entity, call.query)
    var conditions = (entity.hooks.visible?(auth) ?? []) + (try entity.hooks.filter?(call.query, auth) ?? [])
    if let scope = entity.scope { conditions.append(scope) }
    let scope = conditions
    return try await service.database.read { [self] tx in
      let page = try EntityList.spec(entity).page(request, conditions: scope, tx: tx)
      let values = page.rows.map { entity.values($0, service.secrets) }
      return .json(
        CollectionView.body(
          entity.collection, try views(values, tx: tx, call), call,
          next: page.hasNext ? values.last?["id"]?.string : nil))
    }
  }

  func show(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await service.database.read { [self] tx in
      let values = try existing(.show, id(call), auth, tx)
      return .json([entity.name: try views([values], tx: tx, call)[0]])
    }
  }

  func create(_ call: Call) async throws -> Reply {
    var input = try entity.input(call.body)
    let hidden = try await entity.hooks.prepare?(&input, call) ?? [:]
    var values = try entity.createValues(input)
    values.merge(hidden)
    return try await insert(values, call)
  }

  /// Writes a checked new entity; a given id is kept.
  func insert(_ given: JSONObject, _ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await service.change(call) { [self] change in
      let context = EntityContext(change: change, call: call, auth: auth)
      var values = given
      if values["id"] == nil { values["id"] = .string(UUIDText.makeHex()) }
      try entity.hooks.creating?(&values, context)
      try policy(.create).check(auth, entity.hooks.target(values))
      let id = values["id"]?.string ?? ""
      try entity.insert(values, now: change.now, service.secrets, tx: change.tx)
      try entity.hooks.created?(values, context)
      change.touch(entity.hooks.touched?(id) ?? [])
      service.audit(call, "created \(entity.title) \(id)", change.tx)
      let stored = try entity.find(id, service.secrets, tx: change.tx) ?? values
      return .json([entity.name: try views([stored], tx: change.tx, call)[0]], status: 201)
    }
  }

  func update(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var input = try entity.input(call.body)
    let hidden = try await entity.hooks.prepare?(&input, call) ?? [:]
    let rest = input
    return try await service.change(call) { [self] change in
      let context = EntityContext(change: change, call: call, auth: auth)
      let old = try existing(.update, id(call), auth, change.tx)
      let given = !hidden.isEmpty && rest.isEmpty ? [:] : try entity.updateValues(rest, id: id(call))
      try entity.checkFixed(old, given)
      var changes = given
      changes.merge(hidden)
      try entity.hooks.updating?(old, &changes, context)
      try entity.update(old, changes, service.secrets, tx: change.tx)
      change.touch(entity.hooks.touched?(id(call)) ?? [])
      service.audit(call, "changed \(entity.title) \(id(call)): \(changes.keys.joined(separator: ", "))", change.tx)
      let stored = try entity.find(id(call), service.secrets, tx: change.tx) ?? old
      return .json([entity.name: try views([stored], tx: change.tx, call)[0]])
    }
  }

  func delete(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await service.change(call) { [self] change in
      let context = EntityContext(change: change, call: call, auth: auth)
      let old = try existing(.delete, id(call), auth, change.tx)
      try entity.hooks.deleting?(old, context)
      try change.tx.execute("DELETE FROM \(raw: entity.table) WHERE id = \(id(call))")
      change.touch(entity.hooks.touched?(id(call)) ?? [])
      service.audit(call, "deleted \(entity.title) \(id(call))", change.tx)
      return .empty(204)
    }
  }

  /// The entity, if the caller may do this to it: 403 else, 404 when those who may always find none.
  private func existing(
    _ verb: Entity.Verb, _ id: String, _ auth: AuthContext, _ tx: any Transaction
  ) throws -> JSONObject {
    let values = try entity.find(id, service.secrets, tx: tx)
    if values == nil, entity.tellsMissing.contains(verb) { throw entity.notFound(id) }
    var policy = policy(verb)
    if let values, let own = entity.hooks.policy?(verb, values) { policy = own }
    try policy.check(auth, values.map(entity.hooks.target))
    guard let values else { throw entity.notFound(id) }
    return values
  }
}

/// How lists of entities are filtered, sorted and paged (errors-and-conventions §3, §4).
enum EntityList {
  static func spec(_ entity: Entity) -> ListSpec {
    var columns = [ListColumn("id", filter: false)]
    for attribute in entity.attributes where !attribute.isHidden {
      let kind: ListColumn.Kind? =
        switch attribute.kind {
        case .text: .text
        case .bool: .bool
        case .int: .int
        case .json, .sealed: nil
        }
      if let kind { columns.append(ListColumn(attribute.name, attribute.column, kind)) }
    }
    return ListSpec(table: entity.table, columns: columns, style: .identity)
  }

  /// Exact filters, and `name__contains` with its relatives.
  static func request(_ entity: Entity, _ query: Query) throws -> ListRequest {
    let spec = spec(entity)
    var request = try spec.request(query)
    for item in query.items {
      guard let split = item.name.firstRange(of: "__"),
        let column = spec.columns.first(where: { $0.name == item.name[..<split.lowerBound] }), column.kind == .text,
        let condition = inexact(column.column, String(item.name[split.upperBound...]), item.value)
      else { continue }
      request.conditions.append(condition)
    }
    return request
  }

  /// nil for an operator that there is none of.
  static func inexact(_ column: String, _ comparison: String, _ value: String) -> SQL? {
    let ignoresCase = comparison.hasPrefix("i")
    let text = ignoresCase ? value.lowercased() : value
    let expression = ignoresCase ? "LOWER(\(column))" : column
    let length = text.unicodeScalars.count
    switch ignoresCase ? String(comparison.dropFirst()) : comparison {
    case "contains": return "INSTR(\(raw: expression), \(text)) > 0"
    case "startswith": return "SUBSTR(\(raw: expression), 1, \(length)) = \(text)"
    case "endswith": return length == 0 ? "1 = 1" : "SUBSTR(\(raw: expression), \(-length)) = \(text)"
    default: return nil
    }
  }
}

/// A list's body: the items, and links to itself and to the next page.
enum CollectionView {
  static func body(_ name: String, _ items: [JSONValue], _ call: Call, next: String? = nil) -> JSONValue {
    let query = call.query.text()
    let own = call.baseURL + "/" + call.http.path.split(separator: "/").joined(separator: "/")
    return [
      name: .array(items),
      "links": [
        "next": .optional(next.map { PageLinks.href(call, marker: $0) }),
        "self": .string(query.isEmpty ? own : own + "?" + query), "previous": nil,
      ],
    ]
  }
}
