import Kit
import Store

/// The shared operations of declared resources.
public struct ResourceRoutes: Sendable {
  public let resource: Resource
  let database: any Database
  let clock: any WallClock

  public init(_ resource: Resource, database: any Database, clock: any WallClock) {
    (self.resource, self.database, self.clock) = (resource, database, clock)
  }

  /// The routes of the verbs that have a policy.
  public var routes: [Route] {
    let (one, all) = (resource.path + "/{id}", resource.path)
    func route(_ verb: Verb, _ method: String, _ pattern: String, _ body: Route.BodyKind, _ handler: @escaping Handler)
      -> Route?
    {
      resource.policies[verb].map { Route(method, pattern, $0, body: body, handler) }
    }
    return [
      route(.list, "GET", all, .none) { try await self.list($0) },
      route(.show, "GET", one, .none) { try await self.show($0) },
      route(.create, "POST", all, .json) { try await self.create($0) },
      route(.update, resource.updateMethod, one, .json) { try await self.update($0) },
      route(.delete, "DELETE", one, .none) { try await self.delete($0) },
    ].compactMap { $0 }
  }

  private func context(_ call: Call, _ tx: any Transaction) throws -> ResourceContext {
    ResourceContext(tx: tx, auth: try call.auth, call: call, now: clock.now(), resource: resource)
  }

  private func views(_ values: [JSONObject], _ context: ResourceContext) throws -> [JSONObject] {
    var values = values
    try resource.hooks.decorate?(&values, context)
    let only = Set(context.call.query.all("fields").filter { !$0.isEmpty })
    return values.map { resource.view($0, for: context.auth, only: only) }
  }

  func list(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var request = try resource.list.request(call.query)
    if let filter = resource.hooks.filter {
      for name in Set(call.query.items.map(\.name)) {
        if let condition = try filter(name, call.query.all(name), auth) { request.conditions.append(condition) }
      }
    }
    let (wanted, scope) = (request, resource.visibleCondition(auth).map { [$0] } ?? [])
    return try await database.read { tx in
      let page = try resource.list.page(wanted, conditions: scope, tx: tx)
      let values = page.rows.map(resource.values)
      var body: JSONObject = [resource.collection: .array(try views(values, context(call, tx)).map { .object($0) })]
      // As upstream: only a page that is not full ends its direction.
      if let limit = wanted.limit, case let isShort = values.count < limit,
        let links = PageLinks.make(
          call, first: values.first?["id"]?.string, last: values.last?["id"]?.string,
          hasNext: !isShort || wanted.isReversed, hasPrevious: !isShort || !wanted.isReversed)
      {
        body[resource.collection + "_links"] = links
      }
      return .json(.object(body))
    }
  }

  func show(_ call: Call) async throws -> Reply {
    try await database.read { tx in
      let context = try context(call, tx)
      let values = try existing(call.parameter("id"), context)
      return .json([resource.name: .object(try views([values], context)[0])])
    }
  }

  func create(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let (items, isBulk) = try resource.envelope(call.body)
    let inputs = try items.map { item throws(Fault) in try resource.createValues(item, auth: auth) }
    return try await database.write { tx in
      let context = try context(call, tx)
      try checkQuota(inputs, tx)
      let made = try inputs.map { try insert($0, context) }
      let views = try views(made, context).map { JSONValue.object($0) }
      if let changed = resource.hooks.changed { tx.afterCommit(changed) }
      return .json(isBulk ? [resource.collection: .array(views)] : [resource.name: views[0]], status: 201)
    }
  }

  private func insert(_ input: JSONObject, _ context: ResourceContext) throws -> JSONObject {
    var values = input
    if (values["id"]?.string ?? "").isEmpty { values["id"] = .string(resource.makeID()) }
    try resource.hooks.creating?(&values, context)
    let stored = try resource.insert(values, now: context.now, tx: context.tx)
    try resource.hooks.created?(stored, context)
    return try fresh(stored, context)
  }

  /// Hooks may have changed the row: the view shows what is stored, and what only the values carry.
  private func fresh(_ values: JSONObject, _ context: ResourceContext) throws -> JSONObject {
    guard let id = values["id"]?.string, let stored = try resource.find(id, tx: context.tx) else { return values }
    var result = values
    result.merge(stored)
    return result
  }

