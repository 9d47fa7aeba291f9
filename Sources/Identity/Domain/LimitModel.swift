import Kit
import Store

/// How limits of projects and domains relate (API reference, Unified limits; upstream's enforcement_model).
public enum LimitModel: String, Sendable, CaseIterable {
  case flat
  /// A domain's limit bounds those of its projects, and what all of them use together; projects have no projects below.
  case strictTwoLevel = "strict_two_level"

  var description: String {
    switch self {
    case .flat: "A limit stands for itself: the hierarchy of projects is not looked at."
    case .strictTwoLevel: "A domain's limit bounds those of its projects; a project has no projects below it."
    }
  }

  /// Levels of projects below a domain.
  var projectDepthMax: Int { self == .flat ? IdentityService.projectDepthMax : 1 }

  /// Whether one limit is more than another; -1 is no limit.
  static func isMore(_ one: Int, than other: Int) -> Bool { other >= 0 && (one < 0 || one > other) }

  /// The limits of one resource of a service.
  struct Key: Sendable {
    let serviceID: String
    let regionID: String
    let resource: String

    init(_ values: JSONObject) {
      serviceID = values["service_id"]?.string ?? ""
      regionID = values["region_id"]?.string ?? ""
      resource = values["resource_name"]?.string ?? ""
    }
    var condition: SQL {
      "service_id = \(serviceID) AND region_id = \(regionID) AND resource_name = \(resource)"
    }
  }

  /// Throws 403 for a limit that the model does not allow.
  func check(_ limit: Int, _ key: Key, project: String?, domain: String?, books: Snapshot, tx: any Transaction) throws {
    guard self == .strictTwoLevel else { return }
    if let project {
      let parent = books.projects[project]?.domainID ?? ""
      let own = try tx.first(
        "SELECT resource_limit FROM identity_limit WHERE domain_id = \(parent) AND \(key.condition)")
      let general = try tx.first("SELECT default_limit FROM identity_registered_limit WHERE \(key.condition)")
      let bound = own?.int("resource_limit") ?? general?.int("default_limit") ?? -1
      if Self.isMore(limit, than: bound) {
        throw Fault.forbidden("Invalid resource limit: \(limit) is bigger than the domain's limit of \(bound).")
      }
    } else if let domain {
      let below: SQL = "SELECT id FROM identity_project WHERE domain_id = \(domain)"
      let rows = try tx.query(
        "SELECT project_id, resource_limit FROM identity_limit WHERE project_id IN (\(below)) AND \(key.condition)")
      if let row = rows.first(where: { Self.isMore($0.int("resource_limit"), than: limit) }) {
        throw Fault.forbidden(
          "Invalid resource limit: \(limit) is smaller than the limit of \(row.int("resource_limit")) of project "
            + "\(row.text("project_id")).")
      }
    }
  }
}
