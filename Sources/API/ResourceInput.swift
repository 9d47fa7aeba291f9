import Kit

/// Reads and checks the body of a create or update of a declared resource.
extension Resource {
  func invalid(_ name: String, _ reason: String) -> Fault {
    Fault.badRequest("Invalid input for \(name). Reason: \(reason).", kind: "HTTPBadRequest")
  }

  /// The member objects of a body: one under `name`, or several under `collection`.
  func envelope(_ body: JSONValue) throws(Fault) -> (items: [JSONObject], isBulk: Bool) {
    if let item = body[name] {
      guard let object = item.object else {
        throw Fault.badRequest("'\(name)' must be an object, not \(item.typeName).")
      }
      return ([object], false)
    }
    if hasBulkCreate, let items = body[collection] {
      guard let array = items.array, !array.isEmpty else {
        throw Fault.badRequest("'\(collection)' must be a list with at least one object.")
      }
      var objects: [JSONObject] = []
      for item in array {
        // Each item may have an envelope of its own.
        guard let object = (item[name] ?? item).object else {
          throw Fault.badRequest("'\(collection)' must hold objects only.")
        }
        objects.append(object)
      }
      return (objects, true)
    }
    throw Fault.badRequest("Unable to find '\(name)' in request body.")
  }

  /// Given names brought to the fields' own; an unknown one is a 400.
  private func canonical(_ input: JSONObject) throws(Fault) -> JSONObject {
    var values = JSONObject()
    for member in input {
      guard let field = field(member.key), !field.isHidden else {
        throw Fault.badRequest("Unrecognized attribute(s) '\(member.key.prefix(80))'", kind: "HTTPBadRequest")
      }
      values[field.name] = member.value
    }
    return values
  }

  private func allow(_ field: Field, _ verb: Verb, _ auth: AuthContext) throws(Fault) {
    guard let rule = field.writeRule, !rule.allows(auth) else { return }
    let policy = policies[verb]?.name ?? "\(verb.rawValue)_\(name)"
    throw Fault.forbidden(
      "(rule:\(policy) and (rule:\(policy):\(field.name))) is disallowed by policy", kind: "PolicyNotAuthorized")
  }

  /// Values of a new resource: checked, with initial values for what is absent, and its owner.
  func createValues(_ input: JSONObject, auth: AuthContext) throws(Fault) -> JSONObject {
    let given = try canonical(input)
    var values = JSONObject()
    for field in fields where field.name != "id" || given["id"] != nil {
      guard let value = given[field.name] else {
        if field.create == .required {
          throw Fault.badRequest(
            "Failed to parse request. Required attribute '\(field.name)' not specified", kind: "HTTPBadRequest")
        }
        if field.column != nil || !field.initial.isNull { values.append(field.name, field.initial) }
        continue
      }
      if field.create == .forbidden {
        throw Fault.badRequest("Attribute '\(field.name)' not allowed in POST", kind: "HTTPBadRequest")
      }
      switch field.check(value) {
      case .success(let checked):
        // A value that says what would be there anyway needs no right.
        if checked != field.initial { try allow(field, .create, auth) }
        values.append(field.name, checked)
      case .failure(let reason): throw reason.fault ?? invalid(field.name, reason.text)
      }
    }
    if let ownerField { try setOwner(&values, ownerField, auth) }
    return values
  }

  private func setOwner(_ values: inout JSONObject, _ name: String, _ auth: AuthContext) throws(Fault) {
    let wanted = values[name]?.string ?? ""
    if wanted.isEmpty {
      values[name] = .string(auth.projectID)
    } else if wanted != auth.projectID, !auth.isAdmin {
      throw Fault.badRequest(
        "Specifying '\(name)' other than the authenticated project in request is not allowed for the current user.",
        kind: "HTTPBadRequest")
    }
  }

  /// The checked changes of an update.
  func updateValues(_ input: JSONObject, auth: AuthContext) throws(Fault) -> JSONObject {
    var changes = JSONObject()
    for member in try canonical(input) {
      guard let field = field(member.key) else { continue }
      if !field.canUpdate {
        throw Fault.badRequest("Cannot update read-only attribute \(field.name)", kind: "HTTPBadRequest")
      }
      try allow(field, .update, auth)
      switch field.check(member.value) {
      case .success(let checked): changes[field.name] = checked
      case .failure(let reason): throw reason.fault ?? invalid(field.name, reason.text)
      }
    }
    return changes
  }
}
