import Kit

/// Something that has resources: a compute node, a part of one, or a pool that several nodes share. Providers form trees.
struct Provider: Sendable, Equatable {
  var id: String
  var name: String
  /// Raised at every change of its inventories, traits, aggregates or allocations; writers name the one they saw.
  var generation: Int
  var rootID: String
  var parentID: String?
  var updatedAt: Timestamp

  static func notFound(_ id: String) -> Fault { .notFound("No resource provider with uuid \(id.prefix(64)) found.") }

  /// Throws the 409 fault of a writer that saw another generation.
  func checkGeneration(_ seen: Int?) throws {
    guard let seen, seen != generation else { return }
    throw Fault.conflict(
      "Resource provider \(id) has generation \(generation), not \(seen): it changed meanwhile. Read it and try again.",
      kind: ErrorCode.concurrentUpdate)
  }
}

/// Placement's machine-readable error codes (API reference, Errors).
enum ErrorCode {
  static let inventoryInUse = "placement.inventory.inuse"
  static let concurrentUpdate = "placement.concurrent_update"
  static let duplicateName = "placement.duplicate_name"
  static let providerInUse = "placement.resource_provider.inuse"
  static let cannotDeleteParent = "placement.resource_provider.cannot_delete_parent"
  static let providerNotFound = "placement.resource_provider.not_found"
  static let duplicateKey = "placement.query.duplicate_key"
  static let badValue = "placement.query.bad_value"
  static let missingValue = "placement.query.missing_value"
}