  private func checkQuota(_ inputs: [JSONObject], _ tx: any Transaction) throws {
    guard let quota = resource.quota, let owner = resource.ownerField, let column = resource.field(owner)?.column else {
      return
    }
    for (project, asked) in Dictionary(grouping: inputs, by: { $0[owner]?.string ?? "" }) {
      guard let limit = try quota(project, tx), limit >= 0 else { continue }
      let used = try tx.count("SELECT COUNT(*) FROM \(raw: resource.table) WHERE \(raw: column) = \(project)")
      try QuotaFault.check(resource.name, limit: limit, used: used, asked: asked.count)
    }
  }

  /// The resource, if the caller sees it; a 404 fault else.
  private func existing(_ id: String, _ context: ResourceContext) throws -> JSONObject {
    guard let values = try resource.find(id, where: resource.visibleCondition(context.auth), tx: context.tx) else {
      throw resource.notFound(id)
    }
    return values
  }

  /// The resource, if the caller may change it: 404 when it does not see it, 403 when it only sees it.
  private func owned(_ verb: Verb, _ context: ResourceContext) throws -> JSONObject {
    let values = try existing(context.call.parameter("id"), context)
    let condition: SQL?
    if let changeable = resource.hooks.changeable {
      condition = changeable(context.auth)
    } else if let owner = resource.ownerField, let column = resource.field(owner)?.column, !context.auth.isAdmin {
      condition = "\(raw: column) = \(context.auth.projectID)"
    } else {
      condition = nil
    }
    if let condition, try resource.find(context.call.parameter("id"), where: condition, tx: context.tx) == nil {
      throw Fault.forbidden(
        "(rule:\(resource.policies[verb]?.name ?? "")) is disallowed by policy", kind: "PolicyNotAuthorized")
    }
    return values
  }

  func update(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let (items, _) = try resource.envelope(call.body)
    guard items.count == 1 else { throw Fault.badRequest("An update changes one \(resource.name).") }
    let input = try resource.updateValues(items[0], auth: auth)
    return try await database.write { tx in
      let context = try context(call, tx)
      let old = try owned(.update, context)
      try checkRevision(old, call)
      var changes = input
      try resource.hooks.updating?(old, &changes, context)
      let new = try resource.update(old, changes, now: context.now, tx: tx)
      try resource.hooks.updated?(old, new, context)
      if let changed = resource.hooks.changed { tx.afterCommit(changed) }
      return .json([resource.name: .object(try views([try fresh(new, context)], context)[0])])
    }
  }

  /// `If-Match: revision_number=N` (Network's conditional update).
  private func checkRevision(_ values: JSONObject, _ call: Call) throws {
    guard resource.hasRevision, let match = call.http.headers["If-Match"] else { return }
    let parts = match.split(separator: "=")
    guard parts.count == 2, parts[0] == "revision_number", let wanted = Int(parts[1]) else {
      throw Fault.badRequest("The If-Match header must be revision_number=N.")
    }
    if values["revision_number"]?.int != wanted {
      throw Fault(
        412, kind: "RevisionNumberConstraintFailed",
        "Constrained to \(wanted), but current revision is \(values["revision_number"]?.int ?? 0)")
    }
  }

  func delete(_ call: Call) async throws -> Reply {
    try await database.write { tx in
      let context = try context(call, tx)
      let old = try owned(.delete, context)
      try checkRevision(old, call)
      try resource.hooks.deleting?(old, context)
      try resource.delete(call.parameter("id"), tx: tx)
      try resource.hooks.deleted?(old, context)
      if let changed = resource.hooks.changed { tx.afterCommit(changed) }
      return .empty(204)
    }
  }
}

/// Network's answer to a full quota: 409 OverQuota (errors-and-conventions §1).
public enum QuotaFault {
  public static func check(_ name: String, limit: Int, used: Int, asked: Int) throws {
    guard limit >= 0, used + asked > limit else { return }
    throw Fault.conflict(
      "Quota exceeded for resources: ['\(name)']. The limit is \(limit), \(used) are used and \(asked) more were asked for.",
      kind: "OverQuota")
  }
}
